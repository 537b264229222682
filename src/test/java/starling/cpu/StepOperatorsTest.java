package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import starling.device.Activation;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.Philox;
import starling.device.PositionRule;
import starling.device.RowMapping;
import starling.device.Sampling;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/** Compaction and sampling, against their definitions; wrong use of memory. */
class StepOperatorsTest extends CpuOperators {
  // ---- compaction ----

  private static int[] marks(Tensor hidden) {
    int n = hidden.rows();
    byte[] bytes = new byte[n];
    MemorySegment.copy(hidden.memory(), ValueLayout.JAVA_BYTE, hidden.offset(), bytes, 0, n);
    return IntStream.range(0, n).map(i -> bytes[i]).toArray();
  }

  @Test
  void rowMapGatherAndHideAgreeWithTheirDefinitions() {
    var cuts = List.of(new Cut(3, 10, ints("keep", 0, 4, 9)), new Cut(13, 5, ints("keep", 2)));
    int[] positions = IntStream.range(0, 20).map(i -> 2 * i + 1).toArray();
    for (PositionRule rule : PositionRule.values()) {
      List<int[]> results = new ArrayList<>();
      for (Device device : List.of(reference, vector)) {
        Tensor rows = arena.alloc("rows", DType.I32, 9);
        Tensor out = arena.alloc("out", DType.I32, 9);
        Tensor sources = arena.alloc("sources", DType.I32, 9);
        device.rowMap(new RowMapping(rows, out, sources, ints("in", positions), cuts, rule));
        Tensor hidden = arena.alloc("hidden", DType.U8, 22);
        hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(1), (byte) 1);
        Tensor after = arena.alloc("after", DType.I32, 20);
        device.hideRows(hidden, after, ints("in", positions), cuts, rule);
        results.add(ints(rows));
        results.add(ints(out));
        results.add(ints(after));
        results.add(marks(hidden));
        results.add(ints(sources));
      }
      for (int i = 0; i < 5; i++) {
        assertTrue(
            Arrays.equals(results.get(i), results.get(i + 5)), "result " + i + " under " + rule);
      }
      assertTrue(Arrays.equals(new int[] {0, 1, 2, 3, 7, 12, 15, 18, 19}, results.get(0)));
      assertTrue(Arrays.equals(new int[] {0, 1, 2, 5, 6, 7, 8, 3, 4}, results.get(4)));
    }
    assertThrows(
        IllegalArgumentException.class,
        () ->
            vector.rowMap(
                new RowMapping(
                    arena.alloc("rows", DType.I32, 12),
                    arena.alloc("out", DType.I32, 12),
                    null,
                    ints("in", positions),
                    List.of(new Cut(3, 10, ints("keep", 4, 0))),
                    PositionRule.KEEP)));
  }

  /** Two crops whose rows lie in each other's lines, a separator behind every line. */
  @Test
  void cutsBetweenEachOthersCandidatesLeaveTheirOrder() {
    // Rows 2 … 13: A A B B | A A B B | then two more rows of text.
    var cuts =
        List.of(
            new Cut(4, 10, ints("keep", 1, 2), ints("candidates", 0, 1, 5, 6)),
            new Cut(2, 7, ints("keep", 0, 3), ints("candidates", 0, 1, 5, 6)));
    int[] three = new int[3 * 14];
    Arrays.setAll(three, i -> 100 * (i / 14) + 3 * (i % 14));
    for (Device device : List.of(reference, vector, scalar)) {
      Tensor in = arena.alloc("in", DType.I32, 3, 14);
      device.upload(in, MemorySegment.ofArray(three));
      Tensor rows = arena.alloc("rows", DType.I32, 10);
      Tensor sources = arena.alloc("sources", DType.I32, 10);
      Tensor wider = arena.alloc("out", DType.I32, 3, 12);
      Tensor out = wider.columns(1, 11);
      device.rowMap(new RowMapping(rows, out, sources, in, cuts, PositionRule.KEEP));
      int[] stay = {0, 1, 2, 5, 6, 8, 9, 11, 12, 13};
      assertTrue(Arrays.equals(stay, ints(rows)));
      assertTrue(Arrays.equals(new int[] {0, 1, 6, 7, 2, 8, 9, 3, 4, 5}, ints(sources)));
      for (int axis = 0; axis < 3; axis++) {
        for (int i = 0; i < 10; i++) {
          assertEquals(100 * axis + 3 * stay[i], out.memory().get(I32, out.offset(axis) + 4L * i));
        }
      }
      // Fixed rows and kept candidates side by side: gathered by `sources` they are in place.
      Tensor apart = ints("apart", 0, 1, 6, 11, 12, 13, 2, 5, 8, 9).split(1);
      Tensor together = arena.alloc("together", DType.I32, 10, 1);
      device.gatherRows(List.of(together), List.of(apart), sources);
      assertTrue(Arrays.equals(stay, ints(together)));

      device.rowMap(new RowMapping(rows, out, null, in, cuts, PositionRule.CONTIGUOUS));
      for (int axis = 0; axis < 3; axis++) {
        for (int i = 0; i < 10; i++) {
          assertEquals(i, out.memory().get(I32, out.offset(axis) + 4L * i));
        }
      }
      Tensor hidden = arena.alloc("hidden", DType.U8, 14);
      Tensor after = arena.alloc("after", DType.I32, 3, 14);
      device.hideRows(hidden, after, in, cuts, PositionRule.CONTIGUOUS);
      assertTrue(
          Arrays.equals(new int[] {0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0}, marks(hidden)));
      int[] ranks = {0, 1, 2, 9, 12, 3, 4, 21, 5, 6, 30, 7, 8, 9};
      for (int axis = 0; axis < 3; axis++) {
        for (int i = 0; i < 14; i++) {
          boolean dropped = i == 3 || i == 4 || i == 7 || i == 10;
          int expected = ranks[i] + (dropped ? 100 * axis : 0);
          assertEquals(expected, after.memory().get(I32, after.offset(axis) + 4L * i));
        }
      }
    }
  }

  @Test
  void rowsOfWholeNumbersAreGatheredLikeAnyOthers() {
    Tensor table = arena.alloc("table", DType.I32, 5, 4);
    vector.upload(table, MemorySegment.ofArray(IntStream.range(0, 20).toArray()));
    for (Device device : List.of(reference, vector)) {
      Tensor some = arena.alloc("some", DType.I32, 2, 4);
      device.gatherRows(List.of(some), List.of(table), ints("rows", 4, 1));
      int[] values = new int[8];
      device.download(MemorySegment.ofArray(values), some);
      assertTrue(Arrays.equals(new int[] {16, 17, 18, 19, 4, 5, 6, 7}, values));
    }
  }

  @Test
  void compactRowsMovesInPlaceAndCombineRowsWeighs() {
    Tensor k = gaussian("k", 9, 2, 8);
    Tensor v = gaussian("v", 9, 2, 8);
    float[] before = floats(k);
    float[] values = floats(v);
    vector.compactRows(List.of(new Kv(k, v, null)), ints("rows", 0, 2, 3, 8));
    assertTrue(Arrays.equals(Arrays.copyOfRange(before, 8 * 16, 9 * 16), floats(k.rows(3, 4))));
    assertTrue(Arrays.equals(Arrays.copyOfRange(before, 2 * 16, 3 * 16), floats(k.rows(1, 2))));
    assertTrue(Arrays.equals(Arrays.copyOfRange(values, 8 * 16, 9 * 16), floats(v.rows(3, 4))));
    Tensor in = gaussian("in", 6, 11);
    Tensor index = arena.alloc("index", DType.I32, 2, 3);
    vector.upload(index, MemorySegment.ofArray(new int[] {0, 5, 2, 1, 1, 3}));
    Tensor weight = gaussian("weight", 2, 3);
    Tensor expected = like("expected", in, 2, 11);
    Tensor out = like("out", in, 2, 11);
    reference.combineRows(expected, in, index, weight);
    vector.combineRows(out, in, index, weight);
    assertNear(expected, out, EPS * 64);
  }

  // ---- sampling ----

  private int sample(float[] logits, Sampling sampling, int step) {
    Tensor id = ints("id", -9);
    vector.sample(
        id,
        null,
        floats("logits", logits, 1, logits.length),
        SegmentTable.drawing(vector, arena, step, sampling),
        ints("nonFinite", 0));
    return ints(id)[0];
  }

  @Test
  void samplingIsGreedyWithTiesLowestOrDrawsBySeedAndStep() {
    float[] logits = {1, 3, 2, 3};
    assertEquals(1, sample(logits, Sampling.GREEDY, 0));
    assertEquals(-1, sample(new float[] {1, Float.NaN}, Sampling.GREEDY, 0));
    assertEquals(-1, sample(new float[] {1, Float.POSITIVE_INFINITY}, new Sampling(1, 0, 1, 0), 0));
    int[] counts = new int[4];
    for (int step = 0; step < 4000; step++) {
      counts[sample(logits, new Sampling(1, 0, 1, 5), step)]++;
    }
    double total = Math.exp(1) + 2 * Math.exp(3) + Math.exp(2);
    for (int v = 0; v < 4; v++) {
      double p = Math.exp(logits[v]) / total;
      // Four standard deviations of a binomial count.
      assertEquals(4000 * p, counts[v], 4 * Math.sqrt(4000 * p * (1 - p)));
    }
    for (int step = 0; step < 200; step++) {
      assertEquals(1, sample(logits, new Sampling(5, 1, 1, 5), step), "top-k 1 is greedy");
      assertEquals(
          1, sample(logits, new Sampling(1, 0, 0.3f, 5), step), "the largest alone has mass 0.3");
      int two = sample(logits, new Sampling(1, 2, 1, 5), step);
      assertTrue(two == 1 || two == 3);
    }
    for (int step = 0; step < 200; step++) {
      assertTrue(
          sample(new float[4], new Sampling(1, 0, 0.5f, 5), step) < 2,
          "two of four reach mass 0.5");
    }
    Tensor id = ints("id", 0);
    vector.sample(
        id,
        null,
        floats("logits", logits, 1, 4),
        SegmentTable.drawing(vector, arena, 0, Sampling.GREEDY),
        ints("nonFinite", 1));
    assertEquals(-1, ints(id)[0]);
  }

  /** Divided above zero and multiplied below; what is drawn counts from then on. */
  @Test
  void aTokenThatWasThereBeforeIsLessLikely() {
    var twice = Sampling.GREEDY.penalizing(2);
    float[] above = new float[70];
    Arrays.fill(above, -9);
    above[3] = 4;
    above[40] = 3;
    above[69] = 2;
    float[] first = above.clone();
    first[0] = 5;
    float[] below = new float[70];
    Arrays.fill(below, -9);
    below[3] = -1;
    below[40] = -1.5f;
    for (Device device : List.of(reference, vector, scalar)) {
      assertEquals(List.of(3, 40, 3, 3), greedy(device, above, twice, 9));
      assertEquals(List.of(0, 3, 40, 0), greedy(device, first, twice, 9), "token 0 counts, too");
      assertEquals(List.of(40, 3, 3, 3), greedy(device, below, twice, 3));
      assertEquals(
          List.of(3, 3, 3, 3), greedy(device, above, Sampling.GREEDY, 3), "without a penalty");
    }
  }

  /** Four tokens from the same logits, where {@code first} was there before. */
  private List<Integer> greedy(Device device, float[] logits, Sampling sampling, int first) {
    int[] before = {0, 0, 0};
    before[first / 32] |= 1 << first % 32;
    Tensor seen = arena.alloc("seen", DType.I32, 1, 3);
    device.upload(seen, MemorySegment.ofArray(before));
    var drawn = new ArrayList<Integer>();
    for (int step = 0; step < 4; step++) {
      Tensor id = ints("id", -9);
      Segments segments = SegmentTable.drawing(vector, arena, step, sampling);
      device.sample(id, seen, floats("l", logits, 1, 70), segments, ints("nonFinite", 0));
      drawn.add(ints(id)[0]);
      before[drawn.getLast() / 32] |= 1 << drawn.getLast() % 32;
      int[] after = new int[3];
      vector.download(MemorySegment.ofArray(after), seen);
      assertArrayEquals(before, after, "what was there");
    }
    Tensor id = ints("id", -9);
    Segments segments = SegmentTable.drawing(vector, arena, 0, sampling);
    device.sample(id, seen, floats("l", logits, 1, 70), segments, ints("nonFinite", 1));
    int[] after = new int[3];
    vector.download(MemorySegment.ofArray(after), seen);
    assertArrayEquals(before, after, "a fault draws nothing");
    return drawn;
  }

  // ---- memory and arguments ----

  @Test
  void useAfterCloseNamesTheTensorAndClosingTwiceIsHarmless() {
    TensorArena other = vector.arena("other");
    Tensor x = other.alloc("rows of x", DType.F32, 2, 8);
    other.close();
    other.close();
    var norm = new Norm(gaussian("w", 8), null, 1e-5f);
    String message =
        assertThrows(IllegalStateException.class, () -> vector.rmsnorm(x, x, norm)).getMessage();
    assertTrue(message.contains("rows of x") && message.contains("other"), message);
    vector.close();
    vector.close();
    assertThrows(IllegalStateException.class, () -> vector.arena("late"));
  }

  @Test
  void wrongArgumentsAreNamedWithWhatWasExpected() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    vector.rmsnorm(
                        gaussian("y", 2, 8),
                        gaussian("x", 2, 9),
                        new Norm(gaussian("w", 9), null, 1)))
            .getMessage();
    assertEquals("out: y is F32[2, 8], expected a float type[2, 9] (negative: any)", message);
  }

  @Test
  void weightsStayMappedAtAnyAlignment() {
    try (var foreign = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment memory = foreign.allocate(1 + 4L * 70, 64).asSlice(1);
      for (int i = 0; i < 70; i++) {
        memory.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i, i % 5 - 2);
      }
      long before = arena.bytes();
      Linear w =
          vector.linear(
              arena,
              DType.F32,
              Linear.Source.of(new StoredTensor("w", DType.F32, List.of(7, 10), memory), null));
      assertEquals(before, arena.bytes(), "nothing is copied");
      Tensor x = whole("x", 8, 10);
      Tensor y = like("y", x, 8, 7);
      vector.gemm(y, x, w, null, Activation.NONE, null);
      Tensor expected = like("expected", x, 8, 7);
      reference.gemm(
          expected,
          x,
          reference.linear(
              arena,
              DType.F32,
              Linear.Source.of(new StoredTensor("w", DType.F32, List.of(7, 10), memory), null)),
          null,
          Activation.NONE,
          null);
      assertNear(expected, y, 0);

      // Narrow weights are widened in registers: nothing is copied for a f32 run either.
      MemorySegment narrow = foreign.allocate(1 + 2L * 70, 64).asSlice(1);
      for (int i = 0; i < 70; i++) {
        narrow.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i, DType.bf16(i % 5 - 2));
      }
      before = arena.bytes();
      Linear half =
          vector.linear(
              arena,
              DType.F32,
              new Linear.Source(
                  List.of(new StoredTensor("w", DType.BF16, List.of(7, 10), narrow)),
                  Collections.singletonList(null),
                  0,
                  0));
      assertEquals(before, arena.bytes(), "nothing is copied");
      vector.gemm(y, x, half, null, Activation.NONE, null);
      assertNear(expected, y, 0);
    }
  }

  /** Top-k, top-p and temperature once more, in plain doubles, for seeds of more than 32 bits. */
  private static int drawn(float[] logits, Sampling by, int step) {
    Integer[] order = IntStream.range(0, logits.length).boxed().toArray(Integer[]::new);
    Arrays.sort(order, (a, b) -> Float.compare(logits[b], logits[a]));
    int candidates = by.topK() > 0 ? by.topK() : logits.length;
    double[] mass = new double[candidates];
    for (int i = 0; i < candidates; i++) {
      mass[i] = Math.exp((logits[order[i]] - logits[order[0]]) / (double) by.temperature());
    }
    double need = by.topP() * Arrays.stream(mass).sum();
    double nucleus = 0;
    for (int i = 0; i < candidates && nucleus < need; i++) {
      nucleus += mass[i];
    }
    int[] words = new int[4];
    Philox.block(by.seed(), step, 0, words);
    double uniform =
        (Integer.toUnsignedLong(words[1]) + Integer.toUnsignedLong(words[0]) * 0x1p-32) * 0x1p-32;
    double seen = mass[0];
    int i = 0;
    while (seen <= uniform * nucleus) {
      seen += mass[++i];
    }
    return order[i];
  }

  @Test
  void drawsFollowTheirDefinitionAtEveryTemperatureAndSeed() {
    for (int n : new int[] {5, 40, 7}) {
      float[] logits = new float[n];
      for (int i = 0; i < n; i++) {
        logits[i] = 60 + 2 * (float) random.nextGaussian();
      }
      for (long seed : new long[] {3, 3 | 5L << 32, -77}) {
        for (float temperature : new float[] {0.4f, 1, 3}) {
          for (int topK : new int[] {0, 3}) {
            var by = new Sampling(temperature, topK, topK == 0 ? 0.9f : 1, seed);
            for (int step = 0; step < 12; step++) {
              assertEquals(drawn(logits, by, step), sample(logits, by, step), by + " " + step);
            }
          }
        }
      }
    }
  }

  @Test
  void zerosOfEitherSignRankAlike() {
    assertEquals(TokenSelect.rankKey(0f), TokenSelect.rankKey(-0f));
    assertTrue(TokenSelect.rankKey(1) < TokenSelect.rankKey(0.5f), "the best comes first");
  }

  /** Segments that are idle draw nothing, whoever stands before them. */
  @Test
  void everySegmentDrawsForItself() {
    Tensor ids = ints("ids", -9, -9, -9);
    var segments =
        SegmentTable.of(
            vector, arena, Segment.of(0, 1, 0, 1), Segment.idle(), Segment.of(2, 1, 0, 1));
    float[] logits = {1, 2, 0, 9, 0, 0, 0, 0, 5};
    vector.sample(ids, null, floats("logits", logits, 3, 3), segments, ints("nonFinite", 0, 0, 0));
    assertTrue(Arrays.equals(new int[] {1, -9, 2}, ints(ids)));
  }
}
