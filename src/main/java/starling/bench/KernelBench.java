package starling.bench;

import java.util.ArrayList;
import java.util.List;
import starling.bench.Operator.Sizes;
import starling.device.Clock;
import starling.device.DType;
import starling.device.Device;
import starling.device.InputException;
import starling.device.Meter;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.device.Work;

/**
 * Measures operators. A row has a time only if the output was right before and after it was taken,
 * and if the time is possible.
 */
final class KernelBench implements AutoCloseable {
  /** A median this far above the ceiling is not noise. */
  private static final double IMPOSSIBLE = 1.05;

  private static final int GROWTH = 8;
  private static final long SEED = 20_251_125;

  private final Device device;
  private final Device reference;
  private final Meter meter;
  private final TensorArena arena;
  private final Timer timer;
  final Ceilings ceilings;
  private final boolean timed;
  private double launchMicros = Double.NaN;

  /**
   * @param reference computes what is right
   */
  KernelBench(Device device, Device reference, Meter meter, double noise, double seconds) {
    this.device = device;
    this.reference = reference;
    this.meter = meter;
    this.timed = !device.name().equals("emulated");
    this.arena = device.arena("bench");
    long cache = timed ? Math.max(meter.card().l2Bytes(), 1 << 20) : 1 << 10;
    this.timer = new Timer(device, meter, Timer.flushing(device, arena, cache), noise, seconds);
    this.ceilings = new Ceilings(device, meter, timer, cache);
  }

  /** One operator at one size: a row per cache state, or one with counted work. */
  List<Row> rows(String name, Operator operator, Sizes sizes, DType dtype, List<String> caches) {
    var rows = new ArrayList<Row>();
    try (TensorArena own = device.arena(name)) {
      var inputs = new Inputs(device, own, dtype, SEED);
      Runnable call = operator.body().apply(inputs, sizes);
      double error = check(operator, sizes, dtype, inputs, call);
      if (!timed) {
        Work work = meter.counted(call);
        rows.add(row(name, operator, sizes, dtype, "counted", null, Double.NaN, error, work, null));
        return rows;
      }
      for (String cache : caches) {
        rows.add(timedRow(name, operator, sizes, dtype, cache, inputs, call));
      }
    } catch (Wrong | IllegalArgumentException | IllegalStateException | InputException e) {
      rows.add(
          Row.failed(
              name, sizes.of(), dtype.label(), timed ? caches.get(0) : "counted", e.getMessage()));
    }
    return rows;
  }

  private Row timedRow(
      String name,
      Operator operator,
      Sizes sizes,
      DType dtype,
      String cache,
      Inputs inputs,
      Runnable call) {
    Clock before = meter.clock();
    Samples time = timer.samples(cache.equals("cold"), call);
    double host = device.name().equals("cuda") ? timer.hostMicros(call) : Double.NaN;
    double error = check(operator, sizes, dtype, inputs, call);
    Row row = row(name, operator, sizes, dtype, cache, time, host, error, null, before);
    if (row.ceiling() > 100 * IMPOSSIBLE) {
      ceilings.again(cache.equals("cold"), dtype);
      row = row(name, operator, sizes, dtype, cache, time, host, error, null, before);
    }
    if (row.ceiling() > 100 * IMPOSSIBLE) {
      throw new Wrong(
          String.format(
              java.util.Locale.ROOT,
              "impossible: %.3g us for %d bytes and %d FLOPs is %.0f %% of what this device can do",
              time.median(),
              row.bytes(),
              row.flops(),
              row.ceiling()));
    }
    return row;
  }

