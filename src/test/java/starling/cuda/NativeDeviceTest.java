package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.cpu.CpuDevice;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Device;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Norm;
import starling.device.PositionRule;
import starling.device.ProductRows;
import starling.device.Rope;
import starling.device.RowMapping;
import starling.device.Sampling;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.Span;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Every operator through the Java bindings beside the cpu device, on the same inputs: that the
 * right argument reaches the right parameter. The kernels themselves are tested by native/test.
 */
class NativeDeviceTest {
  private NativeDevice nativeDevice;
  private CpuDevice cpu;
  private Random random;

  @BeforeEach
  void open() {
    Native.needsDevice();
    nativeDevice = NativeDevice.open(Native.DEVICE);
    cpu = CpuDevice.open(2);
    random = new Random(5);
  }

  @AfterEach
  void close() {
    if (nativeDevice != null) {
      nativeDevice.close();
      cpu.close();
    }
  }

  private interface Operator {
    List<Tensor> run(Side side);
  }

  /** The outputs of both devices agree: whole numbers exactly, floats within {@code bound}. */
  private void agree(double bound, Operator operator) {
    long seed = random.nextLong();
    try (TensorArena a = cpu.arena("cpu");
        TensorArena b = nativeDevice.arena("native")) {
      List<Tensor> expected = operator.run(new Side(cpu, a, new Random(seed)));
      List<Tensor> actual = operator.run(new Side(nativeDevice, b, new Random(seed)));
      for (int i = 0; i < expected.size(); i++) {
        Tensor e = expected.get(i);
        if (e.dtype() == DType.I32) {
          assertArrayEquals(ints(cpu, e), ints(nativeDevice, actual.get(i)), e.name());
        } else if (e.dtype() == DType.U8) {
          assertArrayEquals(bytes(cpu, e), bytes(nativeDevice, actual.get(i)), e.name());
        } else {
          float[] x = Floats.of(cpu, e);
          float[] y = Floats.of(nativeDevice, actual.get(i));
          for (int j = 0; j < x.length; j++) {
            double limit = bound * (1 + Math.abs(x[j]));
            int at = j;
            assertTrue(
                Math.abs(x[j] - y[j]) <= limit,
                () -> e.name() + "[" + at + "] is " + y[at] + ", not " + x[at]);
          }
        }
      }
    }
  }

