package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Rope;
import starling.device.Span;
import starling.device.Tensor;

/** Attention, its column sums and rope, against their definitions in double. */
class AttentionOperatorsTest extends CpuOperators {
  private static final List<Case> CASES =
      List.of(
          new Case(1, 0, 2, 2, 32, true, false),
          new Case(1, 70, 4, 2, 20, true, true),
          new Case(3, 10, 2, 1, 64, true, false),
          new Case(63, 0, 3, 3, 32, false, false),
          new Case(130, 0, 4, 2, 20, true, true),
          new Case(97, 33, 2, 2, 128, true, false),
          new Case(70, 9, 2, 1, 80, true, true),
          new Case(300, 0, 1, 1, 8, false, true));

  private Mask mask(Case c) {
    if (!c.hidden()) {
      return new Mask(c.causal(), null);
    }
    Tensor hidden = arena.alloc("hidden", DType.U8, c.past() + c.rows() + 3);
    for (int i = 1; i < hidden.rows(); i += 3) {
      hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(i), (byte) 1);
    }
    return new Mask(c.causal(), hidden);
  }

  @Test
  void attentionAndItsColumnSumsFollowTheirDefinitions() {
    for (Case c : CASES) {
      Kv kv = kv(c);
      Mask mask = mask(c);
      Tensor q = gaussian("q", c.rows(), c.heads(), c.d());
      float scale = (float) (1 / Math.sqrt(c.d()));
      int keys = c.past() + c.rows();
      Tensor out = like("expected out", q, c.rows(), c.heads(), c.d());
      Tensor lse = like("expected lse", q, c.heads(), c.rows());
      reference.attention(out, lse, new AttentionInputs(q, kv, mask, scale));
      var span = new Span(c.rows() / 3, c.rows());
      Tensor sums = like("expected sums", q, c.heads(), keys);
      reference.attentionColsum(
          sums, new AttentionInputs(q, kv, mask, scale), lse, span, new Candidates(0, keys, null));
      for (CpuDevice device : devices()) {
        Tensor y = like("out", q, c.rows(), c.heads(), c.d());
        Tensor l = like("lse", q, c.heads(), c.rows());
        device.attention(y, l, new AttentionInputs(q, kv, mask, scale));
        // Probabilities err by the rounding of a score of up to about 5 and of exp2; they weigh
        // values of about 1.
        assertNear(out, y, EPS * 400);
        assertNear(lse, l, EPS * 200);
        Tensor s = like("sums", q, c.heads(), keys);
        device.attentionColsum(
            s, new AttentionInputs(q, kv, mask, scale), l, span, new Candidates(0, keys, null));
        assertNear(sums, s, EPS * 400 * span.length());
        for (int h = 0; h < c.heads(); h++) {
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
}
