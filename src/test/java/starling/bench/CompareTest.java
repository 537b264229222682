package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.device.InputException;

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
        verdict(new Samples(steady).micros(), new Samples(disturbed).micros()),
        "without rounds it would be");
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

  @Test
  void aZeroThatBecamePositiveIsARegression() throws IOException {
    assertEquals(Compare.Verdict.SLOWER, verdict(new double[20], noisy(1, 0.1)));
    assertEquals(Compare.Verdict.SAME, verdict(new double[20], new double[20]));
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
    Row f16 =
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
            null,
            null,
            null,
            null);
    assertTrue(refused(a, file("f16.json", MACHINE, List.of(f16))).startsWith("dtype differs: "));
    java.nio.file.Files.writeString(dir.resolve("text.json"), "{\"benchmarks\":");
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
