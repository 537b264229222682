package starling.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import starling.cuda.Work;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Measures operators. A row has a time only if the output was right before and after it was taken,
 * and if the time is possible.
 */
final class KernelBench implements AutoCloseable {
  /** A median this far above the ceiling is not noise. */
  private static final double IMPOSSIBLE = 1.05;

  /** Every row has as many rounds at least, with all other rows between two of them. */
  private static final int MIN_ROUNDS = 20;

  /** A round takes one of so many parts of the time that a row may have, or of the usual time. */
  private static final double PARTS = 80;

  private static final double USUAL_SECONDS = 5;

  /** Seeds of the inputs: before the figures are taken, while work is counted, and at the end. */
  private static final int FIRST = 0;

  private static final int COUNTED = 1;
  private static final int LAST = 2;

  /** Why a row of a library has no figures: it did not do the work. */
  static final String LEFT_TO_US = "left to our own kernel";

  private final Device device;
  private final Checker checker;
  private final Meter meter;
  private final TensorArena arena;
  private final Timer timer;
  final Ceilings ceilings;
  private final Growth growth;
  private final boolean timed;
  private final Runnable control;
  private final LongSupplier libraryCalls;
  private final double precision;
  private final double seconds;
  private final List<double[]> controls = new ArrayList<>();

  /**
   * @param reference computes what is right
   * @param control the same work in every run, timed once a round; null for none
   * @param precision rounds go on until the median of a row is known this well
   * @param seconds or its samples have taken so long
   */
  KernelBench(
      Device device,
      Device reference,
      Meter meter,
      Runnable control,
      double precision,
      double seconds) {
    this(device, reference, meter, control, new AtomicLong()::incrementAndGet, precision, seconds);
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
      double precision,
      double seconds) {
    this.precision = precision;
    this.seconds = seconds;
    this.libraryCalls = libraryCalls;
    this.device = device;
    this.checker = new Checker(device, reference);
    this.meter = meter;
    this.control = control;
    this.timed = device.type() != DeviceType.EMULATED;
    this.arena = device.arena("bench");
    long cache = timed ? Math.max(meter.properties().l2Bytes(), 1 << 20) : 1 << 10;
    Tensor flush = Timer.flushing(device, arena, cache);
    this.timer = new Timer(device, meter, flush);
    this.ceilings = new Ceilings(device, meter, timer, cache, Math.min(10, seconds / 5));
    this.growth = new Growth(device, meter, ceilings);
  }

  /** A row per case and cache state, or one per case with counted work. */
  List<Row> rows(List<Case> cases, List<CacheState> caches, Consumer<String> progress) {
    var rows = new ArrayList<Row>();
    for (List<Case> batch : batches(cases)) {
      try (TensorArena own = device.arena("cases")) {
        List<Run> runs = batch.stream().map(Run::new).toList();
        for (Run run : runs) {
          progress.accept(run.of.title());
          run.attempt(() -> prepare(run, own));
        }
        if (timed) {
          measure(runs, caches, progress);
        }
        for (Run run : runs) {
          run.attempt(() -> finish(run));
          (timed ? caches : List.of(CacheState.COUNTED))
              .forEach(cache -> rows.add(row(run, cache)));
        }
      }
    }
    return rows;
  }

  /** Rounds over all rows, until every row is known well enough or its time is used up. */
  private void measure(List<Run> runs, List<CacheState> caches, Consumer<String> progress) {
    for (Run run : runs) {
      caches.forEach(cache -> run.attempt(() -> begin(run, cache)));
    }
    double slice = Math.min(seconds, USUAL_SECONDS) / PARTS;
    Timer.Series machine = control == null ? null : timer.series(false, control);
    boolean open = true;
    for (int round = 1; open; round++) {
      open = machine != null && open(machine);
      if (machine != null) {
        machine.round(slice / 2);
      }
      for (Run run : runs) {
        for (CacheState cache : caches) {
          if (run.failure == null && open(run.series.get(cache))) {
            progress.accept(run.of.title() + ", round " + round);
            run.attempt(() -> run.series.get(cache).round(slice));
            open = true;
          }
        }
      }
    }
    if (machine != null) {
      controls.addAll(List.of(machine.samples().rounds()));
    }
  }

  private void begin(Run run, CacheState cache) {
    boolean cold = cache == CacheState.COLD;
    if (device.type() == DeviceType.CPU) { // until the compiler is done with it
      timer.samples(cold, run.call, 0, Math.min(0.2, seconds / 5));
    }
    run.series.put(cache, timer.series(cold, run.call));
    if (device.type() == DeviceType.CUDA) {
      run.hostMicros.put(cache, timer.hostMicros(run.call));
    }
  }

  private boolean open(Timer.Series series) {
    return series.size() < MIN_ROUNDS
        || !enough(series.samples(), series.seconds(), precision, seconds);
  }

  /** Whether rounds that took so long are all that are wanted. */
  static boolean enough(Samples time, double spent, double precision, double seconds) {
    return time.rounds().length >= MIN_ROUNDS
        && (spent >= seconds || time.interval().precision() <= precision);
  }

