package starling.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import starling.bench.Samples.Interval;
import starling.input.TerminalText;

/**
 * What {@link Compare} found: all rows of both files.
 *
 * @param rows those of A in its order, then those that only B has
 * @param machineLow lower end of how many times as long the same work took in B; 1 where unknown
 * @param machineHigh upper end
 */
public record Comparison(List<ComparedRow> rows, double machineLow, double machineHigh) {
  Comparison(List<ComparedRow> rows, Interval machine) {
    this(rows, machine.low(), machine.high());
  }

  /** Whether B is worse than A in any row. */
  public boolean regression() {
    return rows.stream().anyMatch(r -> r.verdict().regression());
  }

  /** For programs: one object per row; what is not known is left out. */
  public List<Map<String, Object>> json() {
    return rows.stream().map(ComparedRow::json).toList();
  }

  /** For people. */
  public String text() {
    String moved =
        machineHigh < 1 || machineLow > 1
            ? String.format(
                Locale.ROOT,
                "The machine itself took %.3f .. %.3f times as long in B for the same work; what is no more than that is unsure.%n",
                machineLow,
                machineHigh)
            : "";
    return table().aligned(counted() ? 3 : 2) + moved;
  }

  private boolean counted() {
    return rows.stream().anyMatch(r -> !r.counters().isEmpty());
  }

  Table table() {
    boolean counted = counted();
    boolean timed = !counted || rows.stream().anyMatch(ComparedRow::timed);
    var head = new ArrayList<>(List.of("row", "verdict"));
    if (counted) {
      head.add("counted, A -> B");
    }
    if (timed) {
      head.addAll(List.of("A us", "B us", "B/A", "99 % interval"));
    }
    var body = new ArrayList<List<String>>();
    for (ComparedRow r : rows) {
      var cells = new ArrayList<>(List.of(TerminalText.of(r.key()), r.verdict().label()));
      if (counted) {
        cells.add(r.changes());
      }
      if (timed) {
        cells.addAll(r.times());
      }
      body.add(cells);
    }
    return new Table(head, body);
  }
}
