package starling.bench;

import java.util.Arrays;
import org.apache.commons.math3.stat.StatUtils;

/**
 * Times of one row, in microseconds of one call, in the order they were taken.
 *
 * @param micros all of them
 */
record Samples(double[] micros) {
  Samples {
    if (micros.length == 0) {
      throw new IllegalArgumentException("no samples");
    }
  }

  double median() {
    return percentile(50);
  }

  double percentile(double p) {
    return StatUtils.percentile(micros, p);
  }

  double min() {
    return StatUtils.min(micros);
  }

  double mean() {
    return StatUtils.mean(micros);
  }

  double relativeDeviation() {
    return micros.length < 2 ? 0 : Math.sqrt(StatUtils.variance(micros)) / mean();
  }

  /** {@code (p95 − p5) / median}. */
  double spread() {
    return (percentile(95) - percentile(5)) / median();
  }

  /**
   * How well the median is known: half the width of its 95 % interval, from ranks, over the median.
   */
  double medianUncertainty() {
    double[] sorted = micros.clone();
    Arrays.sort(sorted);
    int n = sorted.length;
    double half = 0.98 * Math.sqrt(n);
    int low = Math.max(0, (int) Math.floor(n / 2.0 - half));
    int high = Math.min(n - 1, (int) Math.ceil(n / 2.0 + half));
    return (sorted[high] - sorted[low]) / 2 / median();
  }
}
