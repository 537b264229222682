package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
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
import starling.device.ReferenceDevice;
import starling.device.Rope;
import starling.device.Sampling;
import starling.device.SegmentTable;
import starling.device.Span;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Every operator of the cpu device, vector, scalar and without FMA, against its definition in
 * double. Bounds: a sum of n products in float32, in any grouping, errs by at most n·2^-24 of the
 * sum of absolute products, in practice by about √n of that; the bounds below are {@code 2^-24 ·
 * terms} with the inputs' own scale. Small whole numbers must come out exactly.
 */
class OperatorsTest {
  private static final float EPS = 0x1p-24f;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  private final ReferenceDevice reference = new ReferenceDevice();
  private CpuDevice vector;
  private CpuDevice scalar;
  private final List<CpuDevice> devices = new ArrayList<>();
  private TensorArena arena;
  private Random random;

  @BeforeEach
  void open() {
    vector = CpuDevice.open(2);
    scalar = new CpuDevice(2, new ScalarLanes());
    devices.addAll(List.of(vector, scalar));
    if (Lanes.best().getClass() == VectorLanes.class) {
      devices.add(new CpuDevice(2, new UnfusedLanes()));
    }
    arena = vector.arena("test");
    random = new Random(11);
  }

  @AfterEach
  void close() {
    arena.close();
    devices.forEach(CpuDevice::close);
  }

  private List<CpuDevice> devices() {
    return devices;
  }

  private Tensor floats(String name, float[] values, int... shape) {
    Tensor t = arena.alloc(name, DType.F32, shape);
    vector.upload(t, MemorySegment.ofArray(values));
    return t;
  }

  private Tensor gaussian(String name, int... shape) {
    int n = IntStream.of(shape).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return floats(name, values, shape);
  }

