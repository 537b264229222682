package starling.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import starling.device.Clock;
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
 */
public record KernelReport(
    Map<String, Object> environment,
    Ceilings.Report ceilings,
    Samples control,
    List<String> notes,
    List<Row> rows) {

  public boolean failed() {
    return rows.stream().anyMatch(r -> r.failure() != null);
  }

  /** One sentence per row without a figure. */
  public List<String> failures() {
    return rows.stream()
        .filter(r -> r.failure() != null)
        .map(r -> (r.op() + " " + r.sizes() + " " + r.dtype() + ": " + r.failure()))
        .distinct()
        .toList();
  }

  private boolean counted() {
    return rows.stream().anyMatch(r -> r.cache().equals("counted"));
  }

  public Table table() {
    return counted() ? countedTable() : timedTable();
  }

  private Table timedTable() {
    boolean host = rows.stream().anyMatch(r -> !Double.isNaN(r.hostMicros()));
    boolean clock = rows.stream().anyMatch(r -> r.before() != null);
    var head =
        new ArrayList<>(
            List.of(
                "op",
                "sizes",
                "dtype",
                "cache",
                "median us",
                "p5",
                "p95",
                "min",
                "spread",
                "n",
                "until",
                "MB",
                "GB/s",
                "GFLOP",
                "TFLOP/s",
                "% ceiling",
                "of",
                "error"));
    if (host) {
      head.add("host us");
    }
    if (clock) {
      head.add("MHz");
    }
    var body = new ArrayList<List<String>>();
    for (Row r : rows) {
      if (r.time() == null) {
        continue;
      }
      var cells =
          new ArrayList<>(
              List.of(
                  r.op(),
                  r.sizes(),
                  r.dtype(),
                  r.cache(),
                  number(r.time().median()),
                  number(r.time().percentile(5)),
                  number(r.time().percentile(95)),
                  number(r.time().min()),
                  String.format(Locale.ROOT, "%.0f %%", 100 * r.time().spread()),
                  String.valueOf(r.time().micros().length),
                  r.stopped(),
                  number(r.bytes() / 1e6),
                  number(r.gigabytesPerSecond()),
                  r.flops() == 0 ? "" : number(r.flops() / 1e9),
                  r.flops() == 0 ? "" : number(r.teraflops()),
                  String.format(Locale.ROOT, "%.1f", r.ceiling()),
                  r.bound(),
                  String.format(Locale.ROOT, "%.1g", r.error())));
      if (host) {
        cells.add(Double.isNaN(r.hostMicros()) ? "" : number(r.hostMicros()));
      }
      if (clock) {
        cells.add(clocks(r));
      }
      body.add(cells);
    }
    return new Table(head, body);
  }

  private static String clocks(Row r) {
    if (r.before() == null || r.after() == null) {
      return "";
    }
    return r.before().mhz() + "-" + r.after().mhz() + (r.held() ? " THROTTLED" : "");
  }

  private Table countedTable() {
    var body = new ArrayList<List<String>>();
    for (Row r : rows) {
      if (r.work() == null) {
        continue;
      }
      long moved = r.work().read() + r.work().written();
      body.add(
          List.of(
              r.op(),
              r.sizes(),
              r.dtype(),
              kernels(r.work().kernels()),
              String.valueOf(r.work().launches()),
              String.valueOf(r.work().blocks()),
              String.valueOf(r.work().barriers()),
              number(r.work().read() / 1e6),
              number(r.work().written() / 1e6),
              number(r.bytes() / 1e6),
              String.format(Locale.ROOT, "%.2f", (double) moved / r.bytes()),
              r.work().flops() == 0 ? "" : number(r.work().flops() / 1e9),
              r.flops() == 0 ? "" : number(r.flops() / 1e9),
              r.flops() == 0
                  ? ""
                  : String.format(Locale.ROOT, "%.2f", (double) r.work().flops() / r.flops()),
              String.format(Locale.ROOT, "%.1g", r.error())));
    }
    return new Table(
        List.of(
            "op",
            "sizes",
            "dtype",
            "kernels",
            "launches",
            "blocks",
            "barriers",
            "MB read",
            "written",
            "formula",
            "ratio",
            "GFLOP",
            "formula",
            "ratio",
            "error"),
        body);
  }

  /** "gram, 3 x round". */
  private static String kernels(List<String> names) {
    var counts = new LinkedHashMap<String, Integer>();
    names.forEach(name -> counts.merge(name, 1, Integer::sum));
    return counts.entrySet().stream()
        .map(e -> e.getValue() == 1 ? e.getKey() : e.getValue() + " x " + e.getKey())
        .collect(Collectors.joining(", "));
  }

  /** Three digits that matter. */
  static String number(double x) {
    double size = Math.abs(x);
    String format = size >= 100 ? "%.0f" : size >= 10 ? "%.1f" : size >= 1 ? "%.2f" : "%.3f";
    return size != 0 && size < 0.01
        ? String.format(Locale.ROOT, "%.1e", x)
        : String.format(Locale.ROOT, format, x);
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
      ceilings
          .gigabytesPerSecond()
          .forEach(
              (cache, ladder) -> {
                text.append(String.format(Locale.ROOT, "ceiling, %-5s ", cache));
                ladder.forEach(
                    (bytes, rate) ->
                        text.append(
                            String.format(Locale.ROOT, " %s: %s GB/s", size(bytes), number(rate))));
                text.append('\n');
              });
      ceilings
          .gigaflops()
          .forEach(
              (dtype, rate) ->
                  text.append(
                      String.format(
                          Locale.ROOT, "ceiling, %-5s  %s GFLOP/s%n", dtype, number(rate))));
    }
    return text.toString();
  }

  private static String size(long bytes) {
    return bytes >= 1 << 20 ? (bytes >> 20) + " MB" : (bytes >> 10) + " KB";
  }

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
    head.addAll(Row.failed("", Map.of(), "", "", "").figures().keySet());
    var body = new ArrayList<List<String>>();
    for (Row r : rows) {
      var cells = new ArrayList<>(List.of(r.op()));
      Bench.axes().forEach(axis -> cells.add(cell(r.axes().get(axis))));
      cells.addAll(List.of(r.dtype(), r.cache()));
      r.figures().values().forEach(value -> cells.add(cell(value)));
      body.add(cells);
    }
    return new Table(head, body).csv();
  }

  private static String cell(Object value) {
    return value == null || value.equals(Double.NaN) ? "" : value.toString();
  }

  // ---- for programs: the layout of NVBench, whose compare script reads it ----

  /** The object that {@code --out FILE.json} holds; {@code starling} parts are read by compare. */
  public Map<String, Object> json() {
    var json = new LinkedHashMap<String, Object>();
    var version = Map.of("major", 1, "minor", 0, "patch", 0, "string", "1.0.0");
    json.put("meta", Map.of("argv", List.of(), "version", Map.of("json", version)));
    json.put("starling", starling());
    json.put(
        "devices",
        List.of(
            Map.of(
                "id", 0,
                "name", environment.get("card"),
                "l2_cache_size", environment.get("l2_bytes"),
                "number_of_sms", environment.get("multiprocessors"))));
    var benchmarks = new LinkedHashMap<String, List<Row>>();
    rows.forEach(r -> benchmarks.computeIfAbsent(r.op(), op -> new ArrayList<>()).add(r));
    var list = new ArrayList<Object>();
    benchmarks.forEach((op, of) -> list.add(benchmark(list.size(), op, of)));
    json.put("benchmarks", list);
    return json;
  }

  private Map<String, Object> starling() {
    var own = new LinkedHashMap<String, Object>();
    own.put("environment", environment);
    if (ceilings != null) {
      own.put("ceilings", ceilings);
    }
    if (!notes.isEmpty()) {
      own.put("notes", notes);
    }
    if (control != null) {
      own.put("control_us", control.rounds());
    }
    return own;
  }

  private static Map<String, Object> benchmark(int index, String op, List<Row> rows) {
    var json = new LinkedHashMap<String, Object>();
    json.put("name", op);
    json.put("index", index);
    json.put("devices", List.of(0));
    var axes = new ArrayList<Object>();
    for (String axis : axisNames(rows)) {
      var values = new ArrayList<Object>();
      rows.stream()
          .map(r -> axisValues(r).get(axis))
          .distinct()
          .forEach(v -> values.add(Map.of("input_string", v, "description", "", "value", v)));
      axes.add(Map.of("name", axis, "type", "string", "flags", "", "values", values));
    }
    json.put("axes", axes);
    json.put("states", rows.stream().map(KernelReport::state).toList());
    return json;
  }

  private static List<String> axisNames(List<Row> rows) {
    return List.copyOf(axisValues(rows.get(0)).keySet());
  }

  private static Map<String, String> axisValues(Row r) {
    var values = new LinkedHashMap<String, String>();
    r.axes().forEach((axis, n) -> values.put(axis, String.valueOf(n)));
    values.put("dtype", r.dtype());
    values.put("cache", r.cache());
    return values;
  }

  private static Map<String, Object> state(Row r) {
    var json = new LinkedHashMap<String, Object>();
    json.put("name", "Device=0 " + r.sizes() + " dtype=" + r.dtype() + " cache=" + r.cache());
    json.put("device", 0);
    json.put("type_config_index", 0);
    var values = new ArrayList<Object>();
    axisValues(r)
        .forEach((axis, v) -> values.add(Map.of("name", axis, "type", "string", "value", v)));
    json.put("axis_values", values);
    json.put("is_skipped", r.failure() != null);
    if (r.failure() != null) {
      json.put("skip_reason", r.failure());
    }
    var summaries = new ArrayList<Object>();
    if (r.time() != null) {
      summaries.add(summary("nv/cold/sample_size", "Samples", "int64", r.time().micros().length));
      summaries.add(summary("nv/cold/time/gpu/mean", "GPU Time", "float64", r.time().mean() / 1e6));
      summaries.add(
          summary(
              "nv/cold/time/gpu/stdev/relative", "Noise", "float64", r.time().relativeDeviation()));
      summaries.add(
          summary(
              "nv/cold/bw/global/bytes_per_second",
              "GlobalMem BW",
              "float64",
              r.gigabytesPerSecond() * 1e9));
    }
    json.put("summaries", summaries);
    json.put("starling", own(r));
    return json;
  }

  private static Map<String, Object> summary(String tag, String name, String type, Object value) {
    var data = Map.of("name", "value", "type", type, "value", String.valueOf(value));
    return Map.of("tag", tag, "name", name, "description", "", "data", List.of(data));
  }

  private static Map<String, Object> own(Row r) {
    var own = new LinkedHashMap<String, Object>();
    own.put("key", r.key());
    own.put("bytes", r.bytes());
    own.put("flops", r.flops());
    if (r.time() != null) {
      own.put("samples_us", r.time().rounds());
      own.put("median_us", r.time().median());
      own.put("precision", r.time().interval().precision());
      own.put("stopped", r.stopped());
      own.put("percent_of_ceiling", r.ceiling());
      own.put("bound", r.bound());
    }
    if (!Double.isNaN(r.error())) {
      own.put("error", r.error());
    }
    if (!Double.isNaN(r.hostMicros())) {
      own.put("host_us", r.hostMicros());
    }
    if (r.work() != null) {
      own.put("work", r.work());
    }
    clock(own, "clock_before", r.before());
    clock(own, "clock_after", r.after());
    return own;
  }

  private static void clock(Map<String, Object> own, String name, Clock clock) {
    if (clock != null) {
      own.put(name, clock);
    }
  }
}
