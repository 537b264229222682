package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import starling.device.DType;

/** Verdicts on files as {@code bench kernels} writes them, with planted differences and noise. */
class CompareTest extends PlantedRuns {
  private Verdict verdict(double[] a, double[] b) throws IOException {
    return compare(List.of(row(1, CacheState.COLD, a)), List.of(row(1, CacheState.COLD, b)))
        .rows()
        .get(0)
        .verdict();
  }

  @Test
  void twoRunsOfOneBuildAreTheSame() throws IOException {
    for (double noise : new double[] {0.002, 0.02, 0.05}) {
      var a = new ArrayList<Row>();
      var b = new ArrayList<Row>();
      for (int i = 0; i < 300; i++) {
        a.add(row(i, CacheState.COLD, noisy(20, noise)));
        b.add(row(i, CacheState.COLD, noisy(20, noise)));
      }
      Comparison result = compare(a, b);
      long other = result.rows().stream().filter(l -> l.verdict() != Verdict.SAME).count();
      assertTrue(other < 3, other + " of 300 at noise " + noise);
    }
  }

  @Test
  void plantedDifferencesAreFound() throws IOException {
    assertEquals(Verdict.SLOWER, verdict(noisy(20, 0.02), noisy(23, 0.02)));
    assertEquals(Verdict.FASTER, verdict(noisy(20, 0.02), noisy(17, 0.02)));
    assertEquals(Verdict.UNSURE, verdict(noisy(20, 1), noisy(24, 1)));
    assertTrue(
        compare(
                List.of(row(1, CacheState.COLD, noisy(20, 0.02))),
                List.of(row(1, CacheState.COLD, noisy(23, 0.02))))
            .regression());
    assertFalse(
        compare(
                List.of(row(1, CacheState.COLD, noisy(20, 0.02))),
                List.of(row(1, CacheState.COLD, noisy(17, 0.02))))
            .regression());
  }

  /** A shared machine is slow for minutes: rounds differ by more than the samples of one do. */
  @Test
  void aMachineThatIsSlowForAWhileIsNoRegression() throws IOException {
    double[][] steady = rounds(20, 1, 1, 1, 1, 1);
    double[][] disturbed = rounds(20, 1, 1.4, 1, 1.4, 1.4);
    assertEquals(
        Verdict.SLOWER,
        verdict(shuffled(steady), shuffled(disturbed)),
        "without an order it would be");
    assertEquals(
        Verdict.UNSURE,
        compare(
                List.of(row(1, CacheState.COLD, steady)),
                List.of(row(1, CacheState.COLD, disturbed)))
            .rows()
            .get(0)
            .verdict());
  }

  /** Slow from the first to the last round: only the same work in both runs tells. */
  @Test
  void whatTheMachineItselfLostIsNoRegression() throws IOException {
    double[][] before = rounds(20, 1, 1, 1, 1, 1);
    double[][] after = rounds(20, 1.3, 1.3, 1.3, 1.3, 1.3);
    Path a = file("a.json", 50, before);
    Comparison steady = Compare.files(a, file("b.json", 50, after), false);
    assertEquals(Verdict.SLOWER, steady.rows().get(0).verdict());
    Comparison slowed = Compare.files(a, file("b.json", 65, after), false);
    assertEquals(Verdict.UNSURE, slowed.rows().get(0).verdict());
    assertTrue(slowed.text().contains("The machine itself took 1."), slowed.text());
    double[][] worse = rounds(20, 1.6, 1.6, 1.6, 1.6, 1.6);
    Comparison both = Compare.files(a, file("b.json", 65, worse), false);
    assertEquals(Verdict.SLOWER, both.rows().get(0).verdict());
  }

  @Test
  void rowsThatAreMissingNewOrInError() throws IOException {
    Row one = row(1, CacheState.COLD, noisy(20, 0.02));
    Row two = row(2, CacheState.COLD, noisy(20, 0.02));
    Comparison missing = compare(List.of(one, two), List.of(one));
    assertTrue(missing.regression());
    assertEquals(Verdict.MISSING, missing.rows().get(1).verdict());
    assertTrue(missing.table().aligned(2).contains("rmsnorm T=2 bf16 cold  missing"));
    Comparison added = compare(List.of(one), List.of(one, two));
    assertFalse(added.regression());
    assertEquals(Verdict.NEW, added.rows().get(1).verdict());
    Row failed = Row.failed("rmsnorm", Map.of("T", 2), DType.BF16, CacheState.COLD, "it is wrong");
    Comparison error = compare(List.of(one, two), List.of(one, failed));
    assertTrue(error.regression());
    assertEquals(Verdict.ERROR, error.rows().get(1).verdict());
  }

  /** A machine that moved by less than would be seen takes its rows along: they are the same. */
  @Test
  void whatMovesAsTheMachineDoesIsTheSame() throws IOException {
    double[][] before = rounds(20, 1, 1, 1, 1, 1);
    double[][] after = rounds(20, 1.07, 1.07, 1.07, 1.07, 1.07);
    Path a = file("a.json", 50, before);
    assertEquals(
        Verdict.SLOWER, Compare.files(a, file("b.json", 50, after), false).rows().get(0).verdict());
    assertEquals(
        Verdict.SAME, Compare.files(a, file("b.json", 53.5, after), false).rows().get(0).verdict());
  }

  // ---- counted work ----

  @Test
  void countersAreExactAndGrowthIsARegression() throws IOException {
    List<Row> base = List.of(counted(1, 30, 1_390_000, 63_000_000));
    Comparison same = compare(base, base);
    assertEquals(Verdict.SAME, same.rows().get(0).verdict());
    assertFalse(same.regression());
    for (Row grown :
        List.of(
            counted(2, 30, 1_390_000, 63_000_000),
            counted(1, 31, 1_390_000, 63_000_000),
            counted(1, 30, 1_390_001, 63_000_000),
            counted(1, 30, 1_390_000, 63_000_001),
            counted(1, 29, 1_390_001, 63_000_000))) {
      Comparison result = compare(base, List.of(grown));
      assertEquals(Verdict.GREW, result.rows().get(0).verdict(), result.text());
      assertTrue(result.regression());
    }
    Comparison less = compare(base, List.of(counted(1, 22, 1_390_000, 63_000_000)));
    assertEquals(Verdict.SHRANK, less.rows().get(0).verdict());
    assertFalse(less.regression());
    assertTrue(less.text().contains("shrank   blocks 30 -> 22"), less.text());
    assertTrue(
        String.valueOf(less.json()).contains("blocks={a=30, b=22}")
            || String.valueOf(less.json()).contains("blocks={b=22, a=30}"),
        less.json().toString());
    Row failed = Row.failed("gemm", Map.of("T", 40), DType.BF16, CacheState.COUNTED, "it is wrong");
    assertEquals(Verdict.ERROR, compare(base, List.of(failed)).rows().get(0).verdict());
    assertEquals(Verdict.NEW, compare(List.of(failed), base).rows().get(0).verdict());
    assertEquals(Verdict.MISSING, compare(base, List.of()).rows().get(0).verdict());
  }
}
