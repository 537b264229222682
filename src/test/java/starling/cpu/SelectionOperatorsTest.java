package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Span;
import starling.device.Tensor;

/** Scores and what is kept by them, against their definitions. */
class SelectionOperatorsTest extends CpuOperators {
  private int[] select(Device device, float[] scores, int k) {
    Tensor keep = arena.alloc("keep", DType.I32, k);
    Tensor score = arena.alloc("score", DType.F32, scores.length);
    Tensor nonFinite = ints("nonFinite", 0);
    device.tokenSelect(keep, score, floats("sums", scores, 1, scores.length), 1, nonFinite);
    boolean finite = IntStream.range(0, scores.length).allMatch(i -> Float.isFinite(scores[i]));
    assertEquals(finite ? 0 : 1, ints(nonFinite)[0]);
    return ints(keep);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 63, 64, 65, 577, 2880, 16_384})
  void tokenSelectTakesTheBestTiesLowest(int n) {
    float[] ties = new float[n];
    float[] different = gaussians(n, 1);
    float[] few = new float[n];
    for (int i = 0; i < n; i++) {
      ties[i] = 0.25f;
      few[i] = random.nextInt(4) - 1.5f;
    }
    for (float[] scores : List.of(ties, different, few)) {
      for (int k : new int[] {1, n / 3 + 1, n}) {
        int[] expected = select(reference, scores, k);
        for (CpuDevice device : devices()) {
          assertTrue(Arrays.equals(expected, select(device, scores, k)));
        }
      }
    }
    assertTrue(Arrays.equals(IntStream.range(0, n).toArray(), select(vector, different, n)));
  }

  @Test
  void aScoreIsTheMeanOverHeadsAndRows() {
    for (CpuDevice device : devices()) {
      Tensor score = arena.alloc("score", DType.F32, 2);
      Tensor sums = floats("sums", new float[] {1, 2, 3, 4, 8, 18}, 3, 2);
      device.tokenSelect(arena.alloc("keep", DType.I32, 1), score, sums, 4, ints("nonFinite", 0));
      assertTrue(Arrays.equals(new float[] {1, 2}, floats(score)));
    }
  }

  @Test
  void aScoreIsTheMeanOverACandidatesSourcesToo() {
    for (Device device : List.of(reference, vector, scalar)) {
      Tensor score = arena.alloc("score", DType.F32, 2);
      Tensor keep = arena.alloc("keep", DType.I32, 1);
      Tensor sums = floats("sums", new float[] {1, 2, 3, 40, 50, 60, 4, 8, 18, 0, 6, 12}, 2, 6);
      device.tokenSelect(keep, score, sums, 2, ints("nonFinite", 0));
      assertTrue(Arrays.equals(new float[] {3, 14}, floats(score)));
      assertEquals(1, ints(keep)[0]);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4})
  void aSourceThatIsNotFiniteMakesItsCandidateTheLastOne(int sources) {
    float[] sums = new float[2 * 5 * sources];
    Arrays.fill(sums, -1);
    sums[5 * sources + 2 * sources + sources - 1] = Float.NaN; // the last source of candidate 2
    for (Device device : List.of(reference, vector, scalar)) {
      Tensor keep = arena.alloc("keep", DType.I32, 4);
      Tensor nonFinite = ints("nonFinite", 0);
      Tensor score = arena.alloc("score", DType.F32, 5);
      device.tokenSelect(keep, score, floats("sums", sums, 2, 5 * sources), 1, nonFinite);
      assertTrue(Arrays.equals(new int[] {0, 1, 3, 4}, ints(keep)));
      assertEquals(1, ints(nonFinite)[0]);
    }
  }

  @Test
  void tokenSelectNeverPrefersWhatIsNotFinite() {
    float[] scores = {Float.NaN, -5, Float.POSITIVE_INFINITY, 1, Float.NEGATIVE_INFINITY, -0f, 0f};
    assertTrue(Arrays.equals(new int[] {1, 3, 5, 6}, select(vector, scores, 4)));
    assertTrue(
        Arrays.equals(new int[] {3, 5}, select(vector, scores, 2)),
        "-0 and 0 tie, the lower index wins");
  }

  @Test
  void colsumSelectIsItsTwoParts() {
    var c = new Case(60, 0, 3, 3, 16, true, false);
    Kv kv = kv(c);
    Tensor q = gaussian("q", 60, 3, 16);
    Tensor out = like("out", q, 60, 3, 16);
    Tensor lse = like("lse", q, 3, 60);
    var in = new AttentionInputs(q, kv, Mask.CAUSAL, 0.25f);
    vector.attention(out, lse, in);
    Tensor index = ints("index", 0, 2, 3, 9, 20, 21);
    var keys = new Candidates(10, 6, index);
    var span = new Span(40, 60);
    for (int sources : new int[] {1, 2, 3}) {
      int n = 6 / sources;
      Tensor keep = arena.alloc("keep", DType.I32, 2);
      Tensor score = arena.alloc("score", DType.F32, n);
      Tensor flag = ints("nonFinite", 0);
      vector.colsumSelect(keep, score, in, lse, span, keys, flag);
      Tensor expectedKeep = arena.alloc("keep", DType.I32, 2);
      Tensor expected = arena.alloc("score", DType.F32, n);
      reference.colsumSelect(expectedKeep, expected, in, lse, span, keys, flag);
      assertNear(expected, score, EPS * 400);
      assertTrue(Arrays.equals(ints(expectedKeep), ints(keep)));
      Tensor sums = arena.alloc("sums", DType.F32, 3, 6);
      vector.attentionColsum(sums, in, lse, span, keys);
      Tensor apart = arena.alloc("score", DType.F32, n);
      vector.tokenSelect(keep, apart, sums, 20, flag);
      assertTrue(Arrays.equals(floats(apart), floats(score)), "to the bit");
      assertEquals(0, ints(flag)[0]);
    }
  }

  @Test
  void cosinesAreThoseOfEachTwoRows() {
    for (int n : new int[] {1, 7, 65}) {
      for (CpuDevice device : devices()) {
        Tensor x = gaussian("x", n, 48);
        Tensor expected = arena.alloc("expected", DType.F32, n, n);
        Tensor actual = like("actual", x, n, n);
        reference.cosines(expected, x, ints("nonFinite", 0));
        device.cosines(actual, x, ints("nonFinite", 0));
        assertNear(expected, actual, EPS * 48);
      }
    }
  }

  /** VisPruner's way through both operators. */
  @Test
  void duplicatesAreDroppedByTheirBookkeeping() {
    for (int n : new int[] {36, 101, 576}) {
      // Signs over 256 channels: every cosine is a multiple of 1/128, exact on both sides, with
      // many ties.
      float[] signs = new float[n * 256];
      for (int i = 0; i < signs.length; i++) {
        signs[i] = random.nextBoolean() ? 1 : -1;
      }
      Tensor features = floats("features", signs, n, 256);
      Tensor score = gaussian("score", n);
      Tensor right = arena.alloc("cosines", DType.F32, n, n);
      Tensor cosines = arena.alloc("cosines", DType.F32, n, n);
      reference.cosines(right, features, ints("nonFinite", 0));
      vector.cosines(cosines, features, ints("nonFinite", 0));
      assertTrue(Arrays.equals(floats(right), floats(cosines)));
      for (int keep : new int[] {5, 17, n / 2, n}) {
        for (int best : new int[] {0, keep / 2, keep}) {
          Tensor expected = arena.alloc("expected", DType.I32, keep);
          Tensor actual = arena.alloc("actual", DType.I32, keep);
          reference.dropDuplicates(expected, score, right, best);
          vector.dropDuplicates(actual, score, cosines, best);
          assertTrue(Arrays.equals(ints(expected), ints(actual)), "n " + n + " keep " + keep);
        }
      }
    }
  }

  @Test
  void ofTwoThatAreAlikeTheOneWithTheLowerScoreStaysOrGoesByItsPlace() {
    // Places by score: 2 0 1 3. Even places hold 2 and 1, odd ones 0 and 3; 1 is most like 3.
    float[] cosines = {1, 0, 0.5f, 0, 0, 1, 0, 0.9f, 0.5f, 0, 1, 0, 0, 0.9f, 0, 1};
    for (Device device : List.of(reference, vector)) {
      Tensor keep = arena.alloc("keep", DType.I32, 3);
      Tensor score = floats("score", new float[] {3, 2, 4, 1}, 4);
      device.dropDuplicates(keep, score, floats("cosines", cosines, 4, 4), 0);
      assertTrue(Arrays.equals(new int[] {0, 2, 3}, ints(keep)));
    }
  }

  @Test
  void whatIsNotFiniteIsLikeNothingAndNobodysFavourite() {
    float[] scores = gaussians(40, 1);
    float[] cosines = gaussians(40 * 40, 1);
    for (int i = 0; i < cosines.length; i += 7) {
      cosines[i] = new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}[i % 3];
    }
    Arrays.fill(cosines, 13 * 40, 14 * 40, Float.NaN);
    scores[5] = Float.NaN;
    scores[6] = Float.POSITIVE_INFINITY;
    Tensor score = floats("score", scores, 40);
    Tensor matrix = floats("cosines", cosines, 40, 40);
    for (int keep : new int[] {3, 20, 39}) {
      Tensor expected = arena.alloc("expected", DType.I32, keep);
      Tensor actual = arena.alloc("actual", DType.I32, keep);
      reference.dropDuplicates(expected, score, matrix, keep / 3);
      vector.dropDuplicates(actual, score, matrix, keep / 3);
      assertTrue(Arrays.equals(ints(expected), ints(actual)), "keep " + keep);
    }
  }

  @Test
  void aRowWithoutACosineSetsTheFlag() {
    for (Device device : List.of(reference, vector, scalar)) {
      for (float wrong : new float[] {0, Float.NaN, Float.POSITIVE_INFINITY}) {
        Tensor features = gaussian("features", 20, 8);
        Tensor nonFinite = ints("nonFinite", 0);
        Tensor cosines = arena.alloc("cosines", DType.F32, 20, 20);
        device.cosines(cosines, features, nonFinite);
        assertEquals(0, ints(nonFinite)[0]);
        for (int i = 0; i < 8; i++) {
          Rows.set(features, 7, i, wrong);
        }
        device.cosines(cosines, features, nonFinite);
        assertEquals(1, ints(nonFinite)[0]);
      }
    }
  }
}
