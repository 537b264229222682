package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.bench.Samples.Interval;
import starling.device.Work;
import starling.input.InputException;

/** Verdicts on files as {@code bench kernels} writes them, with planted differences and noise. */
class CompareTest {
  private static final Map<String, Object> MACHINE =
      Map.of(
          "device",
          "cuda",
          "card",
          "X",
          "uuid",
          "GPU-1",
          "architecture",
          "9.0",
          "multiprocessors",
          132,
          "l2_bytes",
          1 << 20);

  @TempDir Path dir;
  private final Random random = new Random(3);

  /** Times as kernels have them: a floor, noise above it, now and then a long one. */
  private double[] noisy(double micros, double noise) {
    double[] samples = new double[60];
    for (int i = 0; i < samples.length; i++) {
      double x = micros * (1 + noise * Math.abs(random.nextGaussian()));
      samples[i] = random.nextInt(30) == 0 ? 5 * x : x;
    }
    return samples;
  }

  /** Five rounds, each at a speed of its own. */
  private double[][] rounds(double micros, double... speeds) {
    double[][] rounds = new double[speeds.length][];
    for (int r = 0; r < speeds.length; r++) {
      rounds[r] = noisy(micros * speeds[r], 0.02);
    }
    return rounds;
  }

  private static Row row(int n, String cache, double[]... samples) {
    return new Row(
        "rmsnorm",
        Map.of("T", n),
        "bf16",
        cache,
        new Samples(samples),
        Double.NaN,
        1000,
        0,
        50,
        "bytes",
        0,
        "precision 0.04 reached",
        null,
        null,
        null,
        null);
  }

  private Path file(String name, Map<String, Object> machine, List<Row> rows) throws IOException {
    Path file = dir.resolve(name);
    new ObjectMapper()
        .writeValue(file.toFile(), new KernelReport(machine, null, null, List.of(), rows).json());
    return file;
  }

  private Compare.Result compare(List<Row> a, List<Row> b) throws IOException {
    return Compare.files(file("a.json", MACHINE, a), file("b.json", MACHINE, b), false);
  }

  private Path file(String name, double control, double[]... samples) throws IOException {
    Path file = dir.resolve(name);
    var same = new Samples(rounds(control, 1, 1, 1));
    var report = new KernelReport(MACHINE, null, same, List.of(), List.of(row(1, "cold", samples)));
    new ObjectMapper().writeValue(file.toFile(), report.json());
    return file;
  }

  private Compare.Verdict verdict(double[] a, double[] b) throws IOException {
    return compare(List.of(row(1, "cold", a)), List.of(row(1, "cold", b))).lines().get(0).verdict();
  }

  @Test
  void twoRunsOfOneBuildAreTheSame() throws IOException {
    for (double noise : new double[] {0.002, 0.02, 0.05}) {
      var a = new ArrayList<Row>();
      var b = new ArrayList<Row>();
      for (int i = 0; i < 300; i++) {
        a.add(row(i, "cold", noisy(20, noise)));
        b.add(row(i, "cold", noisy(20, noise)));
      }
      Compare.Result result = compare(a, b);
      long other = result.lines().stream().filter(l -> l.verdict() != Compare.Verdict.SAME).count();
      assertTrue(other < 3, other + " of 300 at noise " + noise);
    }
  }

  @Test
  void plantedDifferencesAreFound() throws IOException {
    assertEquals(Compare.Verdict.SLOWER, verdict(noisy(20, 0.02), noisy(23, 0.02)));
    assertEquals(Compare.Verdict.FASTER, verdict(noisy(20, 0.02), noisy(17, 0.02)));
    assertEquals(Compare.Verdict.UNSURE, verdict(noisy(20, 1), noisy(24, 1)));
    assertTrue(
        compare(List.of(row(1, "cold", noisy(20, 0.02))), List.of(row(1, "cold", noisy(23, 0.02))))
            .regression());
    assertFalse(
        compare(List.of(row(1, "cold", noisy(20, 0.02))), List.of(row(1, "cold", noisy(17, 0.02))))
            .regression());
  }

