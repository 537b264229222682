package starling.bench;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import starling.bench.Samples.Interval;
import starling.input.InputException;
import starling.input.InputFile;
import starling.input.Limits;
import starling.input.TerminalText;

/**
 * Two files of {@code bench kernels}, row by row. Of times the ratio of the medians is compared, by
 * its interval from all samples; of counted work every counter, exactly.
 */
public final class Compare {
  /** Of a ratio that is called faster or slower; below, two runs of one build would differ. */
  private static final double MIN_CHANGE = 0.05;

  /** Of an interval around 1 that is called same: a difference of so much would be seen. */
  private static final double NARROW = 0.2;

  /** No sample is longer, in microseconds: eleven days. */
  private static final double LONGEST = 1e12;

  /** Samples and the median that was written beside them are of one unit. */
  private static final double UNIT = 100;

  /** Where figures of another value cannot be compared. */
  private static final List<String> SAME =
      List.of("device", "card", "uuid", "architecture", "multiprocessors");

  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private Compare() {}

  /** What is said of a row. */
  public enum Verdict {
    SAME,
    FASTER,
    SLOWER,
    UNSURE,
    /** Less work was counted, and nowhere more. */
    SHRANK,
    /** A counter is higher. */
    GREW,
    MISSING,
    NEW,
    ERROR;

    /** Whether it fails the comparison. */
    boolean regression() {
      return this == SLOWER || this == GREW || this == MISSING || this == ERROR;
    }
  }

  /** One counter of a row in A and in B. */
  public record Counter(String name, long before, long after) {}

  /**
   * One row.
   *
   * @param before median in A, microseconds; NaN if there is none
   * @param after the same in B
   * @param low lower end of the 99 % interval of B/A
   * @param high upper end
   * @param counters of a row whose work was counted; else empty
   */
  public record Line(
      String key,
      Verdict verdict,
      double before,
      double after,
      double low,
      double high,
      List<Counter> counters) {
    Line(String key, Verdict verdict, double before, double after) {
      this(key, verdict, before, after, Double.NaN, Double.NaN, List.of());
    }

    /** "blocks 22 -> 44" for every counter that differs. */
    private String changes() {
      return counters.stream()
          .filter(c -> c.before != c.after)
          .map(c -> c.name + " " + c.before + " -> " + c.after)
          .collect(Collectors.joining(", "));
    }
  }

  /**
   * All rows of both files.
   *
   * @param control how long the same work took in B over A, as an interval; 1 where unknown
   */
  public record Result(List<Line> lines, double[] control) {
    public boolean regression() {
      return lines.stream().anyMatch(l -> l.verdict.regression());
    }

    /** For programs; what is not known is left out. */
    public List<Map<String, Object>> json() {
      var rows = new ArrayList<Map<String, Object>>();
      for (Line l : lines) {
        var row = new LinkedHashMap<String, Object>();
        row.put("row", l.key);
        row.put("verdict", l.verdict.name().toLowerCase(Locale.ROOT));
        put(row, "a_us", l.before);
        put(row, "b_us", l.after);
        put(row, "low", l.low);
        put(row, "high", l.high);
        if (!l.counters.isEmpty()) {
          var counters = new LinkedHashMap<String, Object>();
          l.counters.forEach(c -> counters.put(c.name, Map.of("a", c.before, "b", c.after)));
          row.put("counters", counters);
        }
        rows.add(row);
      }
      return rows;
    }

    private static void put(Map<String, Object> row, String name, double value) {
      if (Double.isFinite(value)) {
        row.put(name, value);
      }
    }

    /** For people. */
    public String text() {
      String moved =
          control[1] < 1 || control[0] > 1
              ? String.format(
                  Locale.ROOT,
                  "The machine itself took %.3f .. %.3f times as long in B for the same work; what is no more than that is unsure.%n",
                  control[0],
                  control[1])
              : "";
      return table().aligned(counted() ? 3 : 2) + moved;
    }

    private boolean counted() {
      return lines.stream().anyMatch(l -> !l.counters.isEmpty());
    }

    Table table() {
      boolean timed =
          lines.stream().anyMatch(l -> !Double.isNaN(l.before) || !Double.isNaN(l.after));
      boolean counted = counted();
      var head = new ArrayList<>(List.of("row", "verdict"));
      if (counted) {
        head.add("counted, A -> B");
      }
      if (timed || !counted) {
        head.addAll(List.of("A us", "B us", "B/A", "99 % interval"));
      }
      var rows = new ArrayList<List<String>>();
      for (Line l : lines) {
        var cells =
            new ArrayList<>(
                List.of(TerminalText.of(l.key), l.verdict.name().toLowerCase(Locale.ROOT)));
        if (counted) {
          cells.add(l.changes());
        }
        if (timed || !counted) {
          cells.addAll(
              List.of(
                  Double.isNaN(l.before) ? "" : KernelReport.number(l.before),
                  Double.isNaN(l.after) ? "" : KernelReport.number(l.after),
                  Double.isNaN(l.low) ? "" : String.format(Locale.ROOT, "%.3f", l.after / l.before),
                  interval(l)));
        }
        rows.add(cells);
      }
      return new Table(head, rows);
    }

