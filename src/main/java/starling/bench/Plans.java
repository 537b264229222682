package starling.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import starling.bench.Operator.Sizes;
import starling.device.DType;
import starling.device.DeviceType;
import starling.input.InputException;

/** From what was asked for to the cases that are measured. */
final class Plans {
  private static final int MAX_ROWS = 10_000;

  private Plans() {}

  /**
   * Every operator at every size in every type, once.
   *
   * @throws InputException for an operator or axis that does not exist, or sizes that cannot be
   */
  static List<Case> of(Bench.Options options) {
    List<String> names = options.operators().isEmpty() ? Bench.operators() : options.operators();
    List<Operator> operators =
        names.stream().map(name -> operator(name, options.device())).toList();
    checkSource(options);
    checkAxes(options, operators);
    var plans = new LinkedHashSet<Case>(); // one row for what is asked for twice
    for (int i = 0; i < names.size(); i++) {
      Operator o = operators.get(i);
      String name = names.get(i);
      List<DType> types = o.typed() ? options.dtypes() : List.of(DType.F32);
      for (Sizes sizes : combined(o, preset(options.preset(), o, name), options.axes())) {
        types.forEach(t -> plans.add(new Case(name, o, sizes, t)));
      }
    }
    return List.copyOf(plans);
  }

  private static void checkSource(Bench.Options options) {
    if (options.source() != null && options.operators().size() != 1) {
      throw new InputException("--source needs one --op, whose place the kernel takes");
    }
    if (options.source() != null && options.device() == DeviceType.CPU) {
      throw new InputException("--source needs --device emulated or cuda: cpu runs no kernels");
    }
  }

  private static void checkAxes(Bench.Options options, List<Operator> operators) {
    for (String axis : options.axes().keySet()) {
      if (operators.stream().noneMatch(o -> o.axes().contains(axis))) {
        throw new InputException(
            "--"
                + axis
                + " is no axis of "
                + String.join(", ", options.operators())
                + (operators.size() == 1 ? ", which has " + operators.get(0).axes() : ""));
      }
    }
  }

  private static Operator operator(String name, DeviceType device) {
    String kernelOf = Catalogue.KERNELS.get(name);
    if (kernelOf != null && device == DeviceType.CPU) {
      throw new InputException(
          "%s is a kernel of %s, which emulated and cuda have; on cpu there is the operator"
              .formatted(name, kernelOf));
    }
    return Catalogue.OPERATORS.stream()
        .filter(o -> o.name().equals(kernelOf == null ? name : kernelOf))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    "operator '%s' is not one of %s"
                        .formatted(name, String.join(", ", Bench.operators()))));
  }

  /** The rows of a preset; of a kernel that is chosen for few rows those alone. */
  private static List<Sizes> preset(Preset preset, Operator o, String name) {
    List<Sizes> rows = preset.sizes(o);
    return Catalogue.KERNELS.containsKey(name)
        ? rows.stream().filter(s -> s.get("T") == 1).toList()
        : rows;
  }

  /** With axes given, the first row of the preset fills what is not. */
  private static List<Sizes> combined(
      Operator o, List<Sizes> preset, Map<String, List<Integer>> axes) {
    if (o.axes().stream().noneMatch(axes::containsKey)) {
      return preset;
    }
    var rows = new ArrayList<Map<String, Integer>>();
    rows.add(new LinkedHashMap<>(preset.get(0).of()));
    for (String axis : o.axes()) {
      if (!axes.containsKey(axis)) {
        continue;
      }
      if ((long) rows.size() * axes.get(axis).size() > MAX_ROWS) {
        throw new InputException(
            "the sizes make more than " + MAX_ROWS + " rows; ask for fewer at a time");
      }
      var longer = new ArrayList<Map<String, Integer>>();
      for (Map<String, Integer> row : rows) {
        for (int value : axes.get(axis)) {
          var copy = new LinkedHashMap<>(row);
          copy.put(axis, value);
          longer.add(copy);
        }
      }
      rows.clear();
      rows.addAll(longer);
    }
    rows.forEach(Plans::check);
    return rows.stream().map(Sizes::new).toList();
  }

  /**
   * Refuses sizes that no operator can have together.
   *
   * @throws InputException with the axis and its value
   */
  private static void check(Map<String, Integer> s) {
    s.forEach(
        (axis, n) -> {
          if (n < 1 && !axis.equals("causal")) {
            throw new InputException("--" + axis + " is " + n + "; it must be at least 1");
          }
        });
    if (s.getOrDefault("causal", 0) < 0 || s.getOrDefault("causal", 0) > 1) {
      throw new InputException("--causal is " + s.get("causal") + "; it is 0 or 1");
    }
    if (s.getOrDefault("axes", 1) != 1 && s.get("axes") != 3) {
      throw new InputException("--axes is " + s.get("axes") + "; it is 1 or 3");
    }
    checkWindows(s);
    atMost(s, "k", "n");
    atMost(s, "k", "S");
    atMost(s, "n", s.containsKey("S") ? "S" : "T");
    atMost(s, "T", "S");
    if (s.containsKey("causal")
        && s.containsKey("w")
        && (long) s.get("n") * s.get("w") > s.get("S")) {
      throw new InputException(
          "n=%d of w=%d are more than S=%d".formatted(s.get("n"), s.get("w"), s.get("S")));
    }
  }

  private static void checkWindows(Map<String, Integer> s) {
    if (s.containsKey("window") != s.containsKey("across")) {
      throw new InputException(
          "--window and --across, the rows of a line of the grid, go together");
    }
    if (s.containsKey("window")
        && (s.get("T") % s.get("across") != 0
            || !s.get("T").equals(s.get("S"))
            || s.get("causal") == 1)) {
      throw new InputException(
          "--window needs T = S, causal 0, and T a multiple of across, which is "
              + s.get("across"));
    }
  }

  private static void atMost(Map<String, Integer> s, String small, String large) {
    if (s.containsKey(small) && s.containsKey(large) && s.get(small) > s.get(large)) {
      throw new InputException(
          small + "=" + s.get(small) + " is more than " + large + "=" + s.get(large));
    }
  }
}