  /** A shared machine is slow for minutes: rounds differ by more than the samples of one do. */
  @Test
  void aMachineThatIsSlowForAWhileIsNoRegression() throws IOException {
    double[][] steady = rounds(20, 1, 1, 1, 1, 1);
    double[][] disturbed = rounds(20, 1, 1.4, 1, 1.4, 1.4);
    assertEquals(
        Compare.Verdict.SLOWER,
        verdict(shuffled(steady), shuffled(disturbed)),
        "without an order it would be");
    assertEquals(
        Compare.Verdict.UNSURE,
        compare(List.of(row(1, "cold", steady)), List.of(row(1, "cold", disturbed)))
            .lines()
            .get(0)
            .verdict());
  }

  /** Slow from the first to the last round: only the same work in both runs tells. */
  @Test
  void whatTheMachineItselfLostIsNoRegression() throws IOException {
    double[][] before = rounds(20, 1, 1, 1, 1, 1);
    double[][] after = rounds(20, 1.3, 1.3, 1.3, 1.3, 1.3);
    Path a = file("a.json", 50, before);
    Compare.Result steady = Compare.files(a, file("b.json", 50, after), false);
    assertEquals(Compare.Verdict.SLOWER, steady.lines().get(0).verdict());
    Compare.Result slowed = Compare.files(a, file("b.json", 65, after), false);
    assertEquals(Compare.Verdict.UNSURE, slowed.lines().get(0).verdict());
    assertTrue(slowed.text().contains("The machine itself took 1."), slowed.text());
    double[][] worse = rounds(20, 1.6, 1.6, 1.6, 1.6, 1.6);
    Compare.Result both = Compare.files(a, file("b.json", 65, worse), false);
    assertEquals(Compare.Verdict.SLOWER, both.lines().get(0).verdict());
  }

  @Test
  void rowsThatAreMissingNewOrInError() throws IOException {
    Row one = row(1, "cold", noisy(20, 0.02));
    Row two = row(2, "cold", noisy(20, 0.02));
    Compare.Result missing = compare(List.of(one, two), List.of(one));
    assertTrue(missing.regression());
    assertEquals(Compare.Verdict.MISSING, missing.lines().get(1).verdict());
    assertTrue(missing.table().aligned(2).contains("rmsnorm T=2 bf16 cold  missing"));
    Compare.Result added = compare(List.of(one), List.of(one, two));
    assertFalse(added.regression());
    assertEquals(Compare.Verdict.NEW, added.lines().get(1).verdict());
    Row failed = Row.failed("rmsnorm", Map.of("T", 2), "bf16", "cold", "it is wrong");
    Compare.Result error = compare(List.of(one, two), List.of(one, failed));
    assertTrue(error.regression());
    assertEquals(Compare.Verdict.ERROR, error.lines().get(1).verdict());
  }

  private double[] shuffled(double[][] rounds) {
    var all = new ArrayList<Double>();
    Arrays.stream(new Samples(rounds).micros()).forEach(all::add);
    Collections.shuffle(all, random);
    return all.stream().mapToDouble(x -> x).toArray();
  }

  /** A machine that moved by less than would be seen takes its rows along: they are the same. */
  @Test
  void whatMovesAsTheMachineDoesIsTheSame() throws IOException {
    double[][] before = rounds(20, 1, 1, 1, 1, 1);
    double[][] after = rounds(20, 1.07, 1.07, 1.07, 1.07, 1.07);
    Path a = file("a.json", 50, before);
    assertEquals(
        Compare.Verdict.SLOWER,
        Compare.files(a, file("b.json", 50, after), false).lines().get(0).verdict());
    assertEquals(
        Compare.Verdict.SAME,
        Compare.files(a, file("b.json", 53.5, after), false).lines().get(0).verdict());
  }

  // ---- intervals and their borders ----

  private static Compare.Verdict verdict(double low, double high, double netLow, double netHigh) {
    return Compare.verdict(
        new Interval(low, Math.sqrt(low * high), high),
        new Interval(netLow, Math.sqrt(netLow * netHigh), netHigh));
  }

