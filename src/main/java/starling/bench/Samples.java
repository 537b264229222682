package starling.bench;

import java.util.Arrays;
import java.util.List;
import org.apache.commons.math3.distribution.TDistribution;
import org.apache.commons.math3.stat.StatUtils;

/**
 * Times of one row, in microseconds of one call, in the order they were taken.
 *
 * @param rounds those of each round; between two rounds of a row all other rows have theirs, so
 *     that rounds differ as the machine does over minutes
 */
record Samples(double[]... rounds) {
  /** Rounds are put together to so many groups, each longer than what disturbs a machine a bit. */
  private static final int GROUPS = 20;

  /** With fewer rounds the samples themselves are grouped. */
  private static final int MIN_ROUNDS = 5;

  Samples {
    if (rounds.length == 0 || Arrays.stream(rounds).anyMatch(r -> r.length == 0)) {
      throw new IllegalArgumentException("no samples");
    }
  }

  static Samples of(List<double[]> rounds) {
    return new Samples(rounds.toArray(double[][]::new));
  }

  /** All of them. */
  double[] micros() {
    return Arrays.stream(rounds).flatMapToDouble(Arrays::stream).toArray();
  }

  double median() {
    return percentile(50);
  }

  /** Between the two samples at rank {@code p·(n + 1) / 100}. */
  double percentile(double p) {
    return StatUtils.percentile(micros(), p);
  }

  double min() {
    return StatUtils.min(micros());
  }

  double mean() {
    return StatUtils.mean(micros());
  }

  /** The standard deviation over the mean. */
  double relativeDeviation() {
    return Math.sqrt(StatUtils.variance(micros())) / mean();
  }

  /** {@code (p95 − p5) / median}. */
  double spread() {
    return (percentile(95) - percentile(5)) / median();
  }

  /** A figure and where it lies with 99 % certainty. */
  record Interval(double low, double middle, double high) {
    static final Interval ONE = new Interval(1, 1, 1);

    /** The ratio of two independent figures: their distances add as squares, in logarithms. */
    Interval over(Interval other) {
      double ratio = Math.log(middle / other.middle);
      double down = Math.hypot(Math.log(middle / low), Math.log(other.high / other.middle));
      double up = Math.hypot(Math.log(high / middle), Math.log(other.middle / other.low));
      return new Interval(Math.exp(ratio - down), Math.exp(ratio), Math.exp(ratio + up));
    }

    /** Half the width over the figure. */
    double precision() {
      return (high - low) / 2 / middle;
    }

    boolean holds(double x) {
      return low <= x && x <= high;
    }
  }

  /**
   * The median's interval, from ranks (Woodruff, 1952): how much the share of samples below the
   * median differs between groups says how far from one half the true median's rank may be. A
   * machine that was slower for a while shows as groups that differ. {@code 0 … ∞} where there are
   * too few samples to say.
   */
  Interval interval() {
    double[] sorted = micros();
    Arrays.sort(sorted);
    double median = median();
    int n = sorted.length;
    double[][] groups = groups();
    if (groups.length < 2) {
      return new Interval(0, median, Double.POSITIVE_INFINITY);
    }
    double squares = 0;
    for (double[] group : groups) {
      double below = 0;
      for (double x : group) {
        below += x < median ? 1 : x == median ? 0.5 : 0;
      }
      squares += (below - group.length / 2.0) * (below - group.length / 2.0);
    }
    double k = groups.length;
    double variance = Math.max(squares / n / n * k / (k - 1), 0.25 / n);
    double ranks = t(groups.length - 1) * Math.sqrt(variance) * n;
    if (ranks >= n / 2.0) {
      return new Interval(0, median, Double.POSITIVE_INFINITY);
    }
    int low = Math.max(1, (int) Math.floor(n / 2.0 - ranks));
    return new Interval(sorted[low - 1], median, sorted[n - low]);
  }

  /** What Student's distribution exceeds on either side in one case of a hundred together. */
  static double t(int degrees) {
    return new TDistribution(null, degrees).inverseCumulativeProbability(0.995);
  }

  private double[][] groups() {
    double[][] parts =
        rounds.length >= MIN_ROUNDS
            ? rounds
            : Arrays.stream(micros()).mapToObj(x -> new double[] {x}).toArray(double[][]::new);
    int k = Math.min(GROUPS, parts.length);
    double[][] groups = new double[k][];
    for (int g = 0; g < k; g++) {
      int from = g * parts.length / k;
      int to = (g + 1) * parts.length / k;
      groups[g] = Arrays.stream(parts, from, to).flatMapToDouble(Arrays::stream).toArray();
    }
    return groups;
  }
}
