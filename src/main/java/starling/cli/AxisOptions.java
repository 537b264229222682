package starling.cli;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import starling.bench.Bench;
import starling.input.InputException;

/** Options that are named by axes of operators: {@code --n 576,2880}. */
final class AxisOptions {
  private static final String NUMBERS = "[+-]?\\d+(,[+-]?\\d+)*";

  /** What {@code in_features} was called before. */
  private static final String IN = "in";

  private AxisOptions() {}

  /** Whether a value of {@code --out} is sizes: gemm had an axis of that name. */
  static boolean isNumbers(String text) {
    return text.matches(NUMBERS);
  }

  /**
   * The values of every axis.
   *
   * @param rest arguments that are no other options
   */
  static Map<String, List<Integer>> of(CommandSpec spec, List<String> rest) {
    var axes = new LinkedHashMap<String, List<Integer>>();
    for (int i = 0; i < rest.size(); i++) {
      String[] parts = rest.get(i).split("=", 2);
      String axis = parts[0].replaceFirst("^--", "");
      String name = axis.equals(IN) ? "in_features" : axis;
      if (!parts[0].startsWith("--") || !Bench.axes().contains(name)) {
        throw new ParameterException(
            spec.commandLine(),
            "'" + rest.get(i) + "' is no option; axes are " + String.join(", ", Bench.axes()));
      }
      if (parts.length == 1 && i + 1 == rest.size()) {
        throw new ParameterException(spec.commandLine(), "--" + axis + " has no value");
      }
      axes.put(name, numbers(spec, axis, parts.length == 2 ? parts[1] : rest.get(++i)));
    }
    return axes;
  }

  private static List<Integer> numbers(CommandSpec spec, String axis, String text) {
    if (!isNumbers(text)) {
      throw new ParameterException(
          spec.commandLine(), "--" + axis + " '" + text + "' is not a list of whole numbers");
    }
    return Stream.of(text.split(",", -1)).map(n -> number(axis, n)).toList();
  }

  private static Integer number(String axis, String text) {
    try {
      return Integer.valueOf(text);
    } catch (NumberFormatException e) {
      throw new InputException(
          "--" + axis + " is " + text + "; it can be at most " + Integer.MAX_VALUE, e);
    }
  }
}