    private static String interval(Line l) {
      if (Double.isNaN(l.low)) {
        return "";
      }
      return Double.isInfinite(l.high)
          ? "too few samples"
          : String.format(Locale.ROOT, "%.3f .. %.3f", l.low, l.high);
    }
  }

  /**
   * @param anyMachine whether files of different machines are compared all the same
   * @throws InputException if a file is not one of {@code bench kernels}, or they are of different
   *     machines
   */
  public static Result files(Path a, Path b, boolean anyMachine) {
    JsonNode left = read(a);
    JsonNode right = read(b);
    if (!anyMachine) {
      for (String field : SAME) {
        String one = left.at("/starling/environment/" + field).asText();
        String other = right.at("/starling/environment/" + field).asText();
        if (!one.equals(other)) {
          throw new InputException(
              field
                  + " differs: '"
                  + one
                  + "' in "
                  + a
                  + ", '"
                  + other
                  + "' in "
                  + b
                  + "; --any-machine compares all the same");
        }
      }
    }
    Map<String, JsonNode> before = rows(a, left);
    Map<String, JsonNode> after = rows(b, right);
    sameKinds(a, before, b, after);
    Interval control = control(a, left, b, right);
    var lines = new ArrayList<Line>();
    before.forEach(
        (key, row) ->
            lines.add(line(key, Figures.of(a, row), figures(b, after.get(key)), control)));
    after.forEach(
        (key, row) -> {
          if (!before.containsKey(key)) {
            lines.add(new Line(key, Verdict.NEW, Double.NaN, Figures.of(b, row).median()));
          }
        });
    return new Result(lines, new double[] {control.low(), control.high()});
  }

  private static Figures figures(Path file, JsonNode row) {
    return row == null ? null : Figures.of(file, row);
  }

  private static JsonNode read(Path file) {
    byte[] bytes = InputFile.read(file, Limits.JSON_BYTES);
    try {
      JsonNode json = JSON.readTree(bytes);
      if (!json.path("benchmarks").isArray() || !json.at("/starling/environment").isObject()) {
        throw new InputException(file + ": not a file that bench kernels wrote");
      }
      return json;
    } catch (IOException e) {
      String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("unreadable");
      throw new InputException(file + ": is not JSON (" + why + ")", e);
    }
  }

  private static Map<String, JsonNode> rows(Path file, JsonNode json) {
    var rows = new LinkedHashMap<String, JsonNode>();
    for (JsonNode benchmark : json.path("benchmarks")) {
      for (JsonNode state : benchmark.path("states")) {
        JsonNode key = state.at("/starling/key");
        if (!key.isTextual()) {
          throw new InputException(file + ": a state without starling.key");
        }
        if (rows.put(key.asText(), state) != null) {
          throw new InputException(file + ": two rows of " + key.asText());
        }
      }
    }
    return rows;
  }

  /** No row in common, because one side was cold and the other warm, or of other types. */
  private static void sameKinds(
      Path a, Map<String, JsonNode> before, Path b, Map<String, JsonNode> after) {
    for (String axis : List.of("cache", "dtype")) {
      var left = values(before, axis);
      var right = values(after, axis);
      if (!left.isEmpty() && !right.isEmpty() && left.stream().noneMatch(right::contains)) {
        throw new InputException(
            axis + " differs: " + left + " in " + a + ", " + right + " in " + b);
      }
    }
  }

  private static List<String> values(Map<String, JsonNode> rows, String axis) {
    var values = new ArrayList<String>();
    for (JsonNode row : rows.values()) {
      for (JsonNode value : row.path("axis_values")) {
        if (value.path("name").asText().equals(axis)
            && !values.contains(value.path("value").asText())) {
          values.add(value.path("value").asText());
        }
      }
    }
    return values;
  }

  private static Interval control(Path a, JsonNode left, Path b, JsonNode right) {
    Samples before = Figures.samples(a + ": control_us", left.at("/starling/control_us"));
    Samples after = Figures.samples(b + ": control_us", right.at("/starling/control_us"));
    return before == null || after == null
        ? Interval.ONE
        : after.interval().over(before.interval());
  }

  /** What a row says: times by round, counters, or neither where it failed. */
  private record Figures(Samples times, Map<String, Long> counters) {
    private static final List<String> COUNTERS =
        List.of("launches", "blocks", "barriers", "read", "written", "flops");

