package starling.device;

/**
 * Which keys a query row may attend, of its own segment's.
 *
 * @param causal row {@code i} of a segment sees its keys {@code 0 … length + i}; otherwise all
 * @param hidden u8 {@code [≥ N]}: keys marked 1 are seen by nobody; key {@code j} of a segment has
 *     byte {@code hidden + j}, without a segment table byte {@code j}; null hides none
 */
public record Mask(boolean causal, Tensor hidden) {
  /** Every row sees all keys of its segment. */
  public static final Mask NONE = new Mask(false, null);

  /** Every row sees the keys up to its own. */
  public static final Mask CAUSAL = new Mask(true, null);
}
