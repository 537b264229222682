package starling.device;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Locale;
import starling.input.InputException;

/**
 * Element type of a {@link Tensor}. Floating-point types are stored as named; arithmetic is always
 * f32.
 */
public enum DType {
  /** Single precision of IEEE 754. */
  F32(4),

  /** The upper half of an F32: 8 bits of exponent, 7 of fraction. */
  BF16(2),

  /** Half precision of IEEE 754. */
  F16(2),

  /** Whole numbers: ids, indices, positions, tables. */
  I32(4),

  /** Bytes: masks, and blocks of quantised weights. */
  U8(1);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes per element. */
  public int bytes() {
    return bytes;
  }

  /** Whether it is F32, BF16 or F16. */
  public boolean isFloat() {
    return this == F32 || this == BF16 || this == F16;
  }

  /**
   * The bits of {@code value} in this type, rounded to nearest even.
   *
   * @throws IllegalStateException if this is not a floating-point type
   */
  public int bits(float value) {
    return switch (this) {
      case F32 -> Float.floatToRawIntBits(value);
      case BF16 -> bf16(value);
      case F16 -> Float.floatToFloat16(value);
      case I32, U8 -> throw new IllegalStateException(this + " is not a float type");
    };
  }

  /**
   * The value that {@code bits} are in this type, exactly.
   *
   * @throws IllegalStateException if this is not a floating-point type
   */
  public float value(int bits) {
    return switch (this) {
      case F32 -> Float.intBitsToFloat(bits);
      case BF16 -> Float.intBitsToFloat(bits << 16);
      case F16 -> Float.float16ToFloat((short) bits);
      case I32, U8 -> throw new IllegalStateException(this + " is not a float type");
    };
  }

  /** The bits of {@code value} in bf16, rounded to nearest even. */
  public static short bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) (bits >>> 16 | 0x40);
    }
    return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
  }

  /** Lower-case name, as the command line and reports write it. */
  @JsonValue
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The type of activations of a label, for the command line.
   *
   * @throws InputException unless it is {@code f32}, {@code bf16} or {@code f16}
   */
  public static DType of(String label) {
    return switch (label) {
      case "f32" -> F32;
      case "bf16" -> BF16;
      case "f16" -> F16;
      default -> throw new InputException("dtype '" + label + "' is not one of f32, bf16, f16");
    };
  }
}
