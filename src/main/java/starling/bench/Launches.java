package starling.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.cuda.EmptyKernel;
import starling.cuda.NativeDevice;
import starling.input.InputException;
import starling.jcuda.JniLaunch;

/** What one launch of an empty kernel costs by each way to launch it, on one stream in one run. */
final class Launches {
  private static final int LAUNCHES = 1000;
  private static final int BATCHES = 21;

  private Launches() {}

  static List<Launch> of(NativeDevice device) {
    var ways = new ArrayList<Launch>();
    try (var kernel = new EmptyKernel(device)) {
      ways.add(way("FFM", () -> repeat(kernel::launch), kernel));
      try (var jni = new JniLaunch(device)) {
        ways.add(way("JCuda's JNI", () -> repeat(jni::launch), kernel));
      } catch (InputException e) {
        ways.add(new Launch("JCuda's JNI", null, null, e.getMessage()));
      }
      ways.add(way("captured graph", () -> kernel.replay(LAUNCHES), kernel));
    } catch (InputException e) {
      ways.add(new Launch("FFM", null, null, e.getMessage()));
    }
    return ways;
  }

  private static void repeat(Runnable launch) {
    for (int i = 0; i < LAUNCHES; i++) {
      launch.run();
    }
  }

  private static Launch way(String by, Runnable batch, EmptyKernel kernel) {
    double[] host = new double[BATCHES];
    double[] done = new double[BATCHES];
    for (int i = -BATCHES; i < BATCHES; i++) { // the first half warms up
      kernel.await();
      long start = System.nanoTime();
      batch.run();
      long taken = System.nanoTime();
      kernel.await();
      if (i >= 0) {
        host[i] = (taken - start) / 1e3 / LAUNCHES;
        done[i] = (System.nanoTime() - start) / 1e3 / LAUNCHES;
      }
    }
    return new Launch(by, median(host), median(done), null);
  }

  private static double median(double[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }
}
