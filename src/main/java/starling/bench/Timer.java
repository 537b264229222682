package starling.bench;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import starling.device.DType;
import starling.device.Device;
import starling.device.Meter;
import starling.device.Tensor;

/**
 * Takes samples in the device's own order of work ({@link Device#mark}), never host time around an
 * asynchronous call.
 *
 * <p>Cold: before every sample as many bytes as two last caches are copied, outside the clock.
 * Warm: a sample is several calls one behind the other, on the same buffers. On a GPU the copy also
 * keeps the queue full, so that no launch waits for the host.
 */
final class Timer {
  private static final int MAX_SAMPLES = 2000;
  private static final int IN_FLIGHT = 16;
  private static final double WARM_MICROS = 200;
  private static final double WARM_UP_MILLIS = 50;

  private final Device device;
  private final Meter meter;
  private final Tensor flush;
  private final int least;
  private final double noise;
  private final double seconds;

  /**
   * @param least samples at least
   * @param noise samples are taken until the median is known this well
   * @param seconds or this much time has passed
   */
  Timer(Device device, Meter meter, Tensor flush, int least, double noise, double seconds) {
    this.device = device;
    this.meter = meter;
    this.flush = flush;
    this.least = least;
    this.noise = noise;
    this.seconds = seconds;
  }

  /** A tensor of twice the cache. */
  static Tensor flushing(Device device, starling.device.TensorArena arena, long cache) {
    return arena.alloc("flush", DType.I32, Math.toIntExact(Math.min(2 * cache / 4, 1 << 28)));
  }

  private Tensor half(int which) {
    int n = flush.rows() / 2;
    return flush.rows(which * n, (which + 1) * n);
  }

  private void waitForAll() {
    int[] one = new int[1];
    device.download(MemorySegment.ofArray(one), flush.rows(0, 1));
  }

  Samples samples(boolean cold, Runnable call) {
    warmUp(call);
    int calls = cold ? 1 : callsPerSample(call);
    var micros = new ArrayList<Double>();
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while (true) {
      long[] from = new long[IN_FLIGHT];
      long[] to = new long[IN_FLIGHT];
      int group = device.name().equals("cuda") ? IN_FLIGHT : 1;
      for (int i = 0; i < group; i++) {
        if (cold || i == 0) {
          meter.copy(half(0), half(1));
        }
        if (!cold) {
          call.run(); // the copy before has emptied the cache
        }
        from[i] = device.mark();
        for (int c = 0; c < calls; c++) {
          call.run();
        }
        to[i] = device.mark();
      }
      for (int i = 0; i < group; i++) {
        micros.add(device.millis(from[i], to[i]) * 1e3 / calls);
      }
      boolean enough = micros.size() >= least;
      if (enough
          && (System.nanoTime() > end
              || micros.size() >= MAX_SAMPLES
              || of(micros).medianUncertainty() < noise)) {
        return of(micros);
      }
    }
  }

  private static Samples of(List<Double> micros) {
    return new Samples(micros.stream().mapToDouble(x -> x).toArray());
  }

  private void warmUp(Runnable call) {
    long end = System.nanoTime() + (long) (WARM_UP_MILLIS * 1e6);
    do {
      for (int i = 0; i < 4; i++) {
        call.run();
      }
      waitForAll();
    } while (System.nanoTime() < end);
  }

  private int callsPerSample(Runnable call) {
    long from = device.mark();
    for (int i = 0; i < 4; i++) {
      call.run();
    }
    long to = device.mark();
    double one = Math.max(0.1, device.millis(from, to) * 1e3 / 4);
    return (int) Math.max(1, Math.min(200, Math.ceil(WARM_MICROS / one)));
  }

  /** Microseconds of the host per call, with room in the queue for every one of them. */
  double hostMicros(Runnable call) {
    int calls = 100;
    double best = Double.POSITIVE_INFINITY;
    for (int round = 0; round < 5; round++) {
      waitForAll();
      long from = System.nanoTime();
      for (int i = 0; i < calls; i++) {
        call.run();
      }
      best = Math.min(best, (System.nanoTime() - from) / 1e3 / calls);
    }
    waitForAll();
    return best;
  }
}
