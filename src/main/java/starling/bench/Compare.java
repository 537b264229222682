package starling.bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import starling.bench.ComparedRow.Counter;
import starling.bench.Samples.Interval;
import starling.input.InputException;

/**
 * Two files of {@code bench kernels}, row by row. Of times the ratio of the medians is compared, by
 * its interval from all samples; of counted work every counter, exactly.
 */
public final class Compare {
  /** Of a ratio that is called faster or slower; below, two runs of one build would differ. */
  private static final double MIN_CHANGE = 0.05;

  /** Of an interval around 1 that is called same: a difference of so much would be seen. */
  private static final double NARROW = 0.2;

  /** Where figures of another value cannot be compared. */
  private static final List<String> MACHINE =
      List.of("device", "card", "uuid", "architecture", "multiprocessors");

  private Compare() {}

  /**
   * Compares B with A.
   *
   * @param anyMachine whether files of different machines are compared all the same
   * @throws InputException if a file is not one of {@code bench kernels}, or they are of different
   *     machines
   */
  public static Comparison files(Path a, Path b, boolean anyMachine) {
    RunFile left = RunFile.read(a);
    RunFile right = RunFile.read(b);
    if (!anyMachine) {
      sameMachine(left, right);
    }
    Map<String, JsonNode> before = left.rows();
    Map<String, JsonNode> after = right.rows();
    sameKinds(left, before, right, after);
    Interval machine = machine(left, right);
    var rows = new ArrayList<ComparedRow>();
    before.forEach(
        (key, row) -> {
          Figures old = Figures.of(left, row);
          JsonNode now = after.get(key);
          rows.add(
              now == null
                  ? new ComparedRow(key, Verdict.MISSING, old.median(), Double.NaN)
                  : row(key, old, Figures.of(right, now), machine));
        });
    after.forEach(
        (key, row) -> {
          if (!before.containsKey(key)) {
            double median = Figures.of(right, row).median();
            rows.add(new ComparedRow(key, Verdict.NEW, Double.NaN, median));
          }
        });
    return new Comparison(rows, machine);
  }

  private static void sameMachine(RunFile a, RunFile b) {
    for (String field : MACHINE) {
      String one = a.environment(field);
      String other = b.environment(field);
      if (!one.equals(other)) {
        throw new InputException(
            "%s differs: '%s' in %s, '%s' in %s; --any-machine compares all the same"
                .formatted(field, one, a, other, b));
      }
    }
  }

  /** No row in common, because one side was cold and the other warm, or of other types. */
  private static void sameKinds(
      RunFile a, Map<String, JsonNode> before, RunFile b, Map<String, JsonNode> after) {
    for (String axis : List.of("cache", "dtype")) {
      Set<String> left = RunFile.values(before.values(), axis);
      Set<String> right = RunFile.values(after.values(), axis);
      if (!left.isEmpty() && !right.isEmpty() && Collections.disjoint(left, right)) {
        throw new InputException(
            axis + " differs: " + left + " in " + a + ", " + right + " in " + b);
      }
    }
  }

  /** How many times as long the same work took in B; 1 where unknown. */
  private static Interval machine(RunFile a, RunFile b) {
    Samples before = a.control();
    Samples after = b.control();
    return before == null || after == null
        ? Interval.ONE
        : after.interval().over(before.interval());
  }

  private static ComparedRow row(String key, Figures a, Figures b, Interval machine) {
    if (b.lacks(a) || b.none()) {
      return new ComparedRow(key, Verdict.ERROR, a.median(), Double.NaN);
    }
    if (a.lacks(b)) {
      return new ComparedRow(key, Verdict.NEW, Double.NaN, b.median());
    }
    return a.times() == null ? counted(key, a, b) : timed(key, a, b, machine);
  }

  private static ComparedRow counted(String key, Figures a, Figures b) {
    var counters = new ArrayList<Counter>();
    a.counters().forEach((name, n) -> counters.add(new Counter(name, n, b.counters().get(name))));
    Verdict verdict =
        counters.stream().anyMatch(c -> c.after() > c.before())
            ? Verdict.GREW
            : counters.stream().anyMatch(c -> c.after() < c.before())
                ? Verdict.SHRANK
                : Verdict.SAME;
    return new ComparedRow(key, verdict, Double.NaN, Double.NaN, Double.NaN, Double.NaN, counters);
  }

  private static ComparedRow timed(String key, Figures a, Figures b, Interval machine) {
    Interval ratio = b.times().interval().over(a.times().interval());
    Verdict verdict = verdict(ratio, ratio.over(machine));
    return new ComparedRow(
        key, verdict, a.median(), b.median(), ratio.low(), ratio.high(), List.of());
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
