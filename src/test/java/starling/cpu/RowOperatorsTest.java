package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.device.Activation;
import starling.device.DType;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.ProductRows;
import starling.device.StoredTensor;
import starling.device.Tensor;

/** Products, norms and inputs, against their definitions in double. */
class RowOperatorsTest extends CpuOperators {
  // ---- products ----

  @ParameterizedTest
  @EnumSource(Activation.class)
  void gemmFollowsItsDefinition(Activation activation) {
    int[][] shapes = {
      {1, 64, 64},
      {2, 63, 65},
      {5, 300, 7},
      {6, 64, 128},
      {7, 257, 63},
      {65, 1, 1},
      {101, 520, 130},
      {300, 20, 8}
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

  /** Rows are picked of x and of the residual; the statistics are those of y as it is stored. */
  @ParameterizedTest
  @EnumSource(Activation.class)
  void productsPickRowsAndLeaveStatistics(Activation activation) {
    int[][] shapes = {{1, 9, 40, 96}, {5, 3, 64, 16}, {16, 20, 33, 70}, {17, 20, 33, 70}};
    for (int[] s : shapes) {
      int t = s[0];
      int in = s[2];
      int out = activation == Activation.SILU_MUL ? 2 * s[3] : s[3];
      float[] w = gaussians(out * in, 1 / Math.sqrt(in));
      Tensor x = gaussian("x", s[1], in);
      Tensor residual = gaussian("residual", s[1], s[3]);
      int[] picked = new int[t];
      Arrays.setAll(picked, i -> random.nextInt(s[1]));
      var before = new Norm(gaussian("weight", in), gaussian("bias", in), 1e-5f);
      Tensor rows = ints("rows", picked);
      int pairs = 2 * ProductRows.parts(t, s[3]);
      var wanted = new ProductRows(null, rows, like("statistics", x, t, pairs));
      Tensor expected = like("expected", x, t, s[3]);
      Linear exact = reference.linear(arena, DType.F32, source(out, in, w, null));
      reference.gemm(expected, x, exact, before, activation, residual, wanted);
      for (CpuDevice device : devices()) {
        Tensor known = like("known", x, t, 2);
        Tensor taken = like("taken", x, t, in);
        reference.gatherRows(List.of(taken), List.of(x), rows);
        device.rowStatistics(known, taken);
        var around = new ProductRows(known, rows, like("statistics", x, t, pairs));
        Tensor y = like("y", x, t, s[3]);
        Linear weights = device.linear(arena, DType.F32, source(out, in, w, null));
        device.gemm(y, x, weights, before, activation, residual, around);
        assertNear(expected, y, EPS * (in + 64) * 8);
        // A part has at most 64 squares of some units each.
        assertNear(wanted.statistics(), around.statistics(), EPS * (in + 64) * 8 * 64 * 16);
      }
    }
  }

  @Test
  void statisticsFollowTheirDefinition() {
    int[][] partsAndWidths = {{1, 1}, {1, 577}, {2, 96}, {3, 40}, {36, 571}, {9, 571}, {571, 571}};
    for (int[] s : partsAndWidths) {
      Tensor x = gaussian("x", 5, s[1]);
      for (CpuDevice device : devices()) {
        Tensor expected = like("expected", x, 5, 2 * s[0]);
        Tensor statistics = like("statistics", x, 5, 2 * s[0]);
        reference.rowStatistics(expected, x);
        device.rowStatistics(statistics, x);
        assertNear(expected, statistics, EPS * (s[1] + 16) * 64);
      }
    }
  }

  /** Matrices that become one stand in it one below the other, and so do their biases. */
  @Test
  void weightsOfSeveralPartsKeepTheirBiases() {
    int[] outs = {3, 5, 2};
    var weights = new ArrayList<StoredTensor>();
    var biases = new ArrayList<StoredTensor>();
    float[] all = new float[10];
    for (int part = 0, at = 0; part < 3; at += outs[part++]) {
      float[] bias = new float[outs[part]];
      for (int i = 0; i < bias.length && part != 1; i++) {
        bias[i] = all[at + i] = 10 * part + i + 1;
      }
      weights.add(StoredTensor.of("w", List.of(outs[part], 8), new float[8 * outs[part]]));
      biases.add(part == 1 ? null : StoredTensor.of("b", List.of(outs[part]), bias));
    }
    for (CpuDevice device : devices()) {
      for (int rows : new int[] {1, 40}) {
        Tensor x = gaussian("x", rows, 8);
        Tensor y = like("y", x, rows, 10);
        Linear parts = device.linear(arena, DType.F32, new Linear.Source(weights, biases, 0, 0));
        device.gemm(y, x, parts, null, Activation.NONE, null);
        float[] last = new float[10];
        device.download(MemorySegment.ofArray(last), y.rows(rows - 1, rows));
        assertArrayEquals(all, last);
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
    Tensor some = like("some", x, 18, 200);
    vector.gemm(
        some,
        x.rows(20, 38),
        vector.linear(arena, DType.F32, source(200, 300, w, null)),
        null,
        Activation.NONE,
        null);
    assertTrue(Arrays.equals(floats(all.rows(20, 38)), floats(some)));
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

  // ---- norms and inputs ----

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
}
