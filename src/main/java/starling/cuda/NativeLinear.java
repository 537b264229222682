package starling.cuda;

import starling.device.Linear;
import starling.device.Tensor;

/** One matrix of a plain type, all parts one below the other. */
final class NativeLinear extends Linear {
  NativeLinear(Tensor matrix, Tensor bias) {
    super(matrix, bias);
  }

  Tensor matrix() {
    return parts().get(0);
  }

  /** f32 {@code [out]}, or null. */
  Tensor biases() {
    return bias();
  }
}
