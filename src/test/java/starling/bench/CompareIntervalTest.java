package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import starling.bench.Samples.Interval;

/** The borders of a verdict, and both kinds of error on machines as they are. */
class CompareIntervalTest extends PlantedRuns {
  private static Verdict verdict(double low, double high, double netLow, double netHigh) {
    return Compare.verdict(
        new Interval(low, Math.sqrt(low * high), high),
        new Interval(netLow, Math.sqrt(netLow * netHigh), netHigh));
  }

  @Test
  void theBordersOfAVerdictAreThese() {
    assertEquals(Verdict.SLOWER, verdict(1.051, 1.4, 1.051, 1.5));
    assertEquals(Verdict.UNSURE, verdict(1.049, 1.4, 1.051, 1.5), "not five parts of 100");
    assertEquals(Verdict.UNSURE, verdict(1.051, 1.4, 1.049, 1.5), "the machine did it");
    assertEquals(Verdict.FASTER, verdict(0.7, 0.952, 0.7, 0.952));
    assertEquals(Verdict.UNSURE, verdict(0.7, 0.953, 0.7, 0.952));
    assertEquals(Verdict.UNSURE, verdict(0.7, 0.952, 0.7, 0.953));
    assertEquals(Verdict.SAME, verdict(1.01, 1.05, 0.5, 2), "within five parts of 100");
    assertEquals(Verdict.UNSURE, verdict(1.01, 1.051, 0.5, 2));
    assertEquals(Verdict.SAME, verdict(0.953, 0.99, 0.5, 2));
    assertEquals(Verdict.UNSURE, verdict(0.952, 0.99, 0.5, 2));
    assertEquals(Verdict.SAME, verdict(0.95, 1.149, 0.5, 2), "a fifth would be seen");
    assertEquals(Verdict.UNSURE, verdict(0.95, 1.151, 0.5, 2));
    assertEquals(Verdict.SAME, verdict(1.02, 1.19, 0.95, 1.14), "the machine's own");
    assertEquals(Verdict.UNSURE, verdict(1.02, 1.21, 0.95, 1.14), "but no more than a fifth");
    assertEquals(Verdict.UNSURE, verdict(0, Double.POSITIVE_INFINITY, 0.9, 1.1));
  }

  @Test
  void theIntervalOfARatioIsTheseNumbers() throws IOException {
    double[] a = new double[100];
    for (int i = 0; i < 100; i++) {
      a[i] = 101 + i % 5 * 20 + i / 5; // 101 … 200: the median's interval is 135 … 166
    }
    double[] b = Arrays.stream(a).map(x -> 2 * x).toArray();
    ComparedRow line =
        compare(List.of(row(1, CacheState.COLD, a)), List.of(row(1, CacheState.COLD, b)))
            .rows()
            .get(0);
    assertEquals(150.5, line.before());
    assertEquals(301, line.after());
    double wide = Math.hypot(Math.log(150.5 / 135), Math.log(166 / 150.5));
    assertEquals(2 * Math.exp(-wide), line.low(), 1e-12);
    assertEquals(2 * Math.exp(wide), line.high(), 1e-12);
    assertEquals(1.7277, line.low(), 1e-4);
  }

  /** Speed over time: drift over half a minute, and a neighbour that comes and goes. */
  private final class Machine {
    private final double[] slowness = new double[20_000]; // of 5 ms each
    private double now = 5 * random.nextDouble();

    Machine(double drift, double busy, double idle, double factor) {
      double along = 0;
      double left = 0;
      boolean on = random.nextDouble() < busy / (busy + idle);
      for (int i = 0; i < slowness.length; i++) {
        along = along * (1 - 0.005 / 30) + drift * Math.sqrt(0.01 / 30) * random.nextGaussian();
        left -= 0.005;
        if (left < 0) {
          on = !on;
          left = -Math.log(random.nextDouble()) * (on ? busy : idle);
        }
        slowness[i] = Math.exp(along) * (on ? factor : 1);
      }
    }

