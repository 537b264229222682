package starling.device;

/**
 * Which keys a query row may attend.
 *
 * @param causal query row {@code t} of a call sees keys {@code 0 … length + t}; otherwise all
 * @param hidden u8 {@code [capacity]}: keys marked 1 are seen by nobody; null hides none
 */
public record Mask(boolean causal, Tensor hidden) {
  public static final Mask NONE = new Mask(false, null);
  public static final Mask CAUSAL = new Mask(true, null);
}