  @Test
  void theBordersOfAVerdictAreThese() {
    assertEquals(Compare.Verdict.SLOWER, verdict(1.051, 1.4, 1.051, 1.5));
    assertEquals(Compare.Verdict.UNSURE, verdict(1.049, 1.4, 1.051, 1.5), "not five parts of 100");
    assertEquals(Compare.Verdict.UNSURE, verdict(1.051, 1.4, 1.049, 1.5), "the machine did it");
    assertEquals(Compare.Verdict.FASTER, verdict(0.7, 0.952, 0.7, 0.952));
    assertEquals(Compare.Verdict.UNSURE, verdict(0.7, 0.953, 0.7, 0.952));
    assertEquals(Compare.Verdict.UNSURE, verdict(0.7, 0.952, 0.7, 0.953));
    assertEquals(Compare.Verdict.SAME, verdict(1.01, 1.05, 0.5, 2), "within five parts of 100");
    assertEquals(Compare.Verdict.UNSURE, verdict(1.01, 1.051, 0.5, 2));
    assertEquals(Compare.Verdict.SAME, verdict(0.953, 0.99, 0.5, 2));
    assertEquals(Compare.Verdict.UNSURE, verdict(0.952, 0.99, 0.5, 2));
    assertEquals(Compare.Verdict.SAME, verdict(0.95, 1.149, 0.5, 2), "a fifth would be seen");
    assertEquals(Compare.Verdict.UNSURE, verdict(0.95, 1.151, 0.5, 2));
    assertEquals(Compare.Verdict.SAME, verdict(1.02, 1.19, 0.95, 1.14), "the machine's own");
    assertEquals(
        Compare.Verdict.UNSURE, verdict(1.02, 1.21, 0.95, 1.14), "but no more than a fifth");
    assertEquals(Compare.Verdict.UNSURE, verdict(0, Double.POSITIVE_INFINITY, 0.9, 1.1));
  }

  @Test
  void theIntervalOfARatioIsTheseNumbers() throws IOException {
    double[] a = new double[100];
    for (int i = 0; i < 100; i++) {
      a[i] = 101 + i % 5 * 20 + i / 5; // 101 … 200: the median's interval is 135 … 166
    }
    double[] b = Arrays.stream(a).map(x -> 2 * x).toArray();
    Compare.Line line =
        compare(List.of(row(1, "cold", a)), List.of(row(1, "cold", b))).lines().get(0);
    assertEquals(150.5, line.before());
    assertEquals(301, line.after());
    double wide = Math.hypot(Math.log(150.5 / 135), Math.log(166 / 150.5));
    assertEquals(2 * Math.exp(-wide), line.low(), 1e-12);
    assertEquals(2 * Math.exp(wide), line.high(), 1e-12);
    assertEquals(1.7277, line.low(), 1e-4);
  }

  // ---- both kinds of error, on machines as they are ----

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