  private Row row(
      String name,
      Operator operator,
      Sizes sizes,
      DType dtype,
      String cache,
      Samples time,
      double host,
      double error,
      Work work,
      Clock before) {
    long bytes = operator.bytes().applyAsLong(sizes, dtype);
    long flops = operator.flops().applyAsLong(sizes, dtype);
    double percent = Double.NaN;
    String bound = "";
    if (time != null) {
      double forBytes = bytes / ceilings.bandwidth(cache.equals("cold"), bytes);
      double forFlops = flops == 0 ? 0 : flops / ceilings.products(dtype);
      bound = forBytes >= forFlops ? "bytes" : "flops";
      percent = 100 * Math.max(forBytes, forFlops) / (time.median() / 1e6);
    }
    return new Row(
        name,
        sizes.of(),
        dtype.label(),
        cache,
        time,
        host,
        bytes,
        flops,
        percent,
        bound,
        error,
        work,
        before,
        before == null ? null : meter.clock(),
        null);
  }

  // ---- is it right ----

  /** Not a crash of the program under test but a result that must not get a time. */
  static final class Wrong extends RuntimeException {
    private static final long serialVersionUID = 1;

    Wrong(String why) {
      super(why);
    }
  }

  /** Runs once on poisoned outputs and compares with the reference; returns the largest error. */
  private double check(Operator operator, Sizes sizes, DType dtype, Inputs inputs, Runnable call) {
    inputs.poison();
    call.run();
    String trespass = inputs.trespass();
    if (trespass != null) {
      throw new Wrong(trespass);
    }
    try (TensorArena own = reference.arena("reference")) {
      var expected = new Inputs(reference, own, dtype, SEED);
      Runnable right = operator.body().apply(expected, sizes);
      expected.poison();
      right.run();
      double worst = 0;
      for (int i = 0; i < expected.outputs().size(); i++) {
        Tensor e = expected.outputs().get(i);
        Tensor a = inputs.outputs().get(i);
        worst =
            Math.max(
                worst, Reference.distance(e, expected.values(e), inputs.values(a), scores(inputs)));
      }
      return worst;
    }
  }

  /** What a choice of tokens was made by, on the device under test; null where there is none. */
  private static double[] scores(Inputs inputs) {
    return inputs.outputs().stream()
        .filter(t -> t.name().equals("score"))
        .findFirst()
        .map(inputs::values)
        .orElse(null);
  }

  // ---- does time grow with work ----

  /**
   * Eight times the work on the axis that carries it must take longer, unless both are as short as
   * a few empty launches. Returns what is wrong, or null.
   */
  String growth(Operator operator, Sizes sizes, DType dtype) {
    String axis = operator.axes().contains("out") ? "out" : operator.axes().get(0);
    var larger = new java.util.LinkedHashMap<>(sizes.of());
    larger.put(axis, GROWTH * sizes.get(axis));
    if (larger.containsKey("S") && axis.equals("T")) {
      larger.put("S", sizes.get("S") + larger.get("T") - sizes.get("T"));
    }
    boolean grows =
        operator.bytes().applyAsLong(new Sizes(larger), dtype)
            > 4 * operator.bytes().applyAsLong(sizes, dtype);
    if (!grows || (axis.equals("n") && larger.get("n") > 4096)) {
      return null;
    }
    double small = quick(operator, sizes, dtype);
    double large = quick(operator, new Sizes(larger), dtype);
    if (Double.isNaN(launchMicros)) {
      launchMicros = device.name().equals("cuda") ? ceilings.launchMicros() : 1;
    }
    if (large > 4 * launchMicros && large < 1.1 * small) {
      return String.format(
          java.util.Locale.ROOT,
          "its time does not grow with the work: %.3g us at %s=%d and %.3g us at %s=%d",
          small,
          axis,
          sizes.get(axis),
          large,
          axis,
          larger.get(axis));
    }
    return null;
  }

  private double quick(Operator operator, Sizes sizes, DType dtype) {
    try (TensorArena own = device.arena("growth")) {
      Runnable call = operator.body().apply(new Inputs(device, own, dtype, SEED), sizes);
      return new Timer(device, meter, Timer.flushing(device, own, 1 << 20), 0.05, 0.2)
          .samples(false, call)
          .min();
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
