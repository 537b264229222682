package starling.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import starling.device.DType;
import starling.input.TerminalText;

/**
 * What {@code bench kernels} found, for people and for programs.
 *
 * @param environment where and when
 * @param ceilings what the hardware reached; null where nothing was timed
 * @param notes on providers that were asked for: which it was, why one is absent, what it leaves to
 *     our own kernels; on a kernel of the user's: what it printed, and where it is wrong without
 *     being refused
 * @param control the same products in every run, once a round: how fast the machine itself was
 * @param rows what was measured, in the order of what was asked for
 */
public record KernelReport(
    Map<String, Object> environment,
    Ceilings.Report ceilings,
    Samples control,
    List<String> notes,
    List<Row> rows) {

  /** Whether any row has no figure. */
  public boolean failed() {
    return rows.stream().anyMatch(r -> r.failure() != null);
  }

  /** One sentence per row without a figure. */
  public List<String> failures() {
    return rows.stream()
        .filter(r -> r.failure() != null)
        .map(r -> (r.op() + " " + r.sizes() + " " + r.dtype().label() + ": " + r.failure()))
        .distinct()
        .toList();
  }

  private boolean counted() {
    return rows.stream().anyMatch(r -> r.cache() == CacheState.COUNTED);
  }

  /** Counted work where work was counted, else times. */
  public Table table() {
    return counted() ? KernelTables.counted(rows) : KernelTables.timed(rows);
  }

  /** For the console. */
  public String text() {
    String counting =
        counted()
            ? "Work counted by the host layer, not time: MB that blocks asked for beside what must move once.\n"
            : "";
    String said = notes.stream().map(n -> TerminalText.of(n) + "\n").collect(Collectors.joining());
    return heading() + counting + "\n" + table().aligned(counted() ? 4 : 3) + said;
  }

  /** Where it ran, and the ceilings. */
  public String heading() {
    var text = new StringBuilder();
    environment.forEach(
        (name, value) -> text.append(String.format(Locale.ROOT, "%-15s %s%n", name, value)));
    if (ceilings != null) {
      ceilings.gigabytesPerSecond().forEach((cache, ladder) -> text.append(line(cache, ladder)));
      ceilings.gigaflops().forEach((dtype, rate) -> text.append(line(dtype, rate)));
    }
    return text.toString();
  }

  private static String line(String cache, Map<Long, Double> ladder) {
    return ladder.entrySet().stream()
        .map(e -> " " + size(e.getKey()) + ": " + Table.number(e.getValue()) + " GB/s")
        .collect(Collectors.joining("", String.format(Locale.ROOT, "ceiling, %-5s ", cache), "\n"));
  }

  private static String line(String dtype, double rate) {
    return String.format(Locale.ROOT, "ceiling, %-5s  %s GFLOP/s%n", dtype, Table.number(rate));
  }

  private static String size(long bytes) {
    return bytes >= 1 << 20 ? (bytes >> 20) + " MB" : (bytes >> 10) + " KB";
  }

  /** The table as Markdown. */
  public String markdown() {
    return table().markdown();
  }

  /**
   * A column for every axis there is, and for every figure; a cell is empty where there is none.
   */
  public String csv() {
    var head = new ArrayList<>(List.of("op"));
    head.addAll(Bench.axes());
    head.addAll(List.of("dtype", "cache"));
    head.addAll(Row.failed("", Map.of(), DType.F32, CacheState.COLD, "").figures().keySet());
    var body = new ArrayList<List<String>>();
    for (Row r : rows) {
      var cells = new ArrayList<>(List.of(r.op()));
      Bench.axes().forEach(axis -> cells.add(cell(r.axes().get(axis))));
      cells.addAll(List.of(r.dtype().label(), r.cache().label()));
      r.figures().values().forEach(value -> cells.add(cell(value)));
      body.add(cells);
    }
    return new Table(head, body).csv();
  }

  private static String cell(Object value) {
    return value == null || value.equals(Double.NaN) ? "" : value.toString();
  }

  /** The object that {@code --out FILE.json} holds, in the layout of NVBench. */
  public Map<String, Object> json() {
    return NvbenchJson.of(this);
  }
}