  private Map<Compare.Verdict, Integer> verdicts(
      double times, double drift, double busy, double idle, double factor) {
    var counts = new EnumMap<Compare.Verdict, Integer>(Compare.Verdict.class);
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
    Map<Compare.Verdict, Integer> equal = verdicts(1, drift, busy, idle, factor);
    Map<Compare.Verdict, Integer> slower = verdicts(1.3, drift, busy, idle, factor);
    Map<Compare.Verdict, Integer> faster = verdicts(1 / 1.3, drift, busy, idle, factor);
    String all = machine + ": " + equal + ", " + slower + ", " + faster;
    assertTrue(equal.getOrDefault(Compare.Verdict.SAME, 0) >= same, all);
    assertTrue(slower.getOrDefault(Compare.Verdict.SLOWER, 0) >= found, all);
    assertTrue(faster.getOrDefault(Compare.Verdict.FASTER, 0) >= found, all);
    int wrong =
        equal.getOrDefault(Compare.Verdict.SLOWER, 0)
            + equal.getOrDefault(Compare.Verdict.FASTER, 0)
            + slower.getOrDefault(Compare.Verdict.FASTER, 0)
            + faster.getOrDefault(Compare.Verdict.SLOWER, 0);
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

  // ---- counted work ----

  private static Row counted(long launches, long blocks, long read, long flops) {
    var work = new Work(launches, blocks, read, 4096, flops, 120, List.of("gemm"));
    return new Row(
        "gemm",
        Map.of("T", 40),
        "bf16",
        "counted",
        null,
        Double.NaN,
        1000,
        0,
        Double.NaN,
        "",
        0,
        null,
        work,
        null,
        null,
        null);
  }

  @Test
  void countersAreExactAndGrowthIsARegression() throws IOException {
    List<Row> base = List.of(counted(1, 30, 1_390_000, 63_000_000));
    Compare.Result same = compare(base, base);
    assertEquals(Compare.Verdict.SAME, same.lines().get(0).verdict());
    assertFalse(same.regression());
    for (Row grown :
        List.of(
            counted(2, 30, 1_390_000, 63_000_000),
            counted(1, 31, 1_390_000, 63_000_000),
            counted(1, 30, 1_390_001, 63_000_000),
            counted(1, 30, 1_390_000, 63_000_001),
            counted(1, 29, 1_390_001, 63_000_000))) {
      Compare.Result result = compare(base, List.of(grown));
      assertEquals(Compare.Verdict.GREW, result.lines().get(0).verdict(), result.text());
      assertTrue(result.regression());
    }
    Compare.Result less = compare(base, List.of(counted(1, 22, 1_390_000, 63_000_000)));
    assertEquals(Compare.Verdict.SHRANK, less.lines().get(0).verdict());
    assertFalse(less.regression());
    assertTrue(less.text().contains("shrank   blocks 30 -> 22"), less.text());
    assertTrue(
        String.valueOf(less.json()).contains("blocks={a=30, b=22}")
            || String.valueOf(less.json()).contains("blocks={b=22, a=30}"),
        less.json().toString());
    Row failed = Row.failed("gemm", Map.of("T", 40), "bf16", "counted", "it is wrong");
    assertEquals(Compare.Verdict.ERROR, compare(base, List.of(failed)).lines().get(0).verdict());
    assertEquals(Compare.Verdict.NEW, compare(List.of(failed), base).lines().get(0).verdict());
    assertEquals(Compare.Verdict.MISSING, compare(base, List.of()).lines().get(0).verdict());
  }

  // ---- what is no measurement ----

  private Path edited(String from, String to) throws IOException {
    var samples = new double[] {20.5, 21.5, 22.5};
    Path file = file("edited.json", MACHINE, List.of(row(1, "cold", samples)));
    String text = Files.readString(file);
    assertTrue(text.contains(from), text);
    return Files.writeString(file, text.replace(from, to));
  }

  @Test
  void samplesThatAreNoTimesAreRefused() throws IOException {
    Path good = file("good.json", MACHINE, List.of(row(1, "cold", noisy(20, 0.02))));
    for (String sample :
        List.of(
            "-1",
            "0",
            "0.0",
            "-0.0",
            "\"20.5\"",
            "\"NaN\"",
            "null",
            "true",
            "1e13",
            "[20.5]",
            "{}")) {
      String why = refused(good, edited("20.5", sample));
      assertTrue(why.contains("edited.json: rmsnorm T=1 bf16 cold: a sample is no time: "), why);
      assertEquals(why, refused(edited("20.5", sample), good), "on either side");
    }
    String all = "[[20.5,21.5,22.5]]";
    assertTrue(refused(good, edited(all, "[]")).endsWith("no samples"));
    assertTrue(refused(good, edited(all, "null")).endsWith("no samples"));
    assertTrue(refused(good, edited(all, "[[]]")).endsWith("a round without samples"));
    assertTrue(refused(good, edited(all, "[20.5]")).endsWith("a round without samples"));
    assertTrue(refused(good, edited("20.5", "NaN")).contains("is not JSON"), "Jackson's own");
    String why = refused(good, edited("samples_us", "samples_ms"));
    assertTrue(why.contains("samples_ms, and times are compared in microseconds"), why);
    why = refused(good, edited(all, "[[0.0205,0.0215,0.0225]]"));
    assertTrue(why.contains("of another unit than median_us, 21.5"), why);
    why = refused(good, edited("\"samples_us\":" + all + ",", ""));
    assertTrue(why.contains("neither samples_us nor work"), why);
  }

  @Test
  void countsThatAreNoneAreRefused() throws IOException {
    Path good = file("good.json", MACHINE, List.of(counted(1, 30, 100, 200)));
    for (String count : List.of("-1", "1.5", "\"30\"", "null", "99999999999999999999")) {
      Path bad = file("bad.json", MACHINE, List.of(counted(1, 30, 100, 200)));
      String text = Files.readString(bad);
      assertTrue(text.contains("\"blocks\":30"), text);
      Files.writeString(bad, text.replace("\"blocks\":30", "\"blocks\":" + count));
      String why = refused(good, bad);
      assertTrue(why.contains("work.blocks is no count: "), why);
    }
  }

  @Test
  void whatIsNoFileOfTheBenchIsRefused() throws Exception {
    Path good = file("good.json", MACHINE, List.of(row(1, "cold", noisy(20, 0.02))));
    for (String text :
        List.of(
            "",
            "[]",
            "{}",
            "null",
            "3",
            "{\"benchmarks\":[]}",
            "{\"benchmarks\":{},\"starling\":{}}")) {
      Path file = Files.writeString(dir.resolve("other.json"), text);
      String why = refused(good, file);
      assertTrue(why.contains("other.json: not a file that bench kernels wrote"), why);
    }
    Path twice = dir.resolve("twice.json");
    Files.writeString(twice, Files.readString(good) + Files.readString(good));
    assertTrue(refused(good, twice).contains("twice.json: is not JSON"));
    Path pipe = dir.resolve("pipe.json");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    assertTrue(refused(good, pipe).contains("pipe.json: is a pipe or a device"));
    assertTrue(refused(good, dir).contains("is a folder"));
    Path huge = dir.resolve("huge.json");
    try (var file = new RandomAccessFile(huge.toFile(), "rw")) {
      file.setLength(3L << 30);
    }
    assertTrue(refused(good, huge).contains("huge.json: is longer than the 64 MiB"));
  }

  /** On a terminal a key must do nothing; a program gets it as it is. */
  @Test
  void whatAKeySaysReachesATerminalHarmless() throws IOException {
    Path good = file("good.json", MACHINE, List.of(row(1, "cold", noisy(20, 0.02))));
    Path evil = dir.resolve("evil.json");
    Files.writeString(
        evil, Files.readString(good).replace("rmsnorm T=1", "\\u001b[2Jx\\u009b\\n\\u202e T=1"));
    Compare.Result result = Compare.files(evil, evil, false);
    assertTrue(
        result.text().contains("\\u001b[2Jx\\u009b\\u000a\\u202e T=1 bf16 cold"), result.text());
    assertTrue(result.text().chars().allMatch(c -> c == '\n' || !Character.isISOControl(c)));
    assertEquals("\u001b[2Jx\u009b\n\u202e T=1 bf16 cold", result.json().get(0).get("row"));
  }

  @Test
  void filesThatCannotBeComparedAreRefusedWithTheField() throws IOException {
    List<Row> rows = List.of(row(1, "cold", noisy(20, 0.02)));
    Path a = file("a.json", MACHINE, rows);
    var other = new LinkedHashMap<>(MACHINE);
    other.put("card", "Y");
    Path b = file("b.json", other, rows);
    assertTrue(refused(a, b).startsWith("card differs: 'X' in "));
    assertEquals(1, Compare.files(a, b, true).lines().size());
    Path warm = file("warm.json", MACHINE, List.of(row(1, "warm", noisy(20, 0.02))));
    assertTrue(refused(a, warm).startsWith("cache differs: [cold] in "));
    var f16 =
        new Row(
            "rmsnorm",
            Map.of("T", 1),
            "f16",
            "cold",
            new Samples(noisy(20, 0.02)),
            Double.NaN,
            1,
            0,
            1,
            "bytes",
            0,
            "",
            null,
            null,
            null,
            null);
    assertTrue(refused(a, file("f16.json", MACHINE, List.of(f16))).startsWith("dtype differs: "));
    Files.writeString(dir.resolve("text.json"), "{\"benchmarks\":");
    assertTrue(refused(a, dir.resolve("text.json")).contains("text.json: "));
    assertTrue(refused(a, dir.resolve("absent.json")).contains("absent.json"));
  }

  private static String refused(Path a, Path b) {
    String why = assertThrows(InputException.class, () -> Compare.files(a, b, false)).getMessage();
    assertEquals(1, why.lines().count());
    return why;
  }

  /** Keys come from files: each stays in its row, and none acts on a terminal. */
  @Test
  void aKeyIsOneLineThatDoesNotAct() throws IOException {
    String hostile = "cold\u001b[2J\nrmsnorm T=2 bf16 same\u202e";
    var rows = List.of(row(1, hostile, noisy(20, 0.01)));
    List<String> lines = compare(rows, rows).text().lines().toList();
    assertEquals(2, lines.size(), lines.toString());
    assertTrue(
        lines
            .get(1)
            .startsWith("rmsnorm T=1 bf16 cold\\u001b[2J\\u000armsnorm T=2 bf16 same\\u202e  "),
        lines.get(1));
    assertTrue(lines.get(1).indexOf("same ", 60) == lines.get(0).indexOf("verdict"));
  }
}
