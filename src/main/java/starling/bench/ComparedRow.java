package starling.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * One row of two files.
 *
 * @param key operator, sizes, type and cache state
 * @param verdict what is said of it
 * @param before median in A, microseconds; NaN if there is none
 * @param after the same in B
 * @param low lower end of the 99 % interval of B/A
 * @param high upper end
 * @param counters of a row whose work was counted; else empty
 */
public record ComparedRow(
    String key,
    Verdict verdict,
    double before,
    double after,
    double low,
    double high,
    List<Counter> counters) {
  /**
   * One counter of a row in A and in B.
   *
   * @param name what was counted
   * @param before in A
   * @param after in B
   */
  public record Counter(String name, long before, long after) {}

  /** Without a ratio. */
  ComparedRow(String key, Verdict verdict, double before, double after) {
    this(key, verdict, before, after, Double.NaN, Double.NaN, List.of());
  }

  boolean timed() {
    return !Double.isNaN(before) || !Double.isNaN(after);
  }

  /** "blocks 22 -> 44" for every counter that differs. */
  String changes() {
    return counters.stream()
        .filter(c -> c.before != c.after)
        .map(c -> c.name + " " + c.before + " -> " + c.after)
        .collect(Collectors.joining(", "));
  }

  /** Both medians, their ratio and its interval, for people. */
  List<String> times() {
    return List.of(
        Double.isNaN(before) ? "" : Table.number(before),
        Double.isNaN(after) ? "" : Table.number(after),
        Double.isNaN(low) ? "" : String.format(Locale.ROOT, "%.3f", after / before),
        interval());
  }

  private String interval() {
    if (Double.isNaN(low)) {
      return "";
    }
    return Double.isInfinite(high)
        ? "too few samples"
        : String.format(Locale.ROOT, "%.3f .. %.3f", low, high);
  }

  /** For programs; what is not known is left out. */
  Map<String, Object> json() {
    var row = new LinkedHashMap<String, Object>();
    row.put("row", key);
    row.put("verdict", verdict.label());
    put(row, "a_us", before);
    put(row, "b_us", after);
    put(row, "low", low);
    put(row, "high", high);
    if (!counters.isEmpty()) {
      var both = new LinkedHashMap<String, Object>();
      counters.forEach(c -> both.put(c.name, Map.of("a", c.before, "b", c.after)));
      row.put("counters", both);
    }
    return row;
  }

  private static void put(Map<String, Object> row, String name, double value) {
    if (Double.isFinite(value)) {
      row.put(name, value);
    }
  }
}