    /** One round, as the bench takes it: samples that cost so much each, for so long. */
    double[] round(double micros, double share, double cost, double seconds) {
      var round = new ArrayList<Double>();
      double end = now + seconds;
      do {
        double slow = slowness[(int) (now / 0.005) % slowness.length];
        double x = micros * Math.pow(slow, share) * (1 - 0.02 * Math.log(random.nextDouble()));
        round.add(random.nextInt(30) == 0 ? 5 * x : x);
        now += cost * slow;
      } while (now < end);
      return round.stream().mapToDouble(x -> x).toArray();
    }

    void others(double seconds) {
      now += seconds;
    }
  }

  private Samples[] sampled(Machine machine, double micros, double share, int rows) {
    double seconds = 5;
    var row = new ArrayList<double[]>();
    var control = new ArrayList<double[]>();
    double rowSeconds = 0;
    double controlSeconds = 0;
    boolean rowOpen = true;
    boolean controlOpen = true;
    while (rowOpen || controlOpen) {
      double from = machine.now;
      control.add(machine.round(300, 1, 3e-3, seconds / 160));
      controlSeconds += machine.now - from;
      if (rowOpen) {
        from = machine.now;
        row.add(machine.round(micros, share, 6e-3, seconds / 80));
        rowSeconds += machine.now - from;
      }
      machine.others((rows - 1) * seconds / 80);
      rowOpen = !KernelBench.enough(Samples.of(row), rowSeconds, 0.04, seconds);
      controlOpen = !KernelBench.enough(Samples.of(control), controlSeconds, 0.04, seconds);
    }
    return new Samples[] {Samples.of(row), Samples.of(control)};
  }

  private Map<Verdict, Integer> verdicts(
      double times, double drift, double busy, double idle, double factor) {
    var counts = new EnumMap<Verdict, Integer>(Verdict.class);
    for (int run = 0; run < 40; run++) {
      double share = 0.8 + 0.3 * random.nextDouble(); // the row feels the machine more or less
      int rows = run % 2 == 0 ? 1 : 10;
      Samples[] a = sampled(new Machine(drift, busy, idle, factor), 200, share, rows);
      Samples[] b = sampled(new Machine(drift, busy, idle, factor), times * 200, share, rows);
      Interval ratio = b[0].interval().over(a[0].interval());
      Interval net = ratio.over(b[1].interval().over(a[1].interval()));
      counts.merge(Compare.verdict(ratio, net), 1, Integer::sum);
    }
    return counts;
  }

  private void onMachine(
      String machine, int same, int found, double drift, double busy, double idle, double factor) {
    Map<Verdict, Integer> equal = verdicts(1, drift, busy, idle, factor);
    Map<Verdict, Integer> slower = verdicts(1.3, drift, busy, idle, factor);
    Map<Verdict, Integer> faster = verdicts(1 / 1.3, drift, busy, idle, factor);
    String all = machine + ": " + equal + ", " + slower + ", " + faster;
    assertTrue(equal.getOrDefault(Verdict.SAME, 0) >= same, all);
    assertTrue(slower.getOrDefault(Verdict.SLOWER, 0) >= found, all);
    assertTrue(faster.getOrDefault(Verdict.FASTER, 0) >= found, all);
    int wrong =
        equal.getOrDefault(Verdict.SLOWER, 0)
            + equal.getOrDefault(Verdict.FASTER, 0)
            + slower.getOrDefault(Verdict.FASTER, 0)
            + faster.getOrDefault(Verdict.SLOWER, 0);
    assertTrue(wrong <= 1, all);
  }

  @Test
  void aThirdMoreIsFoundAndEqualRunsAreTheSame() {
    onMachine("quiet", 40, 40, 0, 0, 1e9, 1);
    onMachine("drift", 38, 40, 0.05, 0, 1e9, 1);
    onMachine("short bursts", 38, 38, 0.02, 0.3, 1, 1.5);
    onMachine("rare long bursts", 30, 34, 0.02, 2, 30, 1.8);
    onMachine("busy half the time", 0, 5, 0.02, 0.3, 0.3, 1.6); // nobody knows, and nobody errs
  }
}
