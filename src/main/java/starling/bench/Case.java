package starling.bench;

import starling.bench.Operator.Sizes;
import starling.device.DType;

/**
 * An operator at one size.
 *
 * @param name in reports: the operator's, {@code op:entry} of a user's own kernel, or {@code
 *     op:provider}
 */
record Case(String name, Operator operator, Sizes sizes, DType dtype) {
  /** Makes its tensors; returns what runs it on them. */
  Runnable on(Inputs inputs) {
    return operator.body().apply(inputs, sizes);
  }

  /** That must move: every input read once, every output written once. */
  long bytes() {
    return operator.bytes(sizes, dtype);
  }

  /** That the definition takes. */
  long flops() {
    return operator.flops(sizes, dtype);
  }

  String title() {
    return name + " " + sizes + " " + dtype.label();
  }

  /** Its row without figures. */
  Row failed(CacheState cache, String why) {
    return Row.failed(name, sizes.of(), dtype, cache, why);
  }
}
