package starling.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import starling.cuda.Clock;

/**
 * A report in the layout of NVBench, whose own scripts read it. What only {@link Compare} reads
 * stands under {@code starling}.
 */
final class NvbenchJson {
  private NvbenchJson() {}

  /** The object that {@code --out FILE.json} holds. */
  static Map<String, Object> of(KernelReport report) {
    var json = new LinkedHashMap<String, Object>();
    var version = Map.of("major", 1, "minor", 0, "patch", 0, "string", "1.0.0");
    json.put("meta", Map.of("argv", List.of(), "version", Map.of("json", version)));
    json.put("starling", own(report));
    Map<String, Object> environment = report.environment();
    json.put(
        "devices",
        List.of(
            Map.of(
                "id", 0,
                "name", environment.get("card"),
                "l2_cache_size", environment.get("l2_bytes"),
                "number_of_sms", environment.get("multiprocessors"))));
    var byOperator = new LinkedHashMap<String, List<Row>>();
    report.rows().forEach(r -> byOperator.computeIfAbsent(r.op(), op -> new ArrayList<>()).add(r));
    var benchmarks = new ArrayList<Object>();
    byOperator.forEach((op, rows) -> benchmarks.add(benchmark(benchmarks.size(), op, rows)));
    json.put("benchmarks", benchmarks);
    return json;
  }

  private static Map<String, Object> own(KernelReport report) {
    var own = new LinkedHashMap<String, Object>();
    own.put("environment", report.environment());
    if (report.ceilings() != null) {
      own.put("ceilings", report.ceilings());
    }
    if (!report.notes().isEmpty()) {
      own.put("notes", report.notes());
    }
    if (report.control() != null) {
      own.put("control_us", report.control().rounds());
    }
    return own;
  }

  private static Map<String, Object> benchmark(int index, String op, List<Row> rows) {
    var json = new LinkedHashMap<String, Object>();
    json.put("name", op);
    json.put("index", index);
    json.put("devices", List.of(0));
    var axes = new ArrayList<Object>();
    for (String axis : axisValues(rows.get(0)).keySet()) {
      var values = new ArrayList<Object>();
      rows.stream()
          .map(r -> axisValues(r).get(axis))
          .distinct()
          .forEach(v -> values.add(Map.of("input_string", v, "description", "", "value", v)));
      axes.add(Map.of("name", axis, "type", "string", "flags", "", "values", values));
    }
    json.put("axes", axes);
    json.put("states", rows.stream().map(NvbenchJson::state).toList());
    return json;
  }

  private static Map<String, String> axisValues(Row r) {
    var values = new LinkedHashMap<String, String>();
    r.axes().forEach((axis, n) -> values.put(axis, String.valueOf(n)));
    values.put("dtype", r.dtype().label());
    values.put("cache", r.cache().label());
    return values;
  }

  private static Map<String, Object> state(Row r) {
    var json = new LinkedHashMap<String, Object>();
    json.put(
        "name",
        "Device=0 %s dtype=%s cache=%s".formatted(r.sizes(), r.dtype().label(), r.cache().label()));
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
    json.put("summaries", r.time() == null ? List.of() : summaries(r));
    json.put("starling", own(r));
    return json;
  }

  private static List<Object> summaries(Row r) {
    Samples time = r.time();
    return List.of(
        summary("nv/cold/sample_size", "Samples", "int64", time.micros().length),
        summary("nv/cold/time/gpu/mean", "GPU Time", "float64", time.mean() / 1e6),
        summary("nv/cold/time/gpu/stdev/relative", "Noise", "float64", time.relativeDeviation()),
        summary(
            "nv/cold/bw/global/bytes_per_second",
            "GlobalMem BW",
            "float64",
            r.gigabytesPerSecond() * 1e9));
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
