package starling.bench;

import java.util.EnumMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.Supplier;
import starling.device.DType;
import starling.device.Device;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * What the hardware can do, measured in the same run: bytes by the better of a plain copy and a
 * plain read, FLOPs by products in registers, an empty launch, a node of a captured graph.
 *
 * <p>A ceiling for {@code bytes} is the best rate at any size from there up, in the same cache
 * state: a small copy is bound by its launch, so its own rate would be no ceiling.
 */
final class Ceilings {
  private static final long FIRST = 16 << 10;
  private static final double PRECISION = 0.01;

  private final Device device;
  private final Meter meter;
  private final Timer timer;
  private final double seconds;
  private final long largest;
  private boolean frozen;
  private final Map<Boolean, NavigableMap<Long, Double>> bandwidth = new TreeMap<>();
  private final Map<DType, Double> products = new EnumMap<>(DType.class);

  /**
   * @param seconds for one figure at most
   */
  Ceilings(Device device, Meter meter, Timer timer, long cacheBytes, double seconds) {
    this.device = device;
    this.meter = meter;
    this.timer = timer;
    this.seconds = seconds;
    long bytes = FIRST;
    while (4 * bytes <= 8 * cacheBytes) {
      bytes *= 4;
    }
    this.largest = bytes;
  }

  /** Bytes per second at {@code bytes} or more. */
  double bandwidth(boolean cold, long bytes) {
    NavigableMap<Long, Double> ladder = bandwidth.computeIfAbsent(cold, this::ladder);
    Long from = ladder.floorKey(Math.max(FIRST, Math.min(bytes, largest)));
    return ladder.tailMap(from).values().stream().mapToDouble(x -> x).max().orElseThrow();
  }

  private NavigableMap<Long, Double> ladder(boolean cold) {
    var rates = new TreeMap<Long, Double>();
    try (TensorArena own = device.arena("ladder")) {
      int n = Math.toIntExact(largest / 4);
      Tensor a = own.alloc("a", DType.I32, n);
      Tensor b = own.alloc("b", DType.I32, n);
      for (long bytes = FIRST; bytes <= largest; bytes *= 4) {
        Tensor from = a.rows(0, (int) (bytes / 4));
        Tensor to = b.rows(0, (int) (bytes / 8));
        Tensor half = a.rows(0, (int) (bytes / 8));
        // Of the same footprint: a read of all of it, and a copy of one half to the other.
        double read = samples(cold, () -> meter.read(from)).min();
        double copy = samples(cold, () -> meter.copy(to, half)).min();
        rates.put(bytes, bytes / Math.min(read, copy) * 1e6);
      }
    }
    return rates;
  }

  private Samples samples(boolean cold, Runnable call) {
    return timer.samples(cold, call, PRECISION, seconds);
  }

  /** FLOPs per second. */
  double products(DType dtype) {
    return products.computeIfAbsent(
        dtype,
        t -> {
          long flops = meter.products(t);
          return flops / samples(false, () -> meter.products(t)).min() * 1e6;
        });
  }

  /**
   * Measures again what a row has exceeded, since on a shared machine the first may have been slow.
   */
  void again(boolean cold, DType dtype) {
    if (frozen) {
      return;
    }
    NavigableMap<Long, Double> before = bandwidth.get(cold);
    if (before != null) {
      ladder(cold).forEach((bytes, rate) -> before.merge(bytes, rate, Math::max));
    }
    Double then = products.remove(dtype);
    if (then != null) {
      products.put(dtype, Math.max(then, products(dtype)));
    }
  }

  /** Runs {@code task} against what has been measured so far. */
  <T> T frozen(Supplier<T> task) {
    frozen = true;
    try {
      return task.get();
    } finally {
      frozen = false;
    }
  }

  /** Microseconds of an empty launch, one of many. */
  double launchMicros() {
    int n = 100;
    return samples(false, () -> meter.nothing(n)).median() / n;
  }

  /** Microseconds of one empty node of a captured graph; NaN where nothing is captured. */
  double nodeMicros() {
    int n = 100;
    return meter.nothingReplayed(n)
        ? samples(false, () -> meter.nothingReplayed(n)).median() / n
        : Double.NaN;
  }

  /** What was measured so far, for the report. */
  record Report(Map<String, Map<Long, Double>> gigabytesPerSecond, Map<String, Double> gigaflops) {}

  Report report() {
    var bytes = new TreeMap<String, Map<Long, Double>>();
    bandwidth.forEach(
        (cold, ladder) -> {
          var scaled = new TreeMap<Long, Double>();
          ladder.forEach((n, rate) -> scaled.put(n, rate / 1e9));
          bytes.put(cold ? "cold" : "warm", scaled);
        });
    var flops = new TreeMap<String, Double>();
    products.forEach((t, rate) -> flops.put(t.label(), rate / 1e9));
    return new Report(bytes, flops);
  }
}
