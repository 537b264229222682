package starling.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import starling.bench.Samples.Interval;

/** Percentiles and intervals of known samples, as numbers worked out by hand. */
class SamplesTest {
  /** 1 to n in an order of no meaning. */
  private static double[] shuffled(int n) {
    var x = IntStream.rangeClosed(1, n).mapToObj(i -> (double) i).toList();
    var order = new java.util.ArrayList<>(x);
    Collections.shuffle(order, new Random(5));
    return order.stream().mapToDouble(v -> v).toArray();
  }

  @Test
  void percentilesOfKnownSamplesAreTheseNumbers() {
    var all = new Samples(shuffled(99));
    assertEquals(5, all.percentile(5));
    assertEquals(50, all.median());
    assertEquals(95, all.percentile(95));
    assertEquals(1, all.min());
    assertEquals(50, all.mean());
    assertEquals(90.0 / 50, all.spread());
    var ten =
        new Samples(new double[] {3, 1, 2}, new double[] {10, 9, 8, 7}, new double[] {4, 6, 5});
    assertEquals(1, ten.percentile(5), "below the first rank");
    assertEquals(1.65, ten.percentile(15), 1e-12);
    assertEquals(5.5, ten.median());
    assertEquals(9.9, ten.percentile(90), 1e-12);
    assertEquals(10, ten.percentile(95), "above the last");
    assertEquals(7, new Samples(new double[] {7}).percentile(95));
    assertEquals(Math.sqrt(2.5) / 3, new Samples(new double[] {1, 5, 2, 4, 3}).relativeDeviation());
  }

  /** One half ± t·√(1/4n): 100 samples in 20 groups alike. */
  @Test
  void theIntervalOfAMedianHasTheseEnds() {
    // Every group of 5 has its median where all have: only counting is uncertain.
    double[] x = new double[100];
    for (int i = 0; i < 100; i++) {
      x[i] = 1 + i % 5 * 20 + i / 5; // 1 … 100
    }
    Interval interval = new Samples(x).interval();
    // 2.861 · √(0.25 / 100) = 0.14305: ranks 50 ± 14.305.
    assertEquals(new Interval(35, 50.5, 66), interval);
    assertEquals(31 / 2.0 / 50.5, interval.precision());
  }

  @Test
  void roundsThatDifferWidenIt() {
    double[][] same = new double[20][];
    double[][] differ = new double[20][];
    for (int r = 0; r < 20; r++) {
      double speed = r % 4 == 3 ? 1.5 : 1; // a quarter of the time the machine is slow
      same[r] = shuffled(25);
      differ[r] = Arrays.stream(shuffled(25)).map(v -> (100 + v) * speed).toArray();
      same[r] = Arrays.stream(same[r]).map(v -> 100 + v).toArray();
    }
    Interval narrow = new Samples(same).interval();
    // Every round has 12.5 of 25 below 113: variance 0.25 / 500, ranks 250 ± 31.99.
    assertEquals(new Interval(111, 113, 115), narrow);
    Interval wide = new Samples(differ).interval();
    // 375 samples of fast rounds: the median is 117. 15 rounds have 16.5 below and 5 none:
    // √((15·4² + 5·12.5²)/500²·20/19) · 2.861 = 0.1866, ranks 250 ± 93.3.
    assertEquals(new Interval(111, 117, 123), wide);
  }

  @Test
  void tooFewSamplesSayNothing() {
    for (int n : new int[] {1, 2, 10}) {
      Interval interval = new Samples(shuffled(n)).interval();
      assertEquals(0, interval.low(), n + " samples");
      assertEquals(Double.POSITIVE_INFINITY, interval.high());
    }
    assertTrue(new Samples(shuffled(13)).interval().high() <= 13);
    // Four rounds could be four machines, but five that agree may be believed.
    double[] agree = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    assertTrue(new Samples(agree, agree, agree, agree, agree).interval().high() <= 10);
  }

  @Test
  void aRatioHasTheDistancesOfBothAsSquares() {
    Interval ratio = new Interval(90, 100, 120).over(new Interval(45, 50, 60));
    double down = Math.hypot(Math.log(100 / 90.0), Math.log(60 / 50.0));
    double up = Math.hypot(Math.log(120 / 100.0), Math.log(50 / 45.0));
    assertArrayEquals(
        new double[] {2 * Math.exp(-down), 2, 2 * Math.exp(up)},
        new double[] {ratio.low(), ratio.middle(), ratio.high()},
        1e-12);
    assertEquals(1.6202, ratio.low(), 1e-4);
    assertEquals(2.4688, ratio.high(), 1e-4);
  }

  /** In 99 of 100 cases the true median is inside; groups that are few make it wider, not wrong. */
  @Test
  void theIntervalHoldsTheTrueMedianAsOftenAsItSays() {
    var random = new Random(17);
    for (int rounds : new int[] {5, 20, 60}) {
      int held = 0;
      for (int run = 0; run < 2000; run++) {
        double[][] x = new double[rounds][];
        for (int r = 0; r < rounds; r++) {
          double speed = Math.exp(0.05 * random.nextGaussian());
          x[r] = random.doubles(12).map(u -> speed * Math.exp(0.02 * (u - 0.5))).toArray();
        }
        held += new Samples(x).interval().holds(1) ? 1 : 0;
      }
      assertTrue(held >= 1960, held + " of 2000 with " + rounds + " rounds");
    }
  }

  /** As printed tables have it, for 99 % between both ends. */
  @Test
  void studentsTIsThatOfTheTables() {
    assertEquals(63.657, Samples.t(1), 5e-4);
    assertEquals(9.925, Samples.t(2), 5e-4);
    assertEquals(4.604, Samples.t(4), 5e-4);
    assertEquals(3.250, Samples.t(9), 5e-4);
    assertEquals(2.861, Samples.t(19), 5e-4);
  }
}
