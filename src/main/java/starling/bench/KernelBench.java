package starling.bench;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
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

  /** Of a row, with all other rows between them. */
  private static final int ROUNDS = 5;

  /** Samples of a round. */
  private static final int LEAST = 4;

  /** Why a row of a library is none. */
  static final String LEFT_TO_US = "left to our own kernel";

  private static final int GROWTH = 8;
  private static final long SEED = 20_251_125;

  private final Device device;
  private final Device reference;
  private final Meter meter;
  private final TensorArena arena;
  private final Timer timer;
  final Ceilings ceilings;
  private final boolean timed;
  private final Runnable control;
  private final LongSupplier libraryCalls;
  private final List<Samples> controls = new ArrayList<>();
  private double launchMicros = Double.NaN;

  /**
   * @param reference computes what is right
   * @param control the same work in every run, timed once a round; null for none
   */
  KernelBench(
      Device device,
      Device reference,
      Meter meter,
      Runnable control,
      double noise,
      double seconds) {
    this(device, reference, meter, control, new AtomicLong()::incrementAndGet, noise, seconds);
  }

  /**
   * @param libraryCalls how many operators a library did so far: one that it left to our own
   *     kernels is no row of the library's
   */
  KernelBench(
      Device device,
      Device reference,
      Meter meter,
      Runnable control,
      LongSupplier libraryCalls,
      double noise,
      double seconds) {
    this.libraryCalls = libraryCalls;
    this.device = device;
    this.reference = reference;
    this.meter = meter;
    this.control = control;
    this.timed = !device.name().equals("emulated");
    this.arena = device.arena("bench");
    long cache = timed ? Math.max(meter.card().l2Bytes(), 1 << 20) : 1 << 10;
    Tensor flush = Timer.flushing(device, arena, cache);
    this.timer = new Timer(device, meter, flush, LEAST, noise, seconds / ROUNDS);
    this.ceilings =
        new Ceilings(device, meter, new Timer(device, meter, flush, 10, noise, seconds), cache);
  }

  /**
   * An operator at one size.
   *
   * @param name in reports: the operator's, {@code op:entry} of a user's own kernel, or {@code
   *     op:provider}
   */
  record Case(String name, Operator operator, Sizes sizes, DType dtype) {
    String title() {
      return name + " " + sizes.of() + " " + dtype.label();
    }
  }

  /** A case with its inputs on the device, and what was found so far. */
  private static final class Run {
    final Case of;
    final Map<String, List<Samples>> rounds = new HashMap<>();
    final Map<String, Double> hostMicros = new HashMap<>();
    Inputs inputs;
    Runnable call;
    double error;
    Clock before;
    String failure;

    Run(Case of) {
      this.of = of;
    }

    /** Once it has failed nothing more is done. */
    void attempt(Runnable step) {
      if (failure != null) {
        return;
      }
      try {
        step.run();
      } catch (Wrong | IllegalArgumentException | IllegalStateException | InputException e) {
        failure = e.getMessage();
      }
    }
  }

  /** A row per case and cache state, or one per case with counted work. */
  List<Row> rows(List<Case> cases, List<String> caches, Consumer<String> progress) {
    var rows = new ArrayList<Row>();
    for (List<Case> batch : batches(cases)) {
      try (TensorArena own = device.arena("cases")) {
        List<Run> runs = batch.stream().map(Run::new).toList();
        for (Run run : runs) {
          progress.accept(run.of.title());
          run.attempt(() -> prepare(run, own));
        }
        if (device.name().equals("cpu")) { // the compiler is done with all of it before the first
          runs.forEach(run -> caches.forEach(cache -> run.attempt(() -> time(run, cache))));
          runs.forEach(run -> run.rounds.clear());
        }
        for (int round = 0; round < ROUNDS && timed; round++) {
          if (control != null) {
            controls.add(timer.samples(false, control));
          }
          for (Run run : runs) {
            progress.accept(run.of.title() + ", round " + (round + 1) + " of " + ROUNDS);
            caches.forEach(cache -> run.attempt(() -> time(run, cache)));
          }
        }
        for (Run run : runs) {
          if (timed) { // else nothing has run since the first check
            run.attempt(() -> run.error = Math.max(run.error, check(run)));
          }
          (timed ? caches : List.of("counted")).forEach(cache -> rows.add(row(run, cache)));
        }
      }
    }
    return rows;
  }

  /** Times of the control, by round; null where nothing was timed. */
  Samples controls() {
    return controls.isEmpty() ? null : Samples.of(controls);
  }

  /** Cases whose tensors lie in a quarter of the device's memory together. */
  private List<List<Case>> batches(List<Case> cases) {
    var batches = new ArrayList<List<Case>>();
    long room = 0;
    for (Case c : cases) {
      long bytes = c.operator.bytes().applyAsLong(c.sizes, c.dtype);
      if (batches.isEmpty() || bytes > room) {
        batches.add(new ArrayList<>());
        room = meter.card().memoryBytes() / 4;
      }
      batches.getLast().add(c);
      room -= bytes;
    }
    return batches;
  }

  private void prepare(Run run, TensorArena own) {
    run.inputs = new Inputs(device, own, run.of.dtype, SEED);
    run.call = run.of.operator.body().apply(run.inputs, run.of.sizes);
    long before = libraryCalls.getAsLong();
    run.error = check(run);
    if (libraryCalls.getAsLong() == before) {
      throw new Wrong(LEFT_TO_US);
    }
    run.before = meter.clock();
  }

  private void time(Run run, String cache) {
    Samples round = timer.samples(cache.equals("cold"), run.call);
    run.rounds.computeIfAbsent(cache, c -> new ArrayList<>()).add(round);
    if (device.name().equals("cuda")) {
      run.hostMicros.merge(cache, timer.hostMicros(run.call), Math::min);
    }
  }

  /** Puts the rounds together. */
  private Row row(Run run, String cache) {
    var row = new Row[1];
    run.attempt(() -> row[0] = timed ? possible(run, cache) : counted(run));
    Case c = run.of;
    return run.failure == null
        ? row[0]
        : Row.failed(c.name, c.sizes.of(), c.dtype.label(), cache, run.failure);
  }

  private Row counted(Run run) {
    Work work = meter.counted(run.call);
    if (Catalogue.KERNELS.containsKey(run.of.name) && !work.kernels().contains(run.of.name)) {
      throw new Wrong("at these sizes the device runs " + String.join(", ", work.kernels()));
    }
    return row(run, "counted", null, work);
  }

  private Row possible(Run run, String cache) {
    Samples time = Samples.of(run.rounds.get(cache));
    Row row = row(run, cache, time, null);
    if (row.ceiling() > 100 * IMPOSSIBLE) {
      ceilings.again(cache.equals("cold"), run.of.dtype);
      row = row(run, cache, time, null);
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

  private Row row(Run run, String cache, Samples time, Work work) {
    Case c = run.of;
    long bytes = c.operator.bytes().applyAsLong(c.sizes, c.dtype);
    long flops = c.operator.flops().applyAsLong(c.sizes, c.dtype);
    double percent = Double.NaN;
    String bound = "";
    if (time != null) {
      double forBytes = bytes / ceilings.bandwidth(cache.equals("cold"), bytes);
      double forFlops = flops == 0 ? 0 : flops / ceilings.products(c.dtype);
      bound = forBytes >= forFlops ? "bytes" : "flops";
      percent = 100 * Math.max(forBytes, forFlops) / (time.median() / 1e6);
    }
    return new Row(
        c.name,
        c.sizes.of(),
        c.dtype.label(),
        cache,
        time,
        run.hostMicros.getOrDefault(cache, Double.NaN),
        bytes,
        flops,
        percent,
        bound,
        run.error,
        work,
        run.before,
        run.before == null ? null : meter.clock(),
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
  private double check(Run run) {
    Inputs inputs = run.inputs;
    inputs.poison();
    run.call.run();
    String trespass = inputs.trespass();
    if (trespass != null) {
      throw new Wrong(trespass);
    }
    try (TensorArena own = reference.arena("reference")) {
      var expected = new Inputs(reference, own, run.of.dtype, SEED);
      Runnable right = run.of.operator.body().apply(expected, run.of.sizes);
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
      return new Timer(device, meter, Timer.flushing(device, own, 1 << 20), 10, 0.05, 0.2)
          .samples(false, call)
          .min();
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
