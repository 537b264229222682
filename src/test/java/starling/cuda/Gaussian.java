package starling.cuda;

import java.util.List;
import java.util.Random;
import starling.device.StoredTensor;

/** Normally distributed values, for comparing kernels with libraries. */
public final class Gaussian {
  private Gaussian() {}

  public static StoredTensor of(Random random, float scale, Integer... shape) {
    float[] values = new float[List.of(shape).stream().reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = scale * (float) random.nextGaussian();
    }
    return StoredTensor.of("gaussian", List.of(shape), values);
  }
}
