package starling.device;

/**
 * Element type of a {@link Tensor}. Floating-point types are stored as named; arithmetic is always
 * f32.
 */
public enum DType {
  F32(4),
  BF16(2),
  F16(2),
  I32(4),
  U8(1);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes per element. */
  public int bytes() {
    return bytes;
  }

  public boolean isFloat() {
    return this == F32 || this == BF16 || this == F16;
  }

  /** Lower-case name, as the command line and reports write it. */
  public String label() {
    return name().toLowerCase(java.util.Locale.ROOT);
  }
}
