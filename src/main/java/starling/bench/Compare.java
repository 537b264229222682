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

  /** All rows of both files. */
  public record Result(List<Line> lines) {
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

    public Table table() {
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
    var lines = new ArrayList<Line>();
    before.forEach((key, row) -> lines.add(line(key, row, after.get(key))));
    after.forEach(
        (key, row) -> {
          if (!before.containsKey(key)) {
            lines.add(new Line(key, Verdict.NEW, Double.NaN, median(row), Double.NaN, Double.NaN));
          }
        });
    return new Result(lines);
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

  private static double[] samples(JsonNode row) {
    JsonNode list = row == null ? null : row.at("/starling/samples_us");
    if (list == null || !list.isArray() || list.isEmpty()) {
      return null;
    }
    double[] samples = new double[list.size()];
    Arrays.setAll(samples, i -> list.get(i).asDouble(Double.NaN));
    return samples;
  }

  private static double median(JsonNode row) {
    double[] samples = samples(row);
    return samples == null ? Double.NaN : StatUtils.percentile(samples, 50);
  }

  private static Line line(String key, JsonNode a, JsonNode b) {
    double[] before = samples(a);
    double[] after = samples(b);
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
    return timed(key, before, after);
  }

  static Line timed(String key, double[] before, double[] after) {
    double a = StatUtils.percentile(before, 50);
    double b = StatUtils.percentile(after, 50);
    if (a == 0) { // a baseline that took no time
      Verdict verdict = b > 0 ? Verdict.SLOWER : Verdict.SAME;
      return new Line(key, verdict, a, b, Double.NaN, Double.NaN);
    }
    double[] ratios = bootstrap(before, after);
    double low = StatUtils.percentile(ratios, 0.5);
    double high = StatUtils.percentile(ratios, 99.5);
    double p = new MannWhitneyUTest().mannWhitneyUTest(before, after);
    return new Line(key, verdict(p, low, high), a, b, low, high);
  }

  private static Verdict verdict(double p, double low, double high) {
    if (low >= 1 / (1 + LEAST) && high <= 1 + LEAST) {
      return Verdict.SAME;
    }
    if (p < SIGNIFICANT && low > 1 + LEAST) {
      return Verdict.SLOWER;
    }
    if (p < SIGNIFICANT && high < 1 / (1 + LEAST)) {
      return Verdict.FASTER;
    }
    // Too few samples or too much noise: a difference of the least size can be neither shown nor
    // ruled out.
    return p >= SIGNIFICANT && low <= 1 && high >= 1 && high - low < 4 * LEAST
        ? Verdict.SAME
        : Verdict.UNSURE;
  }

  /** Ratios of medians of samples drawn again from the samples; the same ones every time. */
  private static double[] bootstrap(double[] before, double[] after) {
    var random = new MersenneTwister(7);
    double[] ratios = new double[RESAMPLES];
    double[] a = new double[before.length];
    double[] b = new double[after.length];
    for (int r = 0; r < RESAMPLES; r++) {
      for (int i = 0; i < a.length; i++) {
        a[i] = before[random.nextInt(before.length)];
      }
      for (int i = 0; i < b.length; i++) {
        b[i] = after[random.nextInt(after.length)];
      }
      ratios[r] = median(b) / median(a);
    }
    return ratios;
  }

  private static double median(double[] x) {
    Arrays.sort(x);
    int m = x.length / 2;
    return x.length % 2 == 1 ? x[m] : (x[m - 1] + x[m]) / 2;
  }
}