  private Tensor whole(String name, int... shape) {
    int n = IntStream.of(shape).reduce(1, (a, b) -> a * b);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = random.nextInt(7) - 3;
    }
    return floats(name, values, shape);
  }

  private Tensor ints(String name, int... values) {
    Tensor t = arena.alloc(name, DType.I32, values.length);
    vector.upload(t, MemorySegment.ofArray(values));
    return t;
  }

  private Tensor like(String name, Tensor t, int... shape) {
    return arena.alloc(name, t.dtype(), shape);
  }

  private float[] floats(Tensor t) {
    float[] values = new float[t.rows() * t.width()];
    reference.download(MemorySegment.ofArray(values), t);
    return values;
  }

  private int[] ints(Tensor t) {
    int[] values = new int[t.rows() * t.width()];
    reference.download(MemorySegment.ofArray(values), t);
    return values;
  }

  private void assertNear(Tensor expected, Tensor actual, double bound) {
    float[] e = floats(expected);
    float[] a = floats(actual);
    for (int i = 0; i < e.length; i++) {
      // Not |e − a| > bound: NaN must fail.
      int at = i;
      assertTrue(
          Math.abs(e[i] - a[i]) <= bound,
          () -> actual.name() + "[" + at + "] is " + a[at] + ", not " + e[at] + " ± " + bound);
    }
  }

  private static Linear.Source source(int out, int in, float[] weight, float[] bias) {
    return Linear.Source.of(
        StoredTensor.of("w", List.of(out, in), weight),
        bias == null ? null : StoredTensor.of("b", List.of(out), bias));
  }

  private float[] gaussians(int n, double scale) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (scale * random.nextGaussian());
    }
    return values;
  }

  // ---- gemm ----

  @ParameterizedTest
  @EnumSource(Activation.class)
  void gemmFollowsItsDefinition(Activation activation) {
    int[][] shapes = {
      {1, 64, 64}, {2, 63, 65}, {5, 300, 7}, {6, 64, 128}, {7, 257, 63}, {65, 1, 1}, {101, 520, 130}
    };
    for (int[] s : shapes) {
      int t = s[0];
      int in = s[1];
      int out = activation == Activation.SILU_MUL ? 2 * s[2] : s[2];
      float[] w = gaussians(out * in, 1 / Math.sqrt(in));
      float[] b = gaussians(out, 1);
      Tensor x = gaussian("x", t, in);
      Tensor residual = gaussian("residual", t, s[2]);
      var before =
          new Norm(gaussian("weight", in), t % 2 == 0 ? gaussian("bias", in) : null, 1e-5f);
      Tensor expected = like("expected", x, t, s[2]);
      reference.gemm(
          expected,
          x,
          reference.linear(arena, DType.F32, source(out, in, w, b)),
          before,
          activation,
          residual);
      for (CpuDevice device : devices()) {
        Tensor y = like("y", x, t, s[2]);
        device.gemm(
            y,
            x,
            device.linear(arena, DType.F32, source(out, in, w, b)),
            before,
            activation,
            residual);
        // Products of norm about 1; SILU_MUL multiplies two of them.
        assertNear(expected, y, EPS * (in + 64) * 8);
      }
    }
  }

  @Test
  void gemmOfWholeNumbersIsExact() {
    float[] w = new float[70 * 513];
    for (int i = 0; i < w.length; i++) {
      w[i] = random.nextInt(7) - 3;
    }
    for (int t : new int[] {1, 5, 6, 13}) {
      Tensor x = whole("x", t, 513);
      Tensor expected = like("expected", x, t, 70);
      reference.gemm(
          expected,
          x,
          reference.linear(arena, DType.F32, source(70, 513, w, null)),
          null,
          Activation.NONE,
          null);
      for (CpuDevice device : devices()) {
        Tensor y = like("y", x, t, 70);
        device.gemm(
            y,
            x,
            device.linear(arena, DType.F32, source(70, 513, w, null)),
            null,
            Activation.NONE,
            null);
        assertNear(expected, y, 0);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BF16", "F16"})
  void gemmStoresNarrowTypesRoundedOnce(DType dtype) {
    int t = 9;
    float[] w = gaussians(40 * 100, 0.1);
    float[] values = gaussians(t * 100, 1);
    Tensor x = arena.alloc("x", dtype, t, 100);
    Tensor wide = like("wide", floats("none", new float[1], 1), t, 100);
    for (int i = 0; i < t; i++) {
      Rows.store(values, i * 100, x, i, 0, 100);
      float[] back = new float[100];
      Rows.load(x, i, back, 0);
      Rows.store(back, 0, wide, i, 0, 100);
    }
    for (CpuDevice device : devices()) {
      Linear narrow = device.linear(arena, dtype, source(40, 100, w, null));
      Linear exact = device.linear(arena, DType.F32, source(40, 100, rounded(w, dtype), null));
      Tensor y = arena.alloc("y", dtype, t, 40);
      Tensor y32 = arena.alloc("y32", DType.F32, t, 40);
      device.gemm(y, x, narrow, null, Activation.NONE, null);
      device.gemm(y32, wide, exact, null, Activation.NONE, null);
      float[] row = new float[40];
      float[] full = new float[40];
      for (int i = 0; i < t; i++) {
        Rows.load(y, i, row, 0);
        Rows.load(y32, i, full, 0);
        Rows.round(full, 0, 40, dtype);
        assertTrue(Arrays.equals(full, row), "accumulated in float32, rounded once");
      }
    }
  }

  private static float[] rounded(float[] values, DType dtype) {
    float[] rounded = values.clone();
    Rows.round(rounded, 0, rounded.length, dtype);
    return rounded;
  }

  @Test
  void aRowsBitsDoNotDependOnOtherRowsOrThreads() {
    float[] w = gaussians(200 * 300, 0.1);
    Tensor x = gaussian("x", 40, 300);
    Tensor all = like("all", x, 40, 200);
    vector.gemm(
        all,
        x,
        vector.linear(arena, DType.F32, source(200, 300, w, null)),
        null,
        Activation.NONE,
        null);
    Tensor some = like("some", x, 12, 200);
    vector.gemm(
        some,
        x.rows(20, 32),
        vector.linear(arena, DType.F32, source(200, 300, w, null)),
        null,
        Activation.NONE,
        null);
    assertTrue(Arrays.equals(floats(all.rows(20, 32)), floats(some)));
    for (int threads : new int[] {1, 3, 5}) {
      try (var other = CpuDevice.open(threads)) {
        Tensor y = like("y", x, 40, 200);
        other.gemm(
            y,
            x,
            other.linear(arena, DType.F32, source(200, 300, w, null)),
            null,
            Activation.NONE,
            null);
        assertTrue(Arrays.equals(floats(all), floats(y)));
      }
    }
  }

  @Test
  void gemmWritesIntoViewsAndOverItsResidual() {
    float[] w = gaussians(48 * 48, 0.1);
    Tensor x = gaussian("x", 20, 48);
    Tensor big = gaussian("big", 30, 100);
    Tensor view = big.rows(5, 25).columns(10, 58);
    Tensor expected = like("expected", x, 20, 48);
    reference.gemm(
        expected,
        x,
        reference.linear(arena, DType.F32, source(48, 48, w, null)),
        null,
        Activation.NONE,
        view);
    float[] before = floats(big);
    vector.gemm(
        view,
        x,
        vector.linear(arena, DType.F32, source(48, 48, w, null)),
        null,
        Activation.NONE,
        view);
    assertNear(expected, view, EPS * 48 * 8);
    float[] after = floats(big);
    for (int i = 0; i < after.length; i++) {
      boolean inside = i / 100 >= 5 && i / 100 < 25 && i % 100 >= 10 && i % 100 < 58;
      assertTrue(inside || before[i] == after[i], "a value beside the view was changed");
    }
  }

  @Test
  void nanSticks() {
    Tensor x = gaussian("x", 8, 64);
    Rows.set(x, 3, 5, Float.NaN);
    float[] w = gaussians(64 * 64, 0.1);
    for (CpuDevice device : devices()) {
      Tensor y = like("y", x, 8, 64);
      device.gemm(
          y,
          x,
          device.linear(arena, DType.F32, source(64, 64, w, null)),
          null,
          Activation.QUICK_GELU,
          null);
      float[] values = floats(y);
      for (int i = 0; i < values.length; i++) {
        assertEquals(i / 64 == 3, Float.isNaN(values[i]));
      }
    }
  }

  // ---- norms, rows ----

  @Test
  void normsFollowTheirDefinitions() {
    for (int d : new int[] {1, 63, 64, 577}) {
      Tensor x = gaussian("x", 5, d);
      var layer = new Norm(gaussian("w", d), gaussian("b", d), 1e-5f);
      var rms = new Norm(gaussian("w", d), null, 1e-6f);
      for (CpuDevice device : devices()) {
        Tensor expected = like("expected", x, 5, d);
        Tensor y = like("y", x, 5, d);
        reference.layernorm(expected, x, layer);
        device.layernorm(y, x, layer);
        assertNear(expected, y, EPS * (d + 16) * 16);
        reference.rmsnorm(expected, x, rms);
        device.rmsnorm(y, x, rms);
        assertNear(expected, y, EPS * (d + 16) * 16);
      }
    }
  }

  @Test
  void patchifyAndEmbedMoveTheRightValues() {
    Tensor pixels = gaussian("pixels", 3, 10, 10);
    Tensor expected = like("expected", pixels, 4, 75);
    Tensor y = like("y", pixels, 4, 75);
    reference.patchify(expected, pixels, 5);
    vector.patchify(y, pixels, 5);
    assertNear(expected, y, 0);
    Tensor table = gaussian("table", 9, 33);
    Tensor ids = ints("ids", 8, 0, 3);
    Tensor rows = like("rows", table, 3, 33);
    vector.embed(rows, ids, table);
    assertTrue(Arrays.equals(floats(table.rows(3, 4)), floats(rows.rows(2, 3))));
    assertTrue(
        assertThrows(
                IllegalArgumentException.class,
                () -> vector.embed(rows, ints("ids", 1, 9, 2), table))
            .getMessage()
            .contains("ids[1] is 9"));
  }

  // ---- attention ----

  private record Case(
      int rows, int past, int heads, int keyHeads, int d, boolean causal, boolean hidden) {}

  private static final List<Case> CASES =
      List.of(
          new Case(1, 0, 2, 2, 32, true, false),
          new Case(1, 70, 4, 2, 20, true, true),
          new Case(3, 10, 2, 1, 64, true, false),
          new Case(63, 0, 3, 3, 32, false, false),
          new Case(130, 0, 4, 2, 20, true, true),
          new Case(97, 33, 2, 2, 128, true, false),
          new Case(300, 0, 1, 1, 8, false, true));

  private Kv kv(Case c) {
    int capacity = c.past + c.rows + 3;
    Tensor k = gaussian("k", capacity, c.keyHeads, c.d);
    Tensor v = gaussian("v", capacity, c.keyHeads, c.d);
    // What stands behind the keys must not matter.
    for (int row = c.past + c.rows; row < capacity; row++) {
      for (int i = 0; i < c.keyHeads * c.d; i++) {
        Rows.set(k, row, i, Float.NaN);
        Rows.set(v, row, i, Float.NaN);
      }
    }
    return new Kv(k, v, SegmentTable.one(vector, arena, c.rows, c.past, capacity));
  }

  private Mask mask(Case c) {
    if (!c.hidden) {
      return new Mask(c.causal, null);
    }
    Tensor hidden = arena.alloc("hidden", DType.U8, c.past + c.rows + 3);
    for (int i = 1; i < hidden.rows(); i += 3) {
      hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(i), (byte) 1);
    }
    return new Mask(c.causal, hidden);
  }

  @Test
  void attentionAndItsColumnSumsFollowTheirDefinitions() {
    for (Case c : CASES) {
      Kv kv = kv(c);
      Mask mask = mask(c);
      Tensor q = gaussian("q", c.rows, c.heads, c.d);
      float scale = (float) (1 / Math.sqrt(c.d));
      int keys = c.past + c.rows;
      Tensor out = like("expected out", q, c.rows, c.heads, c.d);
      Tensor lse = like("expected lse", q, c.heads, c.rows);
      reference.attention(out, lse, new AttentionInputs(q, kv, mask, scale));
      var span = new Span(c.rows / 3, c.rows);
      Tensor sums = like("expected sums", q, c.heads, keys);
      reference.attentionColsum(
          sums, new AttentionInputs(q, kv, mask, scale), lse, span, new Candidates(0, keys, null));
      for (CpuDevice device : devices()) {
        Tensor y = like("out", q, c.rows, c.heads, c.d);
        Tensor l = like("lse", q, c.heads, c.rows);
        device.attention(y, l, new AttentionInputs(q, kv, mask, scale));
        // Probabilities err by the rounding of a score of up to about 5 and of exp2; they weigh
        // values of about 1.
        assertNear(out, y, EPS * 400);
        assertNear(lse, l, EPS * 200);
        Tensor s = like("sums", q, c.heads, keys);
        device.attentionColsum(
            s, new AttentionInputs(q, kv, mask, scale), l, span, new Candidates(0, keys, null));
        assertNear(sums, s, EPS * 400 * span.length());
        for (int h = 0; h < c.heads; h++) {
          double mass = 0;
          for (float v : floats(s.rows(h, h + 1))) {
            mass += v;
          }
          assertEquals(span.length(), mass, EPS * 400 * span.length(), "the mass of a row is 1");
        }
      }
    }
  }

  @Test
  void hidingKeysEqualsRemovingThem() {
    int rows = 90;
    Tensor q = gaussian("q", rows, 2, 32);
    Tensor k = gaussian("k", rows, 2, 32);
    Tensor v = gaussian("v", rows, 2, 32);
    Tensor hidden = arena.alloc("hidden", DType.U8, rows);
    int[] kept = IntStream.range(0, rows).filter(i -> i % 4 != 1).toArray();
    for (int i = 1; i < rows; i += 4) {
      hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(i), (byte) 1);
    }
    Tensor masked = like("masked", q, rows, 2, 32);
    vector.attention(
        masked, null, new AttentionInputs(q, new Kv(k, v, null), new Mask(true, hidden), 0.2f));
    Tensor index = ints("kept", kept);
    List<Tensor> some = new ArrayList<>();
    for (Tensor t : List.of(q, k, v)) {
      some.add(like(t.name() + "'", t, kept.length, 64));
    }
    List<Tensor> flat = List.of(flat(q), flat(k), flat(v));
    vector.gatherRows(some, flat, index);
    Tensor compact = like("compact", q, kept.length, 2, 32);
    vector.attention(
        compact,
        null,
        new AttentionInputs(
            some.get(0).split(2, 32),
            new Kv(some.get(1).split(2, 32), some.get(2).split(2, 32), null),
            Mask.CAUSAL,
            0.2f));
    Tensor picked = like("picked", q, kept.length, 64);
    vector.gatherRows(List.of(picked), List.of(flat(masked)), index);
    assertNear(flat(compact), picked, EPS * 400);
  }

  private static Tensor flat(Tensor t) {
    return t.columns(0, t.width());
  }

  @Test
  void aRowThatSeesNoKeyGivesZeroAndInfinity() {
    Tensor q = gaussian("q", 7, 1, 8);
    Tensor hidden = arena.alloc("hidden", DType.U8, 7);
    hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(0), (byte) 1);
    for (CpuDevice device : devices()) {
      for (int rows : new int[] {2, 7}) {
        Tensor out = like("out", q, rows, 1, 8);
        Tensor lse = like("lse", q, 1, rows);
        device.attention(
            out,
            lse,
            new AttentionInputs(
                q.rows(0, rows),
                new Kv(gaussian("k", rows, 1, 8), gaussian("v", rows, 1, 8), null),
                new Mask(true, hidden),
                1));
        assertEquals(Float.POSITIVE_INFINITY, floats(lse)[0]);
        assertTrue(Arrays.equals(new float[8], Arrays.copyOf(floats(out), 8)));
      }
    }
  }

  @Test
  void hugeScoresDoNotOverflow() {
    Tensor q = gaussian("q", 20, 1, 16);
    Tensor k = gaussian("k", 20, 1, 16);
    Tensor v = gaussian("v", 20, 1, 16);
    for (CpuDevice device : devices()) {
      Tensor out = like("out", q, 20, 1, 16);
      device.attention(out, null, new AttentionInputs(q, new Kv(k, v, null), Mask.NONE, 1e4f));
      for (float value : floats(out)) {
        assertTrue(Math.abs(value) < 10, "a mean of values");
      }
    }
  }

  @Test
  void ropeRotatesAndAppends() {
    var c = new Case(5, 4, 4, 2, 20, true, false);
    Kv kv = kv(c);
    Tensor qkv = gaussian("qkv", 5, 8 * 20);
    Tensor positions = ints("positions", 7, 8, 9, 30, 31);
    float[] cos = new float[40 * 10];
    float[] sin = new float[40 * 10];
    for (int i = 0; i < 400; i++) {
      int position = i / 10;
      double angle = position * Math.pow(10000, -2.0 * (i % 10) / 20);
      cos[i] = (float) Math.cos(angle);
      sin[i] = (float) Math.sin(angle);
    }
    var table = new Rope(floats("cos", cos, 40, 10), floats("sin", sin, 40, 10));
    Tensor expected = like("expected", qkv, 5, 4, 20);
    reference.rope(expected, kv, qkv, positions, table);
    float[] keys = floats(kv.k().rows(0, 9));
    float[] values = floats(kv.v().rows(0, 9));
    for (CpuDevice device : devices()) {
      Tensor q = like("q", qkv, 5, 4, 20);
      device.rope(q, kv, qkv, positions, table);
      assertNear(expected, q, EPS * 16);
      float[] k = floats(kv.k().rows(0, 9));
      for (int i = 0; i < k.length; i++) {
        assertEquals(keys[i], k[i], EPS * 16);
      }
      assertTrue(Arrays.equals(values, floats(kv.v().rows(0, 9))));
    }
    assertThrows(
        IllegalArgumentException.class,
        () ->
            vector.rope(
                like("q", qkv, 5, 4, 20), kv, qkv, ints("positions", 7, 8, 9, 30, 40), table));
  }

  // ---- selection ----

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
  @ValueSource(ints = {1, 63, 64, 65, 577, 2880})
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

  // ---- narrow types ----

  /** A tensor of a narrow type, and the same values in f32. */
  private record Pair(Tensor narrow, Tensor wide) {}

  private Pair pair(String name, DType dtype, int... shape) {
    Tensor wide = gaussian(name, shape);
    Tensor narrow = arena.alloc(name, dtype, shape);
    float[] row = new float[wide.width()];
    for (int i = 0; i < wide.rows(); i++) {
      Rows.load(wide, i, row, 0);
      Rows.store(row, 0, narrow, i, 0, row.length);
      Rows.load(narrow, i, row, 0);
      Rows.store(row, 0, wide, i, 0, row.length);
    }
    return new Pair(narrow, wide);
  }

  private void assertRounded(Tensor wide, Tensor narrow) {
    float[] expected = new float[wide.width()];
    float[] actual = new float[wide.width()];
    for (int i = 0; i < wide.rows(); i++) {
      Rows.load(wide, i, expected, 0);
      Rows.round(expected, 0, expected.length, narrow.dtype());
      Rows.load(narrow, i, actual, 0);
      assertTrue(Arrays.equals(expected, actual), narrow.name() + " row " + i);
    }
  }

  /**
   * Every operator with a float output: what f32 gives on the same values, rounded once at the
   * store.
   */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BF16", "F16"})
  void everyOperatorRoundsOnceAtTheStore(DType dtype) {
    for (CpuDevice device : devices()) {
      Pair x = pair("x", dtype, 9, 40);
      Pair table = pair("table", dtype, 30, 40);
      Tensor out = arena.alloc("out", dtype, 9, 40);
      Tensor wide = arena.alloc("wide", DType.F32, 9, 40);
      Pair w = pair("w", dtype, 40);
      Pair b = pair("b", dtype, 40);
      device.layernorm(out, x.narrow, new Norm(w.narrow, b.narrow, 1e-5f));
      device.layernorm(wide, x.wide, new Norm(w.wide, b.wide, 1e-5f));
      assertRounded(wide, out);
      device.rmsnorm(out, x.narrow, new Norm(w.narrow, null, 1e-5f));
      device.rmsnorm(wide, x.wide, new Norm(w.wide, null, 1e-5f));
      assertRounded(wide, out);
      Tensor ids = ints("ids", 3, 29, 0, 1, 2, 3, 4, 5, 6);
      device.embed(out, ids, table.narrow);
      device.embed(wide, ids, table.wide);
      assertRounded(wide, out);
      Tensor index = arena.alloc("index", DType.I32, 9, 2);
      Tensor shares = gaussian("shares", 9, 2);
      device.combineRows(out, x.narrow, index, shares);
      device.combineRows(wide, x.wide, index, shares);
      assertRounded(wide, out);

      Tensor pixels = gaussian("pixels", 3, 8, 8);
      Tensor patches = arena.alloc("patches", dtype, 4, 48);
      Tensor widePatches = arena.alloc("patches", DType.F32, 4, 48);
      device.patchify(patches, pixels, 4);
      device.patchify(widePatches, pixels, 4);
      assertRounded(widePatches, patches);

      for (int rows : new int[] {2, 70}) {
        Pair q = pair("q", dtype, rows, 4, 10);
        Pair k = pair("k", dtype, rows, 2, 10);
        Pair v = pair("v", dtype, rows, 2, 10);
        Tensor o = arena.alloc("o", dtype, rows, 4, 10);
        Tensor wideO = arena.alloc("o", DType.F32, rows, 4, 10);
        Tensor lse = arena.alloc("lse", DType.F32, 4, rows);
        Tensor wideLse = arena.alloc("lse", DType.F32, 4, rows);
        device.attention(
            o,
            lse,
            new AttentionInputs(q.narrow, new Kv(k.narrow, v.narrow, null), Mask.CAUSAL, 0.3f));
        device.attention(
            wideO,
            wideLse,
            new AttentionInputs(q.wide, new Kv(k.wide, v.wide, null), Mask.CAUSAL, 0.3f));
        assertRounded(wideO, o);
        assertNear(wideLse, lse, 0);
        Tensor sums = arena.alloc("sums", DType.F32, 4, rows);
        Tensor wideSums = arena.alloc("sums", DType.F32, 4, rows);
        var span = new Span(0, rows);
        var keys = new Candidates(0, rows, null);
        device.attentionColsum(
            sums,
            new AttentionInputs(q.narrow, new Kv(k.narrow, v.narrow, null), Mask.CAUSAL, 0.3f),
            lse,
            span,
            keys);
        device.attentionColsum(
            wideSums,
            new AttentionInputs(q.wide, new Kv(k.wide, v.wide, null), Mask.CAUSAL, 0.3f),
            lse,
            span,
            keys);
        assertNear(wideSums, sums, 0);
      }

      Pair qkv = pair("qkv", dtype, 5, 80);
      var rope = new Rope(gaussian("cos", 9, 5), gaussian("sin", 9, 5));
      Tensor positions = ints("positions", 0, 3, 4, 7, 8);
      var cache =
          new Kv(
              arena.alloc("k", dtype, 6, 2, 10),
              arena.alloc("v", dtype, 6, 2, 10),
              SegmentTable.one(device, arena, 5, 1, 6));
      var wideCache =
          new Kv(
              arena.alloc("k", DType.F32, 6, 2, 10),
              arena.alloc("v", DType.F32, 6, 2, 10),
              SegmentTable.one(device, arena, 5, 1, 6));
      Tensor q = arena.alloc("q", dtype, 5, 4, 10);
      Tensor wideQ = arena.alloc("q", DType.F32, 5, 4, 10);
      device.rope(q, cache, qkv.narrow, positions, rope);
      device.rope(wideQ, wideCache, qkv.wide, positions, rope);
      assertRounded(wideQ, q);
      assertRounded(wideCache.k(), cache.k());
      assertRounded(wideCache.v(), cache.v());
    }
  }

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
        device.rowMap(rows, out, sources, ints("in", positions), cuts, rule);
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
                arena.alloc("rows", DType.I32, 12),
                arena.alloc("out", DType.I32, 12),
                null,
                ints("in", positions),
                List.of(new Cut(3, 10, ints("keep", 4, 0))),
                PositionRule.KEEP));
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
      device.rowMap(rows, out, sources, in, cuts, PositionRule.KEEP);
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

      device.rowMap(rows, out, null, in, cuts, PositionRule.CONTIGUOUS);
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
    vector.compactRows(List.of(new Kv(k, v, null)), ints("rows", 0, 2, 3, 8));
    assertTrue(Arrays.equals(Arrays.copyOfRange(before, 8 * 16, 9 * 16), floats(k.rows(3, 4))));
    assertTrue(Arrays.equals(Arrays.copyOfRange(before, 2 * 16, 3 * 16), floats(k.rows(1, 2))));
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
        floats("logits", logits, 1, 4),
        SegmentTable.drawing(vector, arena, 0, Sampling.GREEDY),
        ints("nonFinite", 1));
    assertEquals(-1, ints(id)[0]);
  }

  // ---- memory ----

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
}
