package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.cpu.CpuDevice;
import starling.cuda.abi.AbiConstants;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.Block;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.EightBits;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Norm;
import starling.device.PositionRule;
import starling.device.Rope;
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
 * Then memory, threads and lifetimes.
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

  /** The structures of its calls, the stream's segment and the places of results. */
  @Test
  void closingGivesBackWhatItsCallsLieIn() {
    NativeDevice device = NativeDevice.open(Native.DEVICE);
    var stream = new MemorySegment[1];
    device.call(
        (library, own) -> {
          stream[0] = own;
          return AbiConstants.OK;
        });
    assertTrue(stream[0].scope().isAlive());
    device.close();
    assertFalse(stream[0].scope().isAlive());
    device.close();
  }

  /** One device with a set of named inputs; both sides get the same numbers. */
  private record Side(Device device, TensorArena arena, Random random) {
    Tensor floats(String name, DType dtype, int... shape) {
      int n = IntStream.of(shape).reduce(1, (a, b) -> a * b);
      float[] values = new float[n];
      for (int i = 0; i < n; i++) {
        values[i] = (float) random.nextGaussian();
      }
      return device.table(
          arena, dtype, StoredTensor.of(name, IntStream.of(shape).boxed().toList(), values));
    }

    Tensor ints(String name, int... values) {
      Tensor t = arena.alloc(name, DType.I32, values.length);
      device.upload(t, MemorySegment.ofArray(values));
      return t;
    }

    Tensor room(String name, DType dtype, int... shape) {
      return arena.alloc(name, dtype, shape);
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

  private static final List<DType> FLOATS = List.of(DType.F32, DType.BF16, DType.F16);

  @ParameterizedTest
  @EnumSource(Activation.class)
  void gemm(Activation activation) {
    for (DType dtype : FLOATS) {
      for (int rows : new int[] {1, 3, 40}) {
        agree(
            4 * bound(dtype),
            s -> {
              int wide = activation == Activation.SILU_MUL ? 2 * 50 : 50;
              StoredTensor w = stored(s, "w", 0.15f, wide, 44);
              StoredTensor b = stored(s, "b", 1, wide);
              Linear linear = s.device.linear(s.arena, dtype, Linear.Source.of(w, b));
              Tensor x = s.floats("x", dtype, rows, 44);
              Tensor y = s.room("y", dtype, rows, 50);
              Tensor y32 = s.room("y32", DType.F32, rows, 50);
              Norm rms = new Norm(s.floats("weight", dtype, 44), null, 1e-5f);
              Norm layer = new Norm(rms.weight(), s.floats("bias", dtype, 44), 1e-5f);
              s.device.gemm(
                  y,
                  x,
                  linear,
                  rows == 3 ? rms : null,
                  activation,
                  s.floats("residual", dtype, rows, 50));
              s.device.gemm(y32, x, linear, rows == 3 ? layer : null, activation, null);
              return List.of(y, y32);
            });
      }
    }
  }

  private static StoredTensor stored(Side s, String name, float scale, int... shape) {
    float[] values = new float[IntStream.of(shape).reduce(1, (a, b) -> a * b)];
    for (int i = 0; i < values.length; i++) {
      values[i] = scale * (float) s.random.nextGaussian();
    }
    return StoredTensor.of(name, IntStream.of(shape).boxed().toList(), values);
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
            s.device.layernorm(a, x, layer);
            s.device.rmsnorm(b, x, rms);
            Tensor patches = s.room("patches", dtype, 6, 48);
            Tensor pixels = s.room("pixels", DType.F32, 3, 9, 13);
            float[] values = new float[3 * 9 * 13];
            for (int i = 0; i < values.length; i++) {
              values[i] = i;
            }
            s.device.upload(pixels, MemorySegment.ofArray(values));
            s.device.patchify(patches, pixels, 4);
            Tensor rows = s.room("embed", dtype, 3, 40);
            s.device.embed(rows, s.ints("ids", 8, 0, 3), x);
            Tensor combined = s.room("combined", dtype, 2, 40);
            Tensor index = s.room("index", DType.I32, 2, 3);
            s.device.upload(index, MemorySegment.ofArray(new int[] {0, 5, 2, 1, 1, 3}));
            s.device.combineRows(combined, x, index, s.floats("shares", DType.F32, 2, 3));
            Segments counters =
                SegmentTable.of(
                    s.device,
                    s.arena,
                    Segment.of(0, 1, 0, 9).behind(4).standing(1, 2, 3).drawing(7, Sampling.GREEDY),
                    Segment.of(0, 1, 0, 9));
            s.device.advance(counters);
            s.device.advance(counters.only(1));
            return List.of(a, b, patches, rows, combined, counters.table());
          });
    }
  }

  @Test
  void attentionColumnSumsAndSelection() {
    for (DType dtype : FLOATS) {
      for (int rows : new int[] {2, 70}) {
        agree(
            2 * bound(dtype),
            s -> {
              int past = 5;
              Tensor q = s.room("q", dtype, rows, 4, 32);
              Tensor cacheK = s.floats("k", dtype, rows + past + 3, 64).split(2, 32);
              Tensor cacheV = s.floats("v", dtype, rows + past + 3, 64).split(2, 32);
              var segments = SegmentTable.one(s.device, s.arena, rows, past, rows + past + 3);
              var kv = new Kv(cacheK, cacheV, segments);
              Tensor qkv = s.floats("qkv", dtype, rows, 8 * 32);
              int[] positions = IntStream.range(0, rows).map(i -> 2 * i + 3).toArray();
              var table =
                  new Rope(
                      s.floats("cos", DType.F32, 200, 10), s.floats("sin", DType.F32, 200, 10));
              s.device.rope(q, kv, qkv, s.ints("positions", positions), table);
              Tensor hidden = s.room("hidden", DType.U8, rows + past + 3);
              byte[] marks = new byte[hidden.rows()];
              marks[3] = 1;
              marks[6] = 1;
              s.device.upload(hidden, MemorySegment.ofArray(marks));
              var mask = new Mask(true, hidden);
              Tensor out = s.room("out", dtype, rows, 4, 32);
              Tensor lse = s.room("lse", DType.F32, 4, rows);
              s.device.attention(out, lse, new AttentionInputs(q, kv, mask, 0.11f));
              Tensor sums = s.room("sums", DType.F32, 4, rows);
              var span = new Span(1, rows);
              s.device.attentionColsum(
                  sums,
                  new AttentionInputs(q, kv, mask, 0.11f),
                  lse,
                  span,
                  new Candidates(2, rows, null));
              Tensor keep = s.room("keep", DType.I32, 2);
              Tensor score = s.room("score", DType.F32, rows);
              Tensor nonFinite = s.ints("nonFinite", 0);
              s.device.tokenSelect(keep, score, sums, rows - 1, nonFinite);
              Tensor keep2 = s.room("keep2", DType.I32, 1);
              Tensor score2 = s.room("score2", DType.F32, 2);
              var listed = new Candidates(1, 2, s.ints("index", 0, 4));
              var in = new AttentionInputs(q, kv, mask, 0.11f);
              s.device.colsumSelect(keep2, score2, in, lse, span, listed, nonFinite);
              Tensor keep3 = s.room("keep3", DType.I32, 1);
              Tensor score3 = s.room("score3", DType.F32, 1);
              s.device.colsumSelect(keep3, score3, in, lse, span, listed, nonFinite);
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
            s.device.rowMap(rows, out, sources, s.ints("in", positions), cuts, rule);
            Tensor hidden = s.room("hidden", DType.U8, 22);
            Tensor after = s.room("after", DType.I32, 20);
            s.device.hideRows(hidden, after, s.ints("in", positions), cuts, rule);
            Tensor a = s.floats("a", DType.BF16, 20, 33);
            Tensor b = s.floats("b", DType.F32, 20, 8);
            Tensor toA = s.room("a'", DType.BF16, 9, 33);
            Tensor toB = s.room("b'", DType.F32, 9, 8);
            s.device.gatherRows(List.of(toA, toB), List.of(a, b), rows);
            var caches = new ArrayList<Kv>();
            for (int l = 0; l < 3; l++) {
              caches.add(
                  new Kv(
                      s.floats("k", DType.F16, 20 + l, 64).split(2, 32),
                      s.floats("v", DType.F16, 20 + l, 64).split(2, 32),
                      null));
            }
            s.device.compactRows(caches, rows);
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
            s.device.upload(in, MemorySegment.ofArray(positions));
            int stay = 1300 - 4 - 898;
            Tensor rows = s.room("rows", DType.I32, stay);
            Tensor out = s.room("positions", DType.I32, 3, stay);
            Tensor sources = s.room("sources", DType.I32, stay);
            s.device.rowMap(rows, out, sources, in, cuts, rule);
            Tensor hidden = s.room("hidden", DType.U8, 1300);
            byte[] before = new byte[1300];
            before[9] = 1;
            s.device.upload(hidden, MemorySegment.ofArray(before));
            Tensor after = s.room("after", DType.I32, 3, 1300);
            s.device.hideRows(hidden, after, in, cuts, rule);
            Tensor table = s.room("table", DType.I32, stay, 4);
            s.device.upload(table, MemorySegment.ofArray(IntStream.range(0, 4 * stay).toArray()));
            Tensor gathered = s.room("gathered", DType.I32, stay, 4);
            s.device.gatherRows(List.of(gathered), List.of(table), sources);
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
              values[i] = s.random.nextInt(50);
            }
            s.device.upload(sums, MemorySegment.ofArray(values));
            Tensor keep = s.room("keep", DType.I32, 17);
            Tensor score = s.room("score", DType.F32, 70);
            Tensor nonFinite = s.ints("nonFinite", 0);
            s.device.tokenSelect(keep, score, sums, 5, nonFinite);
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
              values[i] = s.random.nextInt(7) - 3;
            }
            Tensor features =
                s.device.table(s.arena, DType.BF16, StoredTensor.of("f", List.of(n, 128), values));
            Tensor score = s.room("score", DType.F32, n);
            float[] scores = new float[n];
            for (int i = 0; i < n; i++) {
              scores[i] = s.random.nextFloat();
            }
            s.device.upload(score, MemorySegment.ofArray(scores));
            Tensor keep = s.room("keep", DType.I32, n / 10);
            Tensor nonFinite = s.ints("nonFinite", 0);
            Tensor cosines = s.room("cosines", DType.F32, n, n);
            s.device.cosines(cosines, features, nonFinite);
            s.device.dropDuplicates(keep, score, cosines, n / 20);
            return List.of(cosines, keep, nonFinite);
          });
    }
  }

  @Test
  void sampling() {
    for (var sampling :
        List.of(
            Sampling.GREEDY, new Sampling(0.8f, 0, 1, 7), new Sampling(1.3f, 40, 0.7f, 1L << 40))) {
      for (int step = 0; step < 8; step++) {
        int at = step;
        agree(
            0,
            s -> {
              Tensor logits = s.room("logits", DType.F32, 1, 500);
              float[] values = new float[500];
              for (int i = 0; i < 500; i++) {
                values[i] = (float) (3 * s.random.nextGaussian());
              }
              s.device.upload(logits, MemorySegment.ofArray(values));
              Tensor id = s.ints("id", -9);
              Segments draws = SegmentTable.drawing(s.device, s.arena, at, sampling);
              s.device.sample(id, logits, draws, s.ints("nonFinite", 0));
              Tensor broken = s.ints("broken", -9);
              s.device.sample(broken, logits, draws, s.ints("nonFinite", 1));
              return List.of(id, broken);
            });
      }
    }
  }

  // ---- loading ----

  /** CU-3: whatever the alignment in a file, the copy on the device starts at 256 bytes. */
  @Test
  void weightsAreCopiedToAlignedMemoryAndHeadsArePadded() {
    try (TensorArena arena = nativeDevice.arena("weights");
        Arena host = Arena.ofConfined()) {
      MemorySegment file = host.allocate(1 + 4 * 40 * 6, 64).asSlice(1);
      for (int i = 0; i < 240; i++) {
        file.set(java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i, i);
      }
      var stored = new StoredTensor("w", DType.F32, List.of(40, 6), file);
      Tensor table = nativeDevice.table(arena, DType.F32, stored);
      assertEquals(0, nativeDevice.address(table) % 256);
      assertEquals(239f, Floats.of(nativeDevice, table)[239]);
      var source = new Linear.Source(List.of(stored, stored), Collections.nCopies(2, null), 20, 0);
      var padded = (NativeLinear) nativeDevice.linear(arena, DType.F32, source);
      assertEquals(0, nativeDevice.address(padded.matrix()) % 256);
      assertEquals(128, padded.out());
      float[] values = Floats.of(nativeDevice, padded.matrix());
      for (int row = 0; row < 128; row++) {
        int head = row / 32;
        boolean real = row % 32 < 20;
        for (int c = 0; c < 6; c++) {
          assertEquals(real ? ((head % 2) * 20 + row % 32) * 6 + c : 0, values[row * 6 + c]);
        }
      }
      var columns =
          new Linear.Source(
              List.of(new StoredTensor("o", DType.F32, List.of(6, 40), file)),
              Collections.singletonList(null),
              0,
              20);
      var in = (NativeLinear) nativeDevice.linear(arena, DType.F32, columns);
      assertEquals(64, in.in());
      float[] o = Floats.of(nativeDevice, in.matrix());
      assertEquals(0, o[20]);
      assertEquals(20f, o[32]);
    }
  }

  /** Places of channels are counted in elements, not in blocks: heads may end inside one. */
  @Test
  void headsOfDecodedBlocksArePadded() {
    for (DType dtype : FLOATS) {
      try (TensorArena arena = nativeDevice.arena("weights")) {
        var side = new Side(nativeDevice, arena, random);
        StoredTensor blocks = EightBits.of(stored(side, "w", 1, 40, 96));
        var source = new Linear.Source(List.of(blocks), Collections.singletonList(null), 20, 24);
        var padded = (NativeLinear) nativeDevice.linear(arena, dtype, source);
        assertEquals(64, padded.out());
        assertEquals(128, padded.in());
        float[] values = Floats.of(nativeDevice, padded.matrix());
        for (int row = 0; row < 64; row++) {
          for (int c = 0; c < 128; c++) {
            boolean real = row % 32 < 20 && c % 32 < 24;
            int stored = (row / 32 * 20 + row % 32) * 96 + c / 32 * 24 + c % 32;
            float expected = real ? dtype.value(dtype.bits(blocks.get(stored))) : 0;
            assertEquals(expected, values[row * 128 + c], dtype + " " + row + ", " + c);
          }
        }
      }
    }
  }

  // ---- memory, threads, lifetimes ----

  @Test
  void deviceMemoryCannotBeTouchedFromJava() {
    try (TensorArena arena = nativeDevice.arena("a")) {
      Tensor t = arena.alloc("secret", DType.F32, 4);
      assertTrue(
          assertThrows(IllegalStateException.class, t::memory)
              .getMessage()
              .contains("secret lies in device memory"));
    }
  }

  /** JV-6. */
  @Test
  void hostMemoryOfAnyKindIsTakenOrRefusedByName() throws Exception {
    try (TensorArena arena = nativeDevice.arena("a")) {
      Tensor t = arena.alloc("t", DType.F32, 4);
      nativeDevice.upload(t, MemorySegment.ofArray(new float[4]));
      nativeDevice.upload(t, Arena.ofAuto().allocate(16));
      nativeDevice.upload(t, Arena.global().allocate(16));
      try (Arena shared = Arena.ofShared();
          Arena confined = Arena.ofConfined()) {
        nativeDevice.upload(t, shared.allocate(16));
        nativeDevice.download(confined.allocate(16), t);
      }
      Arena closed = Arena.ofConfined();
      MemorySegment gone = closed.allocate(16);
      closed.close();
      assertEquals(
          "src: its memory is already closed",
          assertThrows(IllegalStateException.class, () -> nativeDevice.upload(t, gone))
              .getMessage());
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () -> nativeDevice.upload(t, MemorySegment.ofArray(new float[3])))
              .getMessage()
              .startsWith("src has 12 bytes"));
      var other = new AtomicReference<MemorySegment>();
      var done = new CountDownLatch(1);
      var made = new CountDownLatch(1);
      var owner =
          new Thread(
              () -> {
                try (Arena mine = Arena.ofConfined()) {
                  other.set(mine.allocate(16));
                  made.countDown();
                  done.await();
                } catch (InterruptedException e) {
                  throw new AssertionError(e);
                }
              });
      owner.start();
      made.await();
      assertEquals(
          "src: its memory belongs to another thread",
          assertThrows(WrongThreadException.class, () -> nativeDevice.upload(t, other.get()))
              .getMessage());
      done.countDown();
      owner.join();
    }
  }

  /** JV-6: a caller's own buffers as tensors. */
  @Test
  void aCallersBufferIsUsedInPlaceOrRefusedByName() throws Exception {
    try (TensorArena arena = nativeDevice.arena("a");
        Arena memory = Arena.ofShared()) {
      MemorySegment mine = memory.allocate(4 * 8 * 4, 16);
      for (int i = 0; i < 32; i++) {
        mine.setAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, i, i);
      }
      Tensor in = arena.view("mine", DType.F32, Block.of(mine), 4, 8);
      MemorySegment result = memory.allocate(2 * 8 * 4, 16);
      Tensor out = arena.view("result", DType.F32, Block.of(result), 2, 8);
      Tensor rows = arena.alloc("rows", DType.I32, 2);
      nativeDevice.upload(rows, MemorySegment.ofArray(new int[] {3, 1}));
      if (Native.DEVICE == DeviceType.CUDA) {
        assertEquals(
            "result is F32[2, 8] in host memory, which this device cannot use",
            assertThrows(
                    IllegalArgumentException.class,
                    () -> nativeDevice.gatherRows(List.of(out), List.of(in), rows))
                .getMessage());
        return;
      }
      nativeDevice.gatherRows(List.of(out), List.of(in), rows);
      assertEquals(24f, result.getAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, 0));
      assertEquals(8f, result.getAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, 8));

      Tensor heap =
          arena.view("heap", DType.F32, Block.of(MemorySegment.ofArray(new float[32])), 4, 8);
      assertEquals(
          "heap is F32[4, 8] on the Java heap, which this device cannot use",
          assertThrows(
                  IllegalArgumentException.class,
                  () -> nativeDevice.gatherRows(List.of(out), List.of(heap), rows))
              .getMessage());
      try (TensorArena other = cpu.arena("other")) {
        Tensor foreign = other.alloc("foreign", DType.F32, 4, 8);
        assertEquals(
            "foreign is F32[4, 8] of another device",
            assertThrows(
                    IllegalArgumentException.class,
                    () -> nativeDevice.gatherRows(List.of(out), List.of(foreign), rows))
                .getMessage());
      }
      Arena closed = Arena.ofConfined();
      Tensor gone = arena.view("gone", DType.F32, Block.of(closed.allocate(128, 16)), 4, 8);
      var wrongThread = new AtomicReference<Throwable>();
      var thread =
          new Thread(
              () -> {
                try {
                  nativeDevice.gatherRows(List.of(out), List.of(gone), rows);
                } catch (RuntimeException e) {
                  wrongThread.set(e);
                }
              });
      thread.start();
      thread.join();
      assertEquals(
          "in: the memory of tensor gone belongs to another thread",
          wrongThread.get().getMessage());
      nativeDevice.gatherRows(List.of(out), List.of(gone), rows);
      closed.close();
      assertEquals(
          "in: the memory of tensor gone is closed",
          assertThrows(
                  IllegalStateException.class,
                  () -> nativeDevice.gatherRows(List.of(out), List.of(gone), rows))
              .getMessage());
    }
  }

  /** JV-6: closing while a call runs waits, and every later call is refused. */
  @Test
  void closingWhileACallRunsWaits() throws Exception {
    for (int round = 0; round < 20; round++) {
      NativeDevice device = NativeDevice.open(Native.DEVICE);
      TensorArena arena = device.arena("rows");
      Tensor x = arena.alloc("x", DType.F32, 200, 256);
      Tensor w = arena.alloc("w", DType.F32, 256);
      var failure = new AtomicReference<Throwable>();
      var running = new CountDownLatch(1);
      var worker =
          new Thread(
              () -> {
                try {
                  while (true) {
                    device.rmsnorm(x, x, new Norm(w, null, 1e-5f));
                    running.countDown();
                  }
                } catch (RuntimeException e) {
                  failure.set(e);
                }
              });
      worker.start();
      running.await();
      boolean arenaFirst = round % 2 == 0;
      if (arenaFirst) {
        arena.close();
      } else {
        device.close();
      }
      worker.join(TimeUnit.SECONDS.toMillis(10));
      assertFalse(worker.isAlive());
      assertEquals(IllegalStateException.class, failure.get().getClass());
      String part = arenaFirst ? "after its arena 'rows' was closed" : "device is closed";
      assertTrue(failure.get().getMessage().contains(part), failure.get().getMessage());
      arena.close();
      arena.close();
      device.close();
      device.close();
    }
  }

  @Test
  void aForgottenArenaIsReportedWithThePlaceItWasOpened() throws Exception {
    var reports = new ArrayList<LogRecord>();
    var handler =
        new Handler() {
          @Override
          public synchronized void publish(LogRecord record) {
            reports.add(record);
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger.getLogger("starling").addHandler(handler);
    Logger.getLogger("starling").setUseParentHandlers(false);
    forget();
    for (int i = 0; i < 100 && reports.isEmpty(); i++) {
      System.gc();
      Thread.sleep(20);
    }
    Logger.getLogger("starling").removeHandler(handler);
    assertEquals("arena 'forgotten' with 64 bytes was never closed", reports.get(0).getMessage());
    assertTrue(
        java.util.Arrays.stream(reports.get(0).getThrown().getStackTrace())
            .anyMatch(f -> f.getMethodName().equals("forget")));
  }

  private void forget() {
    nativeDevice.arena("forgotten").alloc("t", DType.F32, 16);
  }

  @Test
  void whatIsRefusedHereOrByTheLibraryBecomesAnExceptionWithASentence() {
    try (TensorArena arena = nativeDevice.arena("a")) {
      Tensor big = arena.alloc("big", DType.BF16, 4, 64);
      Tensor shifted = big.columns(3, 35);
      Tensor out = arena.alloc("out", DType.BF16, 4, 32);
      Tensor w = arena.alloc("w", DType.BF16, 32);
      assertEquals(
          "x: big is BF16[4, 32], of which every row must start at a multiple of 16 bytes",
          assertThrows(
                  IllegalArgumentException.class,
                  () -> nativeDevice.rmsnorm(out, shifted, new Norm(w, null, 1e-5f)))
              .getMessage());
      Tensor ids = arena.alloc("ids", DType.I32, 4);
      nativeDevice.upload(ids, MemorySegment.ofArray(new int[] {0, 1, 77, 2}));
      String message =
          assertThrows(
                  IllegalStateException.class,
                  () -> nativeDevice.embed(arena.alloc("rows", DType.BF16, 4, 64), ids, big))
              .getMessage();
      assertTrue(message.contains("an id is 77; it must be at least 0 and below 4"), message);
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      nativeDevice.rmsnorm(
                          out, arena.alloc("f", DType.F32, 4, 32), new Norm(w, null, 1)))
              .getMessage()
              .contains("but f is F32[4, 32]"));
    }
  }

  /**
   * After the JIT compiler is done with it: the smallest of several windows, as it may still work.
   */
  @Test
  void aLaunchAllocatesNothing() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (TensorArena arena = nativeDevice.arena("a")) {
      Tensor x = arena.alloc("x", DType.BF16, 1, 32);
      Tensor y = arena.alloc("y", DType.BF16, 1, 32);
      Tensor rows = arena.alloc("rows", DType.I32, 1);
      Segments counter = SegmentTable.counter(nativeDevice, arena);
      Norm vector = new Norm(arena.alloc("w", DType.BF16, 32), null, 1e-5f);
      Linear w =
          nativeDevice.linear(
              arena,
              DType.BF16,
              Linear.Source.of(StoredTensor.of("w", List.of(8, 32), new float[256]), null));
      Tensor out = arena.alloc("out", DType.BF16, 1, 8);
      List<Tensor> from = List.of(x);
      List<Tensor> to = List.of(y);
      long least = Long.MAX_VALUE;
      for (int window = 0; window < 40 && least > 0; window++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 500; i++) {
          nativeDevice.rmsnorm(y, x, vector);
          nativeDevice.gemm(out, x, w, vector, Activation.NONE, null);
          nativeDevice.gatherRows(to, from, rows);
          nativeDevice.advance(counter);
        }
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertEquals(0, least, "bytes allocated by 2000 launches");
    }
  }

  @Test
  void marksMeasureTime() {
    assertThrows(
        IllegalArgumentException.class, () -> nativeDevice.elapsedMillis(0, 0), "none made yet");
    long from = nativeDevice.recordEvent();
    try (TensorArena arena = nativeDevice.arena("a")) {
      nativeDevice.advance(SegmentTable.counter(nativeDevice, arena));
    }
    long to = nativeDevice.recordEvent();
    double millis = nativeDevice.elapsedMillis(from, to);
    assertThrows(IllegalArgumentException.class, () -> nativeDevice.elapsedMillis(from, to + 1));
    assertThrows(IllegalArgumentException.class, () -> nativeDevice.elapsedMillis(-1, to));
    assertTrue(millis >= 0 && millis < 10_000);
    for (int i = 0; i < 5000; i++) {
      nativeDevice.recordEvent();
    }
    assertThrows(IllegalArgumentException.class, () -> nativeDevice.elapsedMillis(from, to));
  }
}