  private static int[] ints(Device device, Tensor t) {
    int[] values = new int[t.rows() * t.width()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  private static byte[] bytes(Device device, Tensor t) {
    byte[] values = new byte[t.rows()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  /**
   * Each device rounds a result once, by half a unit (2^-9 of the value in bf16), and a chain of
   * operators carries a few such roundings on; f32 results are sums of at most some hundred terms.
   */
  private static double bound(DType dtype) {
    return dtype == DType.F32 ? 2e-5 : dtype == DType.BF16 ? 0x1p-6 : 0x1p-9;
  }

  static final List<DType> FLOATS = List.of(DType.F32, DType.BF16, DType.F16);

  @ParameterizedTest
  @EnumSource(Activation.class)
  void gemm(Activation activation) {
    for (DType dtype : FLOATS) {
      for (int rows : new int[] {1, 3, 40}) {
        agree(
            4 * bound(dtype),
            s -> {
              int wide = activation == Activation.SILU_MUL ? 2 * 50 : 50;
              StoredTensor w = s.stored("w", 0.15f, wide, 44);
              StoredTensor b = s.stored("b", 1, wide);
              Linear linear = s.device().linear(s.arena(), dtype, Linear.Source.of(w, b));
              Tensor x = s.floats("x", dtype, rows, 44);
              Tensor y = s.room("y", dtype, rows, 50);
              Tensor y32 = s.room("y32", DType.F32, rows, 50);
              Norm rms = new Norm(s.floats("weight", dtype, 44), null, 1e-5f);
              Norm layer = new Norm(rms.weight(), s.floats("bias", dtype, 44), 1e-5f);
              s.device()
                  .gemm(
                      y,
                      x,
                      linear,
                      rows == 3 ? rms : null,
                      activation,
                      s.floats("residual", dtype, rows, 50));
              s.device().gemm(y32, x, linear, rows == 3 ? layer : null, activation, null);
              return List.of(y, y32);
            });
      }
    }
  }

  /** Statistics that one product leaves are known to the next; rows are picked in between. */
  @Test
  void rowsThatCarryTheirStatistics() {
    for (DType dtype : FLOATS) {
      for (int rows : new int[] {3, 16, 40}) {
        for (int width : new int[] {96, 72}) {
          agree(8 * bound(dtype), s -> chain(s, dtype, rows, width));
        }
      }
    }
  }

  private static List<Tensor> chain(Side s, DType dtype, int rows, int width) {
    Tensor x = s.floats("x", dtype, 50, 48);
    Tensor residual = s.floats("residual", dtype, 50, width);
    Linear first = s.linear(dtype, width, 48);
    Linear second = s.linear(dtype, 40, width);
    Tensor entering = s.room("entering", DType.F32, 50, 2 * 3);
    s.device().rowStatistics(entering, x);
    int[] picked = IntStream.range(0, rows).map(i -> (7 * i + 3) % 50).toArray();
    Tensor index = s.ints("rows", picked);
    Tensor y = s.room("y", dtype, rows, width);
    Tensor left = s.room("left", DType.F32, rows, 2 * ProductRows.parts(rows, width));
    s.device()
        .gemm(y, x, first, null, Activation.NONE, residual, new ProductRows(null, index, left));
    Norm layer = new Norm(s.floats("w", dtype, width), s.floats("b", dtype, width), 1e-5f);
    Norm rms = new Norm(layer.weight(), null, 1e-5f);
    Tensor a = s.room("behind a layer norm", dtype, rows, 40);
    Tensor b = s.room("behind an RMS norm", dtype, rows, 40);
    var knowing = ProductRows.knowing(left);
    s.device().gemm(a, y, second, layer, Activation.NONE, null, knowing);
    s.device().gemm(b, y, second, rms, Activation.QUICK_GELU, null, knowing);
    return List.of(entering, y, left, a, b);
  }

  @Test
  void attentionInAStep() {
    for (DType dtype : FLOATS) {
      for (int[] of : new int[][] {{1, 1}, {2, 3}, {4, 4}}) { // segments, rows of each
        agree(8 * bound(dtype), s -> step(s, dtype, of[0], of[1]));
      }
    }
  }

  private static List<Tensor> step(Side s, DType dtype, int count, int each) {
    int d = 32;
    int rows = count * each;
    int capacity = 20;
    var list = new ArrayList<Segment>();
    for (int i = 0; i < count; i++) {
      int past = 5 + 3 * i;
      list.add(
          Segment.of(i * each, each, i * capacity, capacity)
              .behind(past)
              .standing(past + 1, past + 1, past + 1));
    }
    Segments segments = SegmentTable.of(s.device(), s.arena(), list.toArray(new Segment[0]));
    Tensor k = s.floats("k", dtype, count * capacity, 2 * d).split(2, d);
    Tensor v = s.floats("v", dtype, count * capacity, 2 * d).split(2, d);
    var in =
        new AttentionInputs(
            s.room("q", dtype, rows, 4, d), new Kv(k, v, segments), Mask.CAUSAL, 0.2f);
    var table = new Rope(s.floats("cos", DType.F32, 60, 16), s.floats("sin", DType.F32, 60, 16));
    Tensor y = s.floats("y", dtype, rows, 96);
    Tensor statistics = s.room("statistics", DType.F32, rows, 2 * 6);
    s.device()
        .stepAttention(
            y,
            statistics,
            s.floats("qkv", dtype, rows, 8 * d),
            in,
            table,
            s.room("attended", dtype, rows, 4 * d),
            s.linear(dtype, 96, 4 * d),
            y);
    return List.of(y, statistics, k, v);
  }

  @Test
  void rowsAndNorms() {
    for (DType dtype : FLOATS) {
      agree(
          bound(dtype),
          s -> {
            Tensor x = s.floats("x", dtype, 9, 40);
            Norm layer = new Norm(s.floats("w", dtype, 40), s.floats("b", dtype, 40), 1e-5f);
            Norm rms = new Norm(layer.weight(), null, 1e-5f);
            Tensor a = s.room("layernorm", dtype, 9, 40);
            Tensor b = s.room("rmsnorm", dtype, 9, 40);
            s.device().layernorm(a, x, layer);
            s.device().rmsnorm(b, x, rms);
            Tensor patches = s.room("patches", dtype, 6, 48);
            Tensor pixels = s.room("pixels", DType.F32, 3, 9, 13);
            float[] values = new float[3 * 9 * 13];
            for (int i = 0; i < values.length; i++) {
              values[i] = i;
            }
            s.device().upload(pixels, MemorySegment.ofArray(values));
            s.device().patchify(patches, pixels, 4);
            Tensor rows = s.room("embed", dtype, 3, 40);
            s.device().embed(rows, s.ints("ids", 8, 0, 3), x);
            Tensor combined = s.room("combined", dtype, 2, 40);
            Tensor index = s.room("index", DType.I32, 2, 3);
            s.device().upload(index, MemorySegment.ofArray(new int[] {0, 5, 2, 1, 1, 3}));
            s.device().combineRows(combined, x, index, s.floats("shares", DType.F32, 2, 3));
            Segments counters =
                SegmentTable.of(
                    s.device(),
                    s.arena(),
                    Segment.of(0, 1, 0, 9).behind(4).standing(1, 2, 3).drawing(7, Sampling.GREEDY),
                    Segment.of(0, 1, 0, 9));
            s.device().advance(counters);
            s.device().advance(counters.only(1));
            return List.of(a, b, patches, rows, combined, counters.table());
          });
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {32, 80})
  void attentionColumnSumsAndSelection(int d) {
    for (DType dtype : FLOATS) {
      for (int rows : new int[] {2, 70}) {
        agree(
            2 * bound(dtype),
            s -> {
              int past = 5;
              Tensor q = s.room("q", dtype, rows, 4, d);
              Tensor cacheK = s.floats("k", dtype, rows + past + 3, 2 * d).split(2, d);
              Tensor cacheV = s.floats("v", dtype, rows + past + 3, 2 * d).split(2, d);
              var segments = SegmentTable.one(s.device(), s.arena(), rows, past, rows + past + 3);
              var kv = new Kv(cacheK, cacheV, segments);
              Tensor qkv = s.floats("qkv", dtype, rows, 8 * d);
              int[] positions = IntStream.range(0, rows).map(i -> 2 * i + 3).toArray();
              var table =
                  new Rope(
                      s.floats("cos", DType.F32, 200, 10), s.floats("sin", DType.F32, 200, 10));
              s.device().rope(q, kv, qkv, s.ints("positions", positions), table);
              Tensor hidden = s.room("hidden", DType.U8, rows + past + 3);
              byte[] marks = new byte[hidden.rows()];
              marks[3] = 1;
              marks[6] = 1;
              s.device().upload(hidden, MemorySegment.ofArray(marks));
              var mask = new Mask(true, hidden);
              Tensor out = s.room("out", dtype, rows, 4, d);
              Tensor lse = s.room("lse", DType.F32, 4, rows);
              s.device().attention(out, lse, new AttentionInputs(q, kv, mask, 0.11f));
              Tensor sums = s.room("sums", DType.F32, 4, rows);
              var span = new Span(1, rows);
              s.device()
                  .attentionColsum(
                      sums,
                      new AttentionInputs(q, kv, mask, 0.11f),
                      lse,
                      span,
                      new Candidates(2, rows, null));
              Tensor keep = s.room("keep", DType.I32, 2);
              Tensor score = s.room("score", DType.F32, rows);
              Tensor nonFinite = s.ints("nonFinite", 0);
              s.device().tokenSelect(keep, score, sums, rows - 1, nonFinite);
              Tensor keep2 = s.room("keep2", DType.I32, 1);
              Tensor score2 = s.room("score2", DType.F32, 2);
              var listed = new Candidates(1, 2, s.ints("index", 0, 4));
              var in = new AttentionInputs(q, kv, mask, 0.11f);
              s.device().colsumSelect(keep2, score2, in, lse, span, listed, nonFinite);
              Tensor keep3 = s.room("keep3", DType.I32, 1);
              Tensor score3 = s.room("score3", DType.F32, 1);
              s.device().colsumSelect(keep3, score3, in, lse, span, listed, nonFinite);
              return List.of(
                  q, kv.k(), kv.v(), out, lse, sums, keep, score, keep2, score2, score3, nonFinite);
            });
      }
    }
  }

  @Test
  void cutsGathersAndCaches() {
    for (PositionRule rule : PositionRule.values()) {
      agree(
          0,
          s -> {
            var cuts =
                List.of(new Cut(3, 10, s.ints("keep", 0, 4, 9)), new Cut(13, 5, s.ints("keep", 2)));
            int[] positions = IntStream.range(0, 20).map(i -> 2 * i + 1).toArray();
            Tensor rows = s.room("rows", DType.I32, 9);
            Tensor out = s.room("positions", DType.I32, 9);
            Tensor sources = s.room("sources", DType.I32, 9);
            s.device()
                .rowMap(new RowMapping(rows, out, sources, s.ints("in", positions), cuts, rule));
            Tensor hidden = s.room("hidden", DType.U8, 22);
            Tensor after = s.room("after", DType.I32, 20);
            s.device().hideRows(hidden, after, s.ints("in", positions), cuts, rule);
            Tensor a = s.floats("a", DType.BF16, 20, 33);
            Tensor b = s.floats("b", DType.F32, 20, 8);
            Tensor toA = s.room("a'", DType.BF16, 9, 33);
            Tensor toB = s.room("b'", DType.F32, 9, 8);
            s.device().gatherRows(List.of(toA, toB), List.of(a, b), rows);
            var caches = new ArrayList<Kv>();
            for (int l = 0; l < 3; l++) {
              caches.add(
                  new Kv(
                      s.floats("k", DType.F16, 20 + l, 64).split(2, 32),
                      s.floats("v", DType.F16, 20 + l, 64).split(2, 32),
                      null));
            }
            s.device().compactRows(caches, rows);
            return List.of(
                rows, out, sources, hidden, after, toA, toB, caches.get(0).k(), caches.get(2).v());
          });
    }
  }

  @Test
  void cutsBetweenEachOthersCandidatesOnThreeAxes() {
    for (PositionRule rule : PositionRule.values()) {
      agree(
          0,
          s -> {
            var cuts =
                List.of(
                    new Cut(4, 10, s.ints("keep", 1, 2), s.ints("candidates", 0, 1, 5, 6)),
                    new Cut(2, 7, s.ints("keep", 0, 3), s.ints("candidates", 0, 1, 5, 6)),
                    new Cut(300, 900, s.ints("keep", 0, 899)));
            Tensor in = s.room("in", DType.I32, 3, 1300);
            int[] positions = IntStream.range(0, 3 * 1300).map(i -> 7 * i).toArray();
            s.device().upload(in, MemorySegment.ofArray(positions));
            int stay = 1300 - 4 - 898;
            Tensor rows = s.room("rows", DType.I32, stay);
            Tensor out = s.room("positions", DType.I32, 3, stay);
            Tensor sources = s.room("sources", DType.I32, stay);
            s.device().rowMap(new RowMapping(rows, out, sources, in, cuts, rule));
            Tensor hidden = s.room("hidden", DType.U8, 1300);
            byte[] before = new byte[1300];
            before[9] = 1;
            s.device().upload(hidden, MemorySegment.ofArray(before));
            Tensor after = s.room("after", DType.I32, 3, 1300);
            s.device().hideRows(hidden, after, in, cuts, rule);
            Tensor table = s.room("table", DType.I32, stay, 4);
            s.device().upload(table, MemorySegment.ofArray(IntStream.range(0, 4 * stay).toArray()));
            Tensor gathered = s.room("gathered", DType.I32, stay, 4);
            s.device().gatherRows(List.of(gathered), List.of(table), sources);
            return List.of(rows, out, sources, hidden, after, gathered);
          });
    }
  }

  /** Whole numbers: the sums are exact on both sides, so the scores are too. */
  @Test
  void scoresOfCandidatesWithSeveralSources() {
    for (int sources : new int[] {1, 3, 4, 9}) {
      agree(
          0,
          s -> {
            Tensor sums = s.room("sums", DType.F32, 3, 70 * sources);
            float[] values = new float[3 * 70 * sources];
            for (int i = 0; i < values.length; i++) {
              values[i] = s.random().nextInt(50);
            }
            s.device().upload(sums, MemorySegment.ofArray(values));
            Tensor keep = s.room("keep", DType.I32, 17);
            Tensor score = s.room("score", DType.F32, 70);
            Tensor nonFinite = s.ints("nonFinite", 0);
            s.device().tokenSelect(keep, score, sums, 5, nonFinite);
            return List.of(keep, score, nonFinite);
          });
    }
  }

  /** Whole numbers: the Gram matrix is exact on both sides, so the choice is too. */
  @Test
  void duplicatesByAnIdenticalGramMatrix() {
    for (int n : new int[] {36, 576}) {
      agree(
          0,
          s -> {
            float[] values = new float[n * 128];
            for (int i = 0; i < values.length; i++) {
              values[i] = s.random().nextInt(7) - 3;
            }
            Tensor features =
                s.device()
                    .table(s.arena(), DType.BF16, StoredTensor.of("f", List.of(n, 128), values));
            Tensor score = s.room("score", DType.F32, n);
            float[] scores = new float[n];
            for (int i = 0; i < n; i++) {
              scores[i] = s.random().nextFloat();
            }
            s.device().upload(score, MemorySegment.ofArray(scores));
            Tensor keep = s.room("keep", DType.I32, n / 10);
            Tensor nonFinite = s.ints("nonFinite", 0);
            Tensor cosines = s.room("cosines", DType.F32, n, n);
            s.device().cosines(cosines, features, nonFinite);
            s.device().dropDuplicates(keep, score, cosines, n / 20);
            return List.of(cosines, keep, nonFinite);
          });
    }
  }

  @Test
  void sampling() {
    for (var sampling :
        List.of(
            Sampling.GREEDY,
            new Sampling(0.8f, 0, 1, 7),
            new Sampling(1.3f, 40, 0.7f, 1L << 40),
            Sampling.GREEDY.penalizing(1.3f),
            new Sampling(1.3f, 40, 0.7f, 3, 0.7f))) {
      for (int step = 0; step < 8; step++) {
        int at = step;
        agree(
            0,
            s -> {
              Tensor logits = s.room("logits", DType.F32, 1, 500);
              float[] values = new float[500];
              for (int i = 0; i < 500; i++) {
                values[i] = (float) (3 * s.random().nextGaussian());
              }
              s.device().upload(logits, MemorySegment.ofArray(values));
              Tensor id = s.ints("id", -9);
              Segments draws = SegmentTable.drawing(s.device(), s.arena(), at, sampling);
              Tensor seen = s.room("seen", DType.I32, 1, 16);
              int[] before = s.random().ints(16).toArray();
              s.device().upload(seen, MemorySegment.ofArray(before));
              s.device().sample(id, seen, logits, draws, s.ints("nonFinite", 0));
              Tensor broken = s.ints("broken", -9);
              s.device().sample(broken, seen, logits, draws, s.ints("nonFinite", 1));
              return List.of(id, broken, seen);
            });
      }
    }
  }
}