  /** Times of the control, by round; null where nothing was timed. */
  Samples controls() {
    return controls.isEmpty() ? null : Samples.of(controls);
  }

  /** Cases whose tensors lie in a quarter of the device's memory together. */
  private List<List<Case>> batches(List<Case> cases) {
    var batches = new ArrayList<List<Case>>();
    long budget = 0;
    for (Case c : cases) {
      long bytes = c.bytes();
      if (batches.isEmpty() || bytes > budget) {
        batches.add(new ArrayList<>());
        budget = meter.properties().memoryBytes() / 4;
      }
      batches.getLast().add(c);
      budget -= bytes;
    }
    return batches;
  }

  private void prepare(Run run, TensorArena own) {
    long bytes = run.of.bytes();
    if (bytes > meter.properties().memoryBytes()) {
      throw new WrongResult(
          String.format(
              Locale.ROOT,
              "it needs %.1f GB, and the device has %.1f GB",
              bytes / 1e9,
              meter.properties().memoryBytes() / 1e9));
    }
    run.inputs = new Inputs(device, own, run.of.dtype(), FIRST);
    run.call = run.of.on(run.inputs);
    long before = libraryCalls.getAsLong();
    run.error = checker.check(run, FIRST);
    if (libraryCalls.getAsLong() == before) {
      throw new WrongResult(LEFT_TO_US);
    }
    run.before = meter.clock();
  }

  /**
   * Counts, where that is what a row says, and then asks once more for the right result, of other
   * inputs: what was right once and does nothing since, or gives what it gave before, is no figure.
   */
  private void finish(Run run) {
    if (!timed) {
      checker.refill(run, COUNTED);
      run.inputs.poison();
      run.work = meter.counted(run.call);
      done(run, run.work);
      run.error = Math.max(run.error, checker.distance(run, COUNTED));
    }
    checker.refill(run, LAST);
    run.error = Math.max(run.error, checker.check(run, LAST));
  }

  /** Work that did not happen is none that took little. */
  private static void done(Run run, Work work) {
    Case c = run.of;
    if (Catalogue.KERNELS.containsKey(c.name()) && !work.kernels().contains(c.name())) {
      throw new WrongResult("at these sizes the device runs " + String.join(", ", work.kernels()));
    }
    if (work.launches() < 1 || work.blocks() < 1) {
      throw new WrongResult(
          "nothing was done: %d launches, %d blocks".formatted(work.launches(), work.blocks()));
    }
    long least = c.bytes();
    if (work.read() + work.written() < least) {
      throw new WrongResult(
          "%d bytes were read and %d written, and %d must be (what load and store move is counted)"
              .formatted(work.read(), work.written(), least));
    }
  }

  /** Puts the rounds together. */
  private Row row(Run run, CacheState cache) {
    var row = new Row[1];
    run.attempt(() -> row[0] = timed ? possible(run, cache) : row(run, cache, null));
    Case c = run.of;
    return run.failure == null ? row[0] : c.failed(cache, run.failure);
  }

  private Row possible(Run run, CacheState cache) {
    Samples time = run.series.get(cache).samples();
    Row row = row(run, cache, time);
    if (row.ceiling() > 100 * IMPOSSIBLE) {
      ceilings.again(cache == CacheState.COLD, run.of.dtype());
      row = row(run, cache, time);
    }
    if (row.ceiling() > 100 * IMPOSSIBLE) {
      throw new WrongResult(
          String.format(
              Locale.ROOT,
              "impossible: %.3g us for %d bytes and %d FLOPs is %.0f %% of what this device can do",
              time.median(),
              row.bytes(),
              row.flops(),
              row.ceiling()));
    }
    return row;
  }

  private Row row(Run run, CacheState cache, Samples time) {
    Case c = run.of;
    long bytes = c.bytes();
    long flops = c.flops();
    double percent = Double.NaN;
    String bound = "";
    if (time != null) {
      double forBytes = bytes / ceilings.bandwidth(cache == CacheState.COLD, bytes);
      double forFlops = flops == 0 ? 0 : flops / ceilings.products(c.dtype());
      bound = forBytes >= forFlops ? "bytes" : "flops";
      percent = 100 * Math.max(forBytes, forFlops) / (time.median() / 1e6);
    }
    return new Row(
        c.name(),
        c.sizes().of(),
        c.dtype(),
        cache,
        time,
        run.hostMicros.getOrDefault(cache, Double.NaN),
        bytes,
        flops,
        percent,
        bound,
        run.error,
        time == null ? null : stopped(time),
        run.work,
        run.before,
        run.before == null ? null : meter.clock(),
        null);
  }

  /** Why no more samples were taken. */
  private String stopped(Samples time) {
    double reached = time.interval().precision();
    return reached <= precision
        ? "precision " + Row.shortest(precision) + " reached"
        : "time used up at " + Row.shortest(reached);
  }

  /** What is wrong with inputs that are not finite, or null. */
  String notFinite(Case c) {
    return checker.notFinite(c, FIRST);
  }

  /** Why a time that does not grow with the work is none; null if it grows. */
  String growth(Case c) {
    return growth.refusal(c);
  }

  @Override
  public void close() {
    arena.close();
  }
}
