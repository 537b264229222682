package starling.bench;

import java.util.Arrays;
import java.util.List;
import org.apache.commons.math3.stat.StatUtils;

/**
 * Times of one row, in microseconds of one call, in the order they were taken.
 *
 * @param rounds those of each round; between two rounds of a row all other rows have theirs, so
 *     that rounds differ as the machine does over minutes
 */
record Samples(double[]... rounds) {
  Samples {
    if (rounds.length == 0 || Arrays.stream(rounds).anyMatch(r -> r.length == 0)) {
      throw new IllegalArgumentException("no samples");
    }
  }

  static Samples of(List<Samples> rounds) {
    return new Samples(
        rounds.stream().flatMap(s -> Arrays.stream(s.rounds)).toArray(double[][]::new));
  }

  /** All of them. */
  double[] micros() {
    return Arrays.stream(rounds).flatMapToDouble(Arrays::stream).toArray();
  }

  double median() {
    return percentile(50);
  }

  double percentile(double p) {
    return StatUtils.percentile(micros(), p);
  }

  double min() {
    return StatUtils.min(micros());
  }

  double mean() {
    return StatUtils.mean(micros());
  }

  double relativeDeviation() {
    double[] micros = micros();
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
    double[] sorted = micros();
    Arrays.sort(sorted);
    int n = sorted.length;
    double half = 0.98 * Math.sqrt(n);
    int low = Math.max(0, (int) Math.floor(n / 2.0 - half));
    int high = Math.min(n - 1, (int) Math.ceil(n / 2.0 + half));
    return (sorted[high] - sorted[low]) / 2 / median();
  }
}
