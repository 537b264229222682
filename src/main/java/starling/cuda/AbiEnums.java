package starling.cuda;

import starling.cuda.abi.AbiConstants;
import starling.device.Activation;
import starling.device.DType;
import starling.device.PositionRule;

/** The numbers that {@code starling.h} gives to the values of enumerations. */
final class AbiEnums {
  private AbiEnums() {}

  static int of(DType dtype) {
    return switch (dtype) {
      case F32 -> AbiConstants.F32;
      case BF16 -> AbiConstants.BF16;
      case F16 -> AbiConstants.F16;
      case I32 -> AbiConstants.I32;
      case U8 -> AbiConstants.U8;
    };
  }

  static int of(Activation activation) {
    return switch (activation) {
      case NONE -> AbiConstants.NONE;
      case QUICK_GELU -> AbiConstants.QUICK_GELU;
      case GELU -> AbiConstants.GELU;
      case SILU_MUL -> AbiConstants.SILU_MUL;
    };
  }

  static int of(PositionRule rule) {
    return switch (rule) {
      case CONTIGUOUS -> AbiConstants.CONTIGUOUS;
      case KEEP -> AbiConstants.KEEP;
    };
  }
}
