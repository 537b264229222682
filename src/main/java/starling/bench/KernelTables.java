package starling.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** The tables of a report: of times, or of counted work. */
final class KernelTables {
  private KernelTables() {}

  private record Column(String head, Function<Row, String> cell) {}

  private static final List<Column> TIMED =
      List.of(
          new Column("op", Row::op),
          new Column("sizes", Row::sizes),
          new Column("dtype", r -> r.dtype().label()),
          new Column("cache", r -> r.cache().label()),
          new Column("median us", r -> Table.number(r.time().median())),
          new Column("p5", r -> Table.number(r.time().percentile(5))),
          new Column("p95", r -> Table.number(r.time().percentile(95))),
          new Column("min", r -> Table.number(r.time().min())),
          new Column("spread", r -> format("%.0f %%", 100 * r.time().spread())),
          new Column("n", r -> String.valueOf(r.time().micros().length)),
          new Column("until", Row::stopped),
          new Column("MB", r -> Table.number(r.bytes() / 1e6)),
          new Column("GB/s", r -> Table.number(r.gigabytesPerSecond())),
          new Column("GFLOP", r -> r.flops() == 0 ? "" : Table.number(r.flops() / 1e9)),
          new Column("TFLOP/s", r -> r.flops() == 0 ? "" : Table.number(r.teraflops())),
          new Column("% ceiling", r -> format("%.1f", r.ceiling())),
          new Column("of", Row::bound),
          new Column("error", r -> format("%.1g", r.error())));

  private static final Column HOST =
      new Column("host us", r -> Double.isNaN(r.hostMicros()) ? "" : Table.number(r.hostMicros()));

  private static final Column CLOCK = new Column("MHz", KernelTables::clocks);

  private static final List<Column> COUNTED =
      List.of(
          new Column("op", Row::op),
          new Column("sizes", Row::sizes),
          new Column("dtype", r -> r.dtype().label()),
          new Column("kernels", r -> kernels(r.work().kernels())),
          new Column("launches", r -> String.valueOf(r.work().launches())),
          new Column("blocks", r -> String.valueOf(r.work().blocks())),
          new Column("barriers", r -> String.valueOf(r.work().barriers())),
          new Column("MB read", r -> Table.number(r.work().read() / 1e6)),
          new Column("written", r -> Table.number(r.work().written() / 1e6)),
          new Column("formula", r -> Table.number(r.bytes() / 1e6)),
          new Column("ratio", KernelTables::byteRatio),
          new Column(
              "GFLOP", r -> r.work().flops() == 0 ? "" : Table.number(r.work().flops() / 1e9)),
          new Column("formula", r -> r.flops() == 0 ? "" : Table.number(r.flops() / 1e9)),
          new Column("ratio", KernelTables::flopRatio),
          new Column("error", r -> format("%.1g", r.error())));

  /** Of the rows that have a time; what the host took and the clock only where it is known. */
  static Table timed(List<Row> rows) {
    var columns = new ArrayList<>(TIMED);
    if (rows.stream().anyMatch(r -> !Double.isNaN(r.hostMicros()))) {
      columns.add(HOST);
    }
    if (rows.stream().anyMatch(r -> r.before() != null)) {
      columns.add(CLOCK);
    }
    return table(columns, rows, r -> r.time() != null);
  }

  /** Of the rows whose work was counted, beside what the formulas say. */
  static Table counted(List<Row> rows) {
    return table(COUNTED, rows, r -> r.work() != null);
  }

  private static Table table(List<Column> columns, List<Row> rows, Predicate<Row> measured) {
    return new Table(
        columns.stream().map(Column::head).toList(),
        rows.stream()
            .filter(measured)
            .map(row -> columns.stream().map(c -> c.cell.apply(row)).toList())
            .toList());
  }

  private static String format(String format, double value) {
    return String.format(Locale.ROOT, format, value);
  }

  private static String clocks(Row r) {
    if (r.before() == null || r.after() == null) {
      return "";
    }
    return r.before().mhz() + "-" + r.after().mhz() + (r.held() ? " THROTTLED" : "");
  }

  private static String byteRatio(Row r) {
    long moved = r.work().read() + r.work().written();
    return format("%.2f", (double) moved / r.bytes());
  }

  private static String flopRatio(Row r) {
    return r.flops() == 0 ? "" : format("%.2f", (double) r.work().flops() / r.flops());
  }

  /** "gram, 3 x round". */
  private static String kernels(List<String> names) {
    var counts = new LinkedHashMap<String, Integer>();
    names.forEach(name -> counts.merge(name, 1, Integer::sum));
    return counts.entrySet().stream()
        .map(e -> e.getValue() == 1 ? e.getKey() : e.getValue() + " x " + e.getKey())
        .collect(Collectors.joining(", "));
  }
}
