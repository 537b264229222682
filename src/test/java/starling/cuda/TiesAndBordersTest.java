package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.Philox;
import starling.device.Sampling;
import starling.device.SegmentTable;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Selection and sampling where candidates are equal or nearly so, on each device against the
 * definition: the same choice everywhere, to the last candidate.
 */
class TiesAndBordersTest {
  private static void on(String name, Consumer<Device> test) {
    if (!name.equals("cpu")) {
      Native.needsDevice();
    }
    try (Device device =
        name.equals("cpu") ? CpuDevice.open(2) : NativeDevice.open(Native.DEVICE)) {
      test.accept(device);
    }
  }

  private static Tensor floats(Device device, TensorArena arena, float[]... rows) {
    Tensor t = arena.alloc("floats", DType.F32, rows.length, rows[0].length);
    for (int r = 0; r < rows.length; r++) {
      device.upload(t.rows(r, r + 1), MemorySegment.ofArray(rows[r]));
    }
    return t;
  }

  private static Tensor whole(Device device, TensorArena arena, int value) {
    Tensor t = arena.alloc("whole", DType.I32, 1);
    device.upload(t, MemorySegment.ofArray(new int[] {value}));
    return t;
  }

  private static int[] read(Device device, Tensor t) {
    int[] values = new int[t.rows()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  /** The k best of the mean over {@code rows} query rows of one head. */
  private static int[] select(Device device, int rows, int k, float... sums) {
    try (TensorArena arena = device.arena("select")) {
      Tensor keep = arena.alloc("keep", DType.I32, k);
      Tensor score = arena.alloc("score", DType.F32, sums.length);
      Tensor nonFinite = whole(device, arena, 0);
      device.tokenSelect(keep, score, floats(device, arena, sums), rows, nonFinite);
      assertArrayEquals(new int[1], read(device, nonFinite));
      return read(device, keep);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "native"})
  void minusZeroIsNotBelowZero(String name) {
    on(
        name,
        device -> {
          // A quarter of the smallest number below zero is -0.
          float least = -Float.MIN_VALUE;
          assertEquals(Float.floatToRawIntBits(-0f), Float.floatToRawIntBits(least / 4));
          assertArrayEquals(new int[] {0}, select(device, 4, 1, least, 0));
          assertArrayEquals(new int[] {0}, select(device, 4, 1, 0, least));
          assertArrayEquals(new int[] {1, 2}, select(device, 4, 2, -1, least, 0, least, 0));
          assertArrayEquals(new int[] {0, 3}, select(device, 4, 2, least, 0, least, 1));
          // With one query row the number is below zero indeed.
          assertArrayEquals(new int[] {1}, select(device, 1, 1, least, 0));

          assertEquals(0, draw(device, new float[] {-0f, 0f}, Sampling.GREEDY, 0));
          assertEquals(0, draw(device, new float[] {0f, -0f}, Sampling.GREEDY, 0));
          var first = new Sampling(1, 1, 1, 3);
          for (int step = 0; step < 8; step++) {
            assertEquals(1, draw(device, new float[] {-1f, -0f, 0f}, first, step));
          }
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "native"})
  void equalScoresGoToTheLowestIndexAtEveryBorder(String name) {
    on(
        name,
        device -> {
          var random = new Random(11);
          for (int n : new int[] {1, 2, 31, 33, 64, 65, 576, 577}) {
            float[] sums = new float[n];
            for (int j = 0; j < n; j++) {
              sums[j] = random.nextInt(5) - 2;
            }
            for (int k : new int[] {1, (n + 1) / 2, Math.max(1, n - 1), n}) {
              int[] expected =
                  IntStream.range(0, n)
                      .boxed()
                      .sorted((a, b) -> Float.compare(sums[b], sums[a])) // stable
                      .limit(k)
                      .mapToInt(j -> j)
                      .sorted()
                      .toArray();
              assertArrayEquals(expected, select(device, 3, k, sums), n + " choose " + k);
            }
          }
        });
  }

  // ---- sampling ----

  private static int draw(Device device, float[] logits, Sampling sampling, int step) {
    try (TensorArena arena = device.arena("draw")) {
      Tensor id = whole(device, arena, -9);
      Tensor row = floats(device, arena, logits);
      var draws = SegmentTable.drawing(device, arena, step, sampling);
      device.sample(id, null, row, draws, whole(device, arena, 0));
      return read(device, id)[0];
    }
  }

  /** The definition, in whole masses of 2^-32 of the likeliest; {@code floor} plants a mistake. */
  private static int expected(float[] logits, Sampling s, int step, boolean floor) {
    Integer[] order = IntStream.range(0, logits.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, (a, b) -> Float.compare(logits[b] + 0f, logits[a] + 0f));
    int candidates = s.topK() > 0 ? Math.min(s.topK(), order.length) : order.length;
    long total = 0;
    long[] mass = new long[candidates];
    for (int i = 0; i < candidates; i++) {
      double share = ((double) logits[order[i]] - logits[order[0]]) / s.temperature();
      mass[i] = (long) (Math.exp(share) * 0x1p32);
      total += mass[i];
    }
    double reach = (double) s.topP() * total;
    long need = Math.max(1, (long) (floor ? Math.floor(reach) : Math.ceil(reach)));
    long nucleus = 0;
    for (int i = 0; nucleus < need; i++) {
      nucleus += mass[i];
    }
    int[] words = new int[4];
    Philox.block(s.seed(), step, 0, words);
    long uniform = (long) words[1] << 32 | Integer.toUnsignedLong(words[0]);
    long target = Math.unsignedMultiplyHigh(nucleus, uniform);
    int i = 0;
    for (long seen = mass[0]; seen <= target; seen += mass[i]) {
      i++;
    }
    return order[i];
  }

  /** Logits and a top-p whose share of all mass ends a fraction above the first {@code kept}. */
  private record Border(float[] logits, float topP, int kept) {}

  /**
   * Looks for one: the likeliest token, and five others of one smaller mass. Then a top-p that is
   * rounded down instead of up keeps a token less.
   */
  private static Border border() {
    for (int i = 1; i < 100_000; i++) {
      float behind = -i / 65536f;
      long other = (long) (Math.exp(behind) * 0x1p32);
      long total = (1L << 32) + 5 * other;
      for (int kept = 2; kept <= 5; kept++) {
        long edge = (1L << 32) + (kept - 1) * other;
        for (float p = Math.nextDown((float) ((double) edge / total)), n = 0;
            n < 3;
            p = Math.nextUp(p), n++) {
          double reach = (double) p * total;
          if (reach > edge && Math.floor(reach) == edge) {
            return new Border(new float[] {behind, behind, 0, behind, behind, behind}, p, kept);
          }
        }
      }
    }
    throw new AssertionError("no border found");
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "native"})
  void topPReachesItsShareAndNotOneUnitLess(String name) {
    on(
        name,
        device -> {
          Border border = border();
          int told = 0;
          for (int seed = 0; seed < 24; seed++) {
            var sampling = new Sampling(1, 0, border.topP(), seed);
            int right = expected(border.logits(), sampling, seed, false);
            int wrong = expected(border.logits(), sampling, seed, true);
            assertEquals(right, draw(device, border.logits(), sampling, seed), "seed " + seed);
            told += right != wrong ? 1 : 0;
          }
          assertTrue(told >= 3, "draws that rounding down would change: " + told);
        });
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu", "native"})
  void drawsFollowTheDefinitionAtTies(String name) {
    on(
        name,
        device -> {
          float[] tied = {1, 2, 2, 0, 2, 1, 1, 0};
          for (Sampling s :
              new Sampling[] {
                new Sampling(1, 2, 1, 5), // between three equals
                new Sampling(1, 4, 1, 5), // the first of the next three
                new Sampling(1, 0, 0.5f, 5),
                new Sampling(1, 5, 0.9f, 5),
                new Sampling(0.01f, 0, 1, 5),
                new Sampling(50, 0, 1e-6f, 5),
                new Sampling(50, 8, 1, 5),
                new Sampling(50, 9, 1, 5),
              }) {
            for (int step = 0; step < 12; step++) {
              assertEquals(
                  expected(tied, s, step, false), draw(device, tied, s, step), s + " at " + step);
            }
          }
          // Another step is another draw.
          var s = new Sampling(50, 0, 1, 5);
          int[] ids = IntStream.range(0, 12).map(i -> draw(device, tied, s, i)).toArray();
          assertNotEquals(1, IntStream.of(ids).distinct().count());
        });
  }
}
