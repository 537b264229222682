package starling.cuda;

import starling.device.Activation;
import starling.device.DType;
import starling.device.PositionRule;

/** The enumerations of {@code starling.h}. */
final class Numbers {
  private Numbers() {}

  static int of(DType dtype) {
    return switch (dtype) {
      case F32 -> 0;
      case BF16 -> 1;
      case F16 -> 2;
      case I32, U8 -> throw new IllegalArgumentException(dtype + ", expected a float type");
    };
  }

  static int of(Activation activation) {
    return switch (activation) {
      case NONE -> 0;
      case QUICK_GELU -> 1;
      case GELU -> 2;
      case SILU_MUL -> 3;
    };
  }

  static int of(PositionRule rule) {
    return switch (rule) {
      case CONTIGUOUS -> 0;
      case KEEP -> 1;
    };
  }
}
