package starling.bench;

import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.ToLongBiFunction;
import starling.device.DType;

/**
 * One operator of {@code Device} as the bench sees it.
 *
 * @param name as everywhere: file, kernel, C symbol, row
 * @param axes its sizes, in the order of a row
 * @param typed whether its tensors have the run's type; else one type measures all
 * @param body makes the tensors and says what to run
 * @param bytes that must move: every input read once, every output written once
 * @param flops that the definition takes, a multiply-add being two
 */
record Operator(
    String name,
    List<String> axes,
    boolean typed,
    BiFunction<Inputs, Sizes, Runnable> body,
    ToLongBiFunction<Sizes, DType> bytes,
    ToLongBiFunction<Sizes, DType> flops) {

  /** The sizes of a row. */
  record Sizes(Map<String, Integer> of) {
    int get(String axis) {
      Integer value = of.get(axis);
      if (value == null) {
        throw new IllegalStateException("axis " + axis + " has no value");
      }
      return value;
    }

    long at(String axis) {
      return get(axis);
    }
  }
}