    static Figures of(Path file, JsonNode row) {
      JsonNode own = row.path("starling");
      String name = file + ": " + own.path("key").asText();
      own.fieldNames()
          .forEachRemaining(
              field -> {
                if (field.startsWith("samples_") && !field.equals("samples_us")) {
                  throw new InputException(
                      name + ": " + field + ", and times are compared in microseconds, samples_us");
                }
              });
      Samples times = samples(name, own.path("samples_us"));
      Map<String, Long> counters = counters(name, own.path("work"));
      if (row.path("is_skipped").asBoolean()) {
        return new Figures(null, Map.of());
      }
      if (times == null && counters.isEmpty()) {
        throw new InputException(name + ": neither samples_us nor work, and no skip_reason");
      }
      JsonNode median = own.path("median_us");
      if (times != null && median.isNumber()) {
        double ratio = times.median() / median.asDouble();
        if (!(ratio < UNIT && ratio > 1 / UNIT)) {
          throw new InputException(
              name + ": samples_us are of another unit than median_us, " + median.asText());
        }
      }
      return new Figures(times, counters);
    }

    private static Map<String, Long> counters(String name, JsonNode work) {
      var counters = new LinkedHashMap<String, Long>();
      if (work.isMissingNode()) {
        return counters;
      }
      for (String counter : COUNTERS) {
        JsonNode value = work.path(counter);
        if (!value.isIntegralNumber() || !value.canConvertToLong() || value.asLong() < 0) {
          throw new InputException(name + ": work." + counter + " is no count: " + value);
        }
        counters.put(counter, value.asLong());
      }
      return counters;
    }

    /** By round; null where nothing was timed. */
    static Samples samples(String name, JsonNode list) {
      if (list.isMissingNode()) {
        return null;
      }
      if (!list.isArray() || list.isEmpty()) {
        throw new InputException(name + ": no samples");
      }
      double[][] rounds = new double[list.size()][];
      for (int r = 0; r < rounds.length; r++) {
        JsonNode round = list.get(r);
        if (!round.isArray() || round.isEmpty()) {
          throw new InputException(name + ": a round without samples");
        }
        rounds[r] = new double[round.size()];
        for (int i = 0; i < rounds[r].length; i++) {
          JsonNode sample = round.get(i);
          double x = sample.asDouble(Double.NaN);
          if (!sample.isNumber() || !(x > 0 && x <= LONGEST)) { // nor NaN
            throw new InputException(name + ": a sample is no time: " + sample);
          }
          rounds[r][i] = x;
        }
      }
      return new Samples(rounds);
    }

    double median() {
      return times == null ? Double.NaN : times.median();
    }

    /** What the other has and this one lacks is a failure of this one. */
    boolean lacks(Figures other) {
      return (times == null && other.times != null)
          || (counters.isEmpty() && !other.counters.isEmpty());
    }
  }

  private static Line line(String key, Figures a, Figures b, Interval control) {
    if (b == null) {
      return new Line(key, Verdict.MISSING, a.median(), Double.NaN);
    }
    if (b.lacks(a) || (b.times == null && b.counters.isEmpty())) {
      return new Line(key, Verdict.ERROR, a.median(), Double.NaN);
    }
    if (a.lacks(b)) {
      return new Line(key, Verdict.NEW, Double.NaN, b.median());
    }
    return a.times == null ? counted(key, a, b) : timed(key, a, b, control);
  }

  private static Line counted(String key, Figures a, Figures b) {
    var counters = new ArrayList<Counter>();
    a.counters.forEach((name, n) -> counters.add(new Counter(name, n, b.counters.get(name))));
    Verdict verdict =
        counters.stream().anyMatch(c -> c.after > c.before)
            ? Verdict.GREW
            : counters.stream().anyMatch(c -> c.after < c.before) ? Verdict.SHRANK : Verdict.SAME;
    return new Line(key, verdict, Double.NaN, Double.NaN, Double.NaN, Double.NaN, counters);
  }

  private static Line timed(String key, Figures a, Figures b, Interval control) {
    Interval ratio = b.times.interval().over(a.times.interval());
    Verdict verdict = verdict(ratio, ratio.over(control));
    return new Line(key, verdict, a.median(), b.median(), ratio.low(), ratio.high(), List.of());
  }

  /**
   * @param ratio of B over A
   * @param net the same without what the machine itself lost or gained
   */
  static Verdict verdict(Interval ratio, Interval net) {
    double least = 1 + MIN_CHANGE;
    if (ratio.low() > least && net.low() > least) {
      return Verdict.SLOWER;
    }
    if (ratio.high() < 1 / least && net.high() < 1 / least) {
      return Verdict.FASTER;
    }
    boolean within = ratio.low() >= 1 / least && ratio.high() <= least;
    boolean near = ratio.low() > 1 / (1 + NARROW) && ratio.high() < 1 + NARROW;
    // Else too few samples or too much noise: a difference of the least size can be neither shown
    // nor ruled out.
    return within || around(ratio) || (near && around(net)) ? Verdict.SAME : Verdict.UNSURE;
  }

  private static boolean around(Interval ratio) {
    return ratio.holds(1) && ratio.high() - ratio.low() < NARROW;
  }
}
