package starling.bench;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Tensor;

/**
 * Takes samples in the device's own order of work ({@link Device#recordEvent}), never host time
 * around an asynchronous call.
 *
 * <p>Cold: before every sample as many bytes as two last caches are copied, outside the clock.
 * Warm: a sample is several calls one behind the other, on the same buffers. On a GPU the copy also
 * keeps the queue full, so that no launch waits for the host.
 */
final class Timer {
  private static final int IN_FLIGHT = 16;
  private static final int MIN_CALLS = 10;
  private static final double WARM_MICROS = 200;
  private static final double WARM_UP_MILLIS = 50;

  private final Device device;
  private final Meter meter;
  private final Tensor flush;

  Timer(Device device, Meter meter, Tensor flush) {
    this.device = device;
    this.meter = meter;
    this.flush = flush;
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

  /** Rounds of samples of one call, which has been warmed up. */
  final class Series {
    private final boolean cold;
    private final Runnable call;
    private final int calls;
    private final List<double[]> rounds = new ArrayList<>();
    private double seconds;
    private int count;

    private Series(boolean cold, Runnable call) {
      this.cold = cold;
      this.call = call;
      warmUp(call);
      this.calls = cold ? 1 : callsPerSample(call);
    }

    /** One more round, of at least one sample and about so long. */
    void round(double atLeast) {
      var micros = new ArrayList<Double>();
      long begin = System.nanoTime();
      double taken;
      do {
        group(micros);
        taken = (System.nanoTime() - begin) / 1e9;
      } while (taken < atLeast);
      seconds += taken;
      count += micros.size();
      rounds.add(micros.stream().mapToDouble(x -> x).toArray());
    }

    /** As many samples as may wait in the device's queue. */
    private void group(List<Double> micros) {
      int group = device.type() == DeviceType.CUDA ? IN_FLIGHT : 1;
      long[] from = new long[group];
      long[] to = new long[group];
      for (int i = 0; i < group; i++) {
        if (cold || i == 0) {
          meter.copy(half(0), half(1));
        }
        if (!cold) {
          call.run(); // the copy before has emptied the cache
        }
        from[i] = device.recordEvent();
        for (int c = 0; c < calls; c++) {
          call.run();
        }
        to[i] = device.recordEvent();
      }
      for (int i = 0; i < group; i++) {
        micros.add(device.elapsedMillis(from[i], to[i]) * 1e3 / calls);
      }
    }

    int size() {
      return rounds.size();
    }

    /** That all rounds together took. */
    double seconds() {
      return seconds;
    }

    Samples samples() {
      return Samples.of(rounds);
    }
  }

  Series series(boolean cold, Runnable call) {
    return new Series(cold, call);
  }

  /**
   * Without rows between its rounds: at least ten samples, until the median is known this well or
   * so much time has passed.
   */
  Samples samples(boolean cold, Runnable call, double precision, double seconds) {
    Series series = series(cold, call);
    int enough = MIN_CALLS;
    do {
      while (series.count < enough) {
        series.round(0);
      }
      enough = series.count + series.count / 4; // looking at all of them takes time too
    } while (series.seconds() < seconds && series.samples().interval().precision() > precision);
    return series.samples();
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
    long from = device.recordEvent();
    for (int i = 0; i < 4; i++) {
      call.run();
    }
    long to = device.recordEvent();
    double one = Math.max(0.1, device.elapsedMillis(from, to) * 1e3 / 4);
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
