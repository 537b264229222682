package starling.cuda;

import starling.device.DType;

/** Rounding of weights while they are loaded, to nearest even. */
final class Rounding {
  private Rounding() {}

  /** The value's bits in a type. */
  static int bits(DType dtype, float value) {
    return switch (dtype) {
      case F32 -> Float.floatToRawIntBits(value);
      case F16 -> Float.floatToFloat16(value);
      case BF16 -> bf16(value);
      case I32, U8 -> throw new IllegalArgumentException(dtype + " is not a float type");
    };
  }

  private static int bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    return Float.isNaN(value) ? 0x7fc0 : (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16;
  }

  static float widen(DType dtype, int bits) {
    return switch (dtype) {
      case F32 -> Float.intBitsToFloat(bits);
      case F16 -> Float.float16ToFloat((short) bits);
      case BF16 -> Float.intBitsToFloat(bits << 16);
      case I32, U8 -> throw new IllegalArgumentException(dtype + " is not a float type");
    };
  }
}
