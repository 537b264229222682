package starling.bench;

import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.ToDoubleBiFunction;
import java.util.stream.Collectors;
import starling.device.DType;

/**
 * One operator of {@code Device} as the bench sees it.
 *
 * @param name as everywhere: file, kernel, C symbol, row
 * @param axes its sizes, in the order of a row
 * @param typed whether its tensors have the run's type; else it is measured once, as f32
 * @param body makes the tensors and says what to run
 * @param bytes that must move: every input read once, every output written once
 * @param flops that the definition takes, a multiply-add being two
 */
record Operator(
    String name,
    List<String> axes,
    boolean typed,
    BiFunction<Inputs, Sizes, Runnable> body,
    ToDoubleBiFunction<Sizes, DType> bytes,
    ToDoubleBiFunction<Sizes, DType> flops) {

  /** The same at a size; beyond a long, the largest there is. */
  long bytes(Sizes sizes, DType dtype) {
    return (long) bytes.applyAsDouble(sizes, dtype);
  }

  long flops(Sizes sizes, DType dtype) {
    return (long) flops.applyAsDouble(sizes, dtype);
  }

  /** The sizes of a row. */
  record Sizes(Map<String, Integer> of) {
    /** {@code T=60 D=128}. */
    @Override
    public String toString() {
      return of.entrySet().stream()
          .map(e -> e.getKey() + "=" + e.getValue())
          .collect(Collectors.joining(" "));
    }

    int get(String axis) {
      Integer value = of.get(axis);
      if (value == null) {
        throw new IllegalStateException("axis " + axis + " has no value");
      }
      return value;
    }

    /** Of an axis that not every row has. */
    int get(String axis, int otherwise) {
      return of.getOrDefault(axis, otherwise);
    }

    /** For formulas, whose products go beyond an int and a long; exact below 2^53. */
    double at(String axis) {
      return get(axis);
    }
  }
}
