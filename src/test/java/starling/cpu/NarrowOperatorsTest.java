package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Norm;
import starling.device.Rope;
import starling.device.SegmentTable;
import starling.device.Span;
import starling.device.Tensor;

/** Operators on bf16 and f16, against themselves in f32. */
class NarrowOperatorsTest extends CpuOperators {
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
      rowsRound(device, dtype);
      attentionRounds(device, dtype, 2);
      attentionRounds(device, dtype, 70);
      ropeRounds(device, dtype);
    }
  }

  private void rowsRound(CpuDevice device, DType dtype) {
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
  }

  private void attentionRounds(CpuDevice device, DType dtype, int rows) {
    Pair q = pair("q", dtype, rows, 4, 10);
    Pair k = pair("k", dtype, rows, 2, 10);
    Pair v = pair("v", dtype, rows, 2, 10);
    Tensor o = arena.alloc("o", dtype, rows, 4, 10);
    Tensor wideO = arena.alloc("o", DType.F32, rows, 4, 10);
    Tensor lse = arena.alloc("lse", DType.F32, 4, rows);
    Tensor wideLse = arena.alloc("lse", DType.F32, 4, rows);
    device.attention(
        o, lse, new AttentionInputs(q.narrow, new Kv(k.narrow, v.narrow, null), Mask.CAUSAL, 0.3f));
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

  private void ropeRounds(CpuDevice device, DType dtype) {
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

  /** What a norm in front of a product gives is rounded as if it had been stored. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BF16", "F16"})
  void aNormInFrontOfAProductIsRoundedAsIfStored(DType dtype) {
    for (CpuDevice device : devices()) {
      for (int rows : new int[] {1, 7}) {
        Pair x = pair("x", dtype, rows, 40);
        Linear w = device.asLinear(pair("w", dtype, 9, 40).narrow, null);
        var norm = new Norm(pair("weight", dtype, 40).narrow, null, 1e-5f);
        Tensor normed = arena.alloc("normed", dtype, rows, 40);
        Tensor expected = arena.alloc("expected", dtype, rows, 9);
        Tensor y = arena.alloc("y", dtype, rows, 9);
        device.rmsnorm(normed, x.narrow, norm);
        device.gemm(expected, normed, w, null, Activation.NONE, null);
        device.gemm(y, x.narrow, w, norm, Activation.NONE, null);
        assertRounded(expected, y);
      }
    }
  }
}
