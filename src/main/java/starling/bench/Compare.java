package starling.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.commons.math3.random.MersenneTwister;
import org.apache.commons.math3.stat.StatUtils;
import org.apache.commons.math3.stat.inference.MannWhitneyUTest;
import starling.device.InputException;

/**
 * Two files of {@code bench kernels}, row by row, from the raw samples: a rank test says whether
 * anything differs (Mann-Whitney), a bootstrap interval of the ratio of medians says by how much.
 */
public final class Compare {
  /** Of a ratio that is called faster or slower; below, two runs of one build would differ. */
  private static final double LEAST = 0.05;

  private static final double SIGNIFICANT = 0.001;
  private static final int RESAMPLES = 2000;

  /** Where figures of another value cannot be compared. */
  private static final List<String> SAME =
      List.of("device", "card", "uuid", "architecture", "multiprocessors");

  private Compare() {}

  /** What is said of a row. */
  public enum Verdict {
    SAME,
    FASTER,
    SLOWER,
    UNSURE,
    MISSING,
    NEW,
    ERROR;

    /** Whether it fails the comparison. */
    boolean regression() {
      return this == SLOWER || this == MISSING || this == ERROR;
    }
  }

  /**
   * One row.
   *
   * @param before median in A, microseconds; NaN if there is none
   * @param after the same in B
   * @param low lower end of the 99 % interval of B/A
   * @param high upper end
   */
  public record Line(
      String key, Verdict verdict, double before, double after, double low, double high) {}

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
        rows.add(row);
      }
      return rows;
    }

    private static void put(Map<String, Object> row, String name, double value) {
      if (!Double.isNaN(value)) {
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
      return table().aligned(2) + moved;
    }

    Table table() {
      var rows = new ArrayList<List<String>>();
      for (Line l : lines) {
        rows.add(
            List.of(
                l.key,
                l.verdict.name().toLowerCase(Locale.ROOT),
                Double.isNaN(l.before) ? "" : KernelReport.number(l.before),
                Double.isNaN(l.after) ? "" : KernelReport.number(l.after),
                Double.isNaN(l.low) ? "" : String.format(Locale.ROOT, "%.3f", l.after / l.before),
                Double.isNaN(l.low)
                    ? ""
                    : String.format(Locale.ROOT, "%.3f .. %.3f", l.low, l.high)));
      }
      return new Table(List.of("row", "verdict", "A us", "B us", "B/A", "99 % interval"), rows);
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
    double[] control = control(left, right);
    var lines = new ArrayList<Line>();
    before.forEach((key, row) -> lines.add(line(key, row, after.get(key), control)));
    after.forEach(
        (key, row) -> {
          if (!before.containsKey(key)) {
            lines.add(new Line(key, Verdict.NEW, Double.NaN, median(row), Double.NaN, Double.NaN));
          }
        });
    return new Result(lines, control);
  }

  private static JsonNode read(Path file) {
    try {
      JsonNode json = new ObjectMapper().readTree(file.toFile());
      if (!json.path("benchmarks").isArray() || !json.at("/starling/environment").isObject()) {
        throw new InputException(file + ": not a file that bench kernels wrote");
      }
      return json;
    } catch (IOException e) {
      String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("unreadable");
      throw new InputException(file + ": " + why, e);
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

  private static double[] control(JsonNode a, JsonNode b) {
    Samples before = rounds(a.at("/starling/control_us"), "control_us");
    Samples after = rounds(b.at("/starling/control_us"), "control_us");
    return before == null || after == null ? new double[] {1, 1} : interval(before, after);
  }

  /** By round; null where nothing was timed. */
  private static Samples samples(JsonNode row) {
    return row == null
        ? null
        : rounds(row.at("/starling/samples_us"), row.at("/starling/key").asText());
  }

  private static Samples rounds(JsonNode list, String name) {
    if (!list.isArray() || list.isEmpty()) {
      return null;
    }
    double[][] rounds = new double[list.size()][];
    for (int r = 0; r < rounds.length; r++) {
      JsonNode round = list.get(r);
      rounds[r] = new double[round.size()];
      Arrays.setAll(rounds[r], i -> round.get(i).asDouble(Double.NaN));
      if (rounds[r].length == 0) {
        throw new InputException(name + ": a round without samples");
      }
    }
    return new Samples(rounds);
  }

  private static double median(JsonNode row) {
    Samples samples = samples(row);
    return samples == null ? Double.NaN : samples.median();
  }

  private static Line line(String key, JsonNode a, JsonNode b, double[] control) {
    Samples before = samples(a);
    Samples after = samples(b);
    if (b == null) {
      return new Line(key, Verdict.MISSING, median(a), Double.NaN, Double.NaN, Double.NaN);
    }
    if (after == null) {
      boolean error = b.path("is_skipped").asBoolean();
      boolean was = a.path("is_skipped").asBoolean();
      Verdict verdict =
          error && !was ? Verdict.ERROR : error || before != null ? Verdict.ERROR : Verdict.SAME;
      return new Line(key, verdict, median(a), Double.NaN, Double.NaN, Double.NaN);
    }
    if (before == null) {
      return new Line(key, Verdict.NEW, Double.NaN, median(b), Double.NaN, Double.NaN);
    }
    return timed(key, before, after, control);
  }

  private static Line timed(String key, Samples before, Samples after, double[] control) {
    double a = before.median();
    double b = after.median();
    if (a == 0) { // a baseline that took no time
      Verdict verdict = b > 0 ? Verdict.SLOWER : Verdict.SAME;
      return new Line(key, verdict, a, b, Double.NaN, Double.NaN);
    }
    double[] ratio = interval(before, after);
    double p = new MannWhitneyUTest().mannWhitneyUTest(before.micros(), after.micros());
    return new Line(key, verdict(p, ratio[0], ratio[1], control), a, b, ratio[0], ratio[1]);
  }

  /** The 99 % interval of B/A. */
  private static double[] interval(Samples before, Samples after) {
    double[] ratios = bootstrap(before, after);
    return new double[] {StatUtils.percentile(ratios, 0.5), StatUtils.percentile(ratios, 99.5)};
  }

  private static Verdict verdict(double p, double low, double high, double[] control) {
    if (low >= 1 / (1 + LEAST) && high <= 1 + LEAST) {
      return Verdict.SAME;
    }
    if (p < SIGNIFICANT && low > (1 + LEAST) * Math.max(1, control[1])) {
      return Verdict.SLOWER;
    }
    if (p < SIGNIFICANT && high < Math.min(1, control[0]) / (1 + LEAST)) {
      return Verdict.FASTER;
    }
    // Too few samples or too much noise: a difference of the least size can be neither shown nor
    // ruled out.
    return p >= SIGNIFICANT && low <= 1 && high >= 1 && high - low < 4 * LEAST
        ? Verdict.SAME
        : Verdict.UNSURE;
  }

  /**
   * Ratios of medians, of rounds drawn again from the rounds and samples drawn again in each; the
   * same draws every time. A machine that was slower for a while shows as rounds that differ.
   */
  private static double[] bootstrap(Samples before, Samples after) {
    var random = new MersenneTwister(7);
    double[] ratios = new double[RESAMPLES];
    for (int r = 0; r < RESAMPLES; r++) {
      double a = median(drawn(before, random));
      ratios[r] = median(drawn(after, random)) / a;
    }
    return ratios;
  }

  private static double[] drawn(Samples samples, MersenneTwister random) {
    double[][] rounds = samples.rounds();
    double[][] drawn = new double[rounds.length][];
    for (int r = 0; r < drawn.length; r++) {
      double[] from = rounds[random.nextInt(rounds.length)];
      drawn[r] = new double[from.length];
      for (int i = 0; i < from.length; i++) {
        drawn[r][i] = from[random.nextInt(from.length)];
      }
    }
    return new Samples(drawn).micros();
  }

  private static double median(double[] x) {
    Arrays.sort(x);
    int m = x.length / 2;
    return x.length % 2 == 1 ? x[m] : (x[m - 1] + x[m]) / 2;
  }
}
