package starling.cuda;

import java.util.List;
import java.util.Random;
import starling.device.Stored;

/** Normally distributed values, for comparing kernels with libraries. */
final class Gaussian {
  private Gaussian() {}

  static Stored of(Random random, float scale, Integer... shape) {
    float[] values = new float[List.of(shape).stream().reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = scale * (float) random.nextGaussian();
    }
    return Stored.of("gaussian", List.of(shape), values);
  }
}
