package starling.device;

/**
 * Table of rotary embeddings, half-split form: channel {@code i} turns with channel {@code i +
 * d/2}.
 *
 * @param cos f32 {@code [positions, d/2]}; angles {@code position·theta^(-2i/d)} are computed in
 *     double
 * @param sin f32 {@code [positions, d/2]}
 * @param sections how many of the {@code d/2} frequencies follow the position on each of three
 *     axes, in order; null if all follow the first
 */
public record Rope(Tensor cos, Tensor sin, int[] sections) {
  /** Of positions on one axis. */
  public Rope(Tensor cos, Tensor sin) {
    this(cos, sin, null);
  }
}
