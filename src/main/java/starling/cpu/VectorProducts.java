package starling.cpu;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link Lanes#multiply} with the Vector API. A vector of weights is read once for all input rows.
 * More than 16 sums do not pay: the compiler stops to inline, and puts vectors on the heap.
 */
final class VectorProducts {
  private static final VectorSpecies<Float> S = VectorLanes.S;
  private static final int L = VectorLanes.L;

  private VectorProducts() {}

  /** One row and weights in f32. */
  static void oneByFour(
      float[] x, int xAt, float[] w, int wAt, int stride, int n, float[] sums, int sumsAt) {
    FloatVector c0 = FloatVector.fromArray(S, sums, sumsAt);
    FloatVector c1 = FloatVector.fromArray(S, sums, sumsAt + L);
    FloatVector c2 = FloatVector.fromArray(S, sums, sumsAt + 2 * L);
    FloatVector c3 = FloatVector.fromArray(S, sums, sumsAt + 3 * L);
    for (int i = wAt, p = xAt; i < wAt + n; i += L, p += L) {
      FloatVector w0 = FloatVector.fromArray(S, w, i);
      FloatVector w1 = FloatVector.fromArray(S, w, i + stride);
      FloatVector w2 = FloatVector.fromArray(S, w, i + 2 * stride);
      FloatVector w3 = FloatVector.fromArray(S, w, i + 3 * stride);
      FloatVector v = FloatVector.fromArray(S, x, p);
      c0 = v.fma(w0, c0);
      c1 = v.fma(w1, c1);
      c2 = v.fma(w2, c2);
      c3 = v.fma(w3, c3);
    }
    c0.intoArray(sums, sumsAt);
    c1.intoArray(sums, sumsAt + L);
    c2.intoArray(sums, sumsAt + 2 * L);
    c3.intoArray(sums, sumsAt + 3 * L);
  }

  /** Four rows and weights in f32. */
  static void fourByFour(
      float[] x, int xAt, float[] w, int stride, int n, float[] sums, int sumsAt) {
    FloatVector c00 = FloatVector.fromArray(S, sums, sumsAt);
    FloatVector c01 = FloatVector.fromArray(S, sums, sumsAt + L);
    FloatVector c02 = FloatVector.fromArray(S, sums, sumsAt + 2 * L);
    FloatVector c03 = FloatVector.fromArray(S, sums, sumsAt + 3 * L);
    FloatVector c10 = FloatVector.fromArray(S, sums, sumsAt + 4 * L);
    FloatVector c11 = FloatVector.fromArray(S, sums, sumsAt + 5 * L);
    FloatVector c12 = FloatVector.fromArray(S, sums, sumsAt + 6 * L);
    FloatVector c13 = FloatVector.fromArray(S, sums, sumsAt + 7 * L);
    FloatVector c20 = FloatVector.fromArray(S, sums, sumsAt + 8 * L);
    FloatVector c21 = FloatVector.fromArray(S, sums, sumsAt + 9 * L);
    FloatVector c22 = FloatVector.fromArray(S, sums, sumsAt + 10 * L);
    FloatVector c23 = FloatVector.fromArray(S, sums, sumsAt + 11 * L);
    FloatVector c30 = FloatVector.fromArray(S, sums, sumsAt + 12 * L);
    FloatVector c31 = FloatVector.fromArray(S, sums, sumsAt + 13 * L);
    FloatVector c32 = FloatVector.fromArray(S, sums, sumsAt + 14 * L);
    FloatVector c33 = FloatVector.fromArray(S, sums, sumsAt + 15 * L);
    for (int i = 0, p = xAt; i < n; i += L, p += 4 * L) {
      FloatVector w0 = FloatVector.fromArray(S, w, i);
      FloatVector w1 = FloatVector.fromArray(S, w, i + stride);
      FloatVector w2 = FloatVector.fromArray(S, w, i + 2 * stride);
      FloatVector w3 = FloatVector.fromArray(S, w, i + 3 * stride);
      FloatVector x0 = FloatVector.fromArray(S, x, p);
      c00 = x0.fma(w0, c00);
      c01 = x0.fma(w1, c01);
      c02 = x0.fma(w2, c02);
      c03 = x0.fma(w3, c03);
      FloatVector x1 = FloatVector.fromArray(S, x, p + L);
      c10 = x1.fma(w0, c10);
      c11 = x1.fma(w1, c11);
      c12 = x1.fma(w2, c12);
      c13 = x1.fma(w3, c13);
      FloatVector x2 = FloatVector.fromArray(S, x, p + 2 * L);
      c20 = x2.fma(w0, c20);
      c21 = x2.fma(w1, c21);
      c22 = x2.fma(w2, c22);
      c23 = x2.fma(w3, c23);
      FloatVector x3 = FloatVector.fromArray(S, x, p + 3 * L);
      c30 = x3.fma(w0, c30);
      c31 = x3.fma(w1, c31);
      c32 = x3.fma(w2, c32);
      c33 = x3.fma(w3, c33);
    }
    c00.intoArray(sums, sumsAt);
    c01.intoArray(sums, sumsAt + L);
    c02.intoArray(sums, sumsAt + 2 * L);
    c03.intoArray(sums, sumsAt + 3 * L);
    c10.intoArray(sums, sumsAt + 4 * L);
    c11.intoArray(sums, sumsAt + 5 * L);
    c12.intoArray(sums, sumsAt + 6 * L);
    c13.intoArray(sums, sumsAt + 7 * L);
    c20.intoArray(sums, sumsAt + 8 * L);
    c21.intoArray(sums, sumsAt + 9 * L);
    c22.intoArray(sums, sumsAt + 10 * L);
    c23.intoArray(sums, sumsAt + 11 * L);
    c30.intoArray(sums, sumsAt + 12 * L);
    c31.intoArray(sums, sumsAt + 13 * L);
    c32.intoArray(sums, sumsAt + 14 * L);
    c33.intoArray(sums, sumsAt + 15 * L);
  }

  /**
   * One row and weights in bf16, of which the first stands at {@code at}; their stride is in bytes.
   */
  static void oneByEight(
      float[] x, int xAt, MemorySegment w, long at, long stride, int n, float[] sums, int sumsAt) {
    FloatVector c0 = FloatVector.fromArray(S, sums, sumsAt);
    FloatVector c1 = FloatVector.fromArray(S, sums, sumsAt + L);
    FloatVector c2 = FloatVector.fromArray(S, sums, sumsAt + 2 * L);
    FloatVector c3 = FloatVector.fromArray(S, sums, sumsAt + 3 * L);
    FloatVector c4 = FloatVector.fromArray(S, sums, sumsAt + 4 * L);
    FloatVector c5 = FloatVector.fromArray(S, sums, sumsAt + 5 * L);
    FloatVector c6 = FloatVector.fromArray(S, sums, sumsAt + 6 * L);
    FloatVector c7 = FloatVector.fromArray(S, sums, sumsAt + 7 * L);
    for (int i = 0, p = xAt; i < n; i += 2 * L, p += 2 * L) {
      long q = at + 2L * i;
      FloatVector even = FloatVector.fromArray(S, x, p);
      FloatVector odd = FloatVector.fromArray(S, x, p + L);
      IntVector w0 = pairs(w, q);
      c0 = odd.fma(high(w0), even.fma(low(w0), c0));
      IntVector w1 = pairs(w, q + stride);
      c1 = odd.fma(high(w1), even.fma(low(w1), c1));
      IntVector w2 = pairs(w, q + 2 * stride);
      c2 = odd.fma(high(w2), even.fma(low(w2), c2));
      IntVector w3 = pairs(w, q + 3 * stride);
      c3 = odd.fma(high(w3), even.fma(low(w3), c3));
      IntVector w4 = pairs(w, q + 4 * stride);
      c4 = odd.fma(high(w4), even.fma(low(w4), c4));
      IntVector w5 = pairs(w, q + 5 * stride);
      c5 = odd.fma(high(w5), even.fma(low(w5), c5));
      IntVector w6 = pairs(w, q + 6 * stride);
      c6 = odd.fma(high(w6), even.fma(low(w6), c6));
      IntVector w7 = pairs(w, q + 7 * stride);
      c7 = odd.fma(high(w7), even.fma(low(w7), c7));
    }
    c0.intoArray(sums, sumsAt);
    c1.intoArray(sums, sumsAt + L);
    c2.intoArray(sums, sumsAt + 2 * L);
    c3.intoArray(sums, sumsAt + 3 * L);
    c4.intoArray(sums, sumsAt + 4 * L);
    c5.intoArray(sums, sumsAt + 5 * L);
    c6.intoArray(sums, sumsAt + 6 * L);
    c7.intoArray(sums, sumsAt + 7 * L);
  }

  /** Four rows and weights in bf16. */
  static void fourByFour(
      float[] x, int xAt, MemorySegment w, long at, long stride, int n, float[] sums, int sumsAt) {
    FloatVector c00 = FloatVector.fromArray(S, sums, sumsAt);
    FloatVector c01 = FloatVector.fromArray(S, sums, sumsAt + L);
    FloatVector c02 = FloatVector.fromArray(S, sums, sumsAt + 2 * L);
    FloatVector c03 = FloatVector.fromArray(S, sums, sumsAt + 3 * L);
    FloatVector c10 = FloatVector.fromArray(S, sums, sumsAt + 4 * L);
    FloatVector c11 = FloatVector.fromArray(S, sums, sumsAt + 5 * L);
    FloatVector c12 = FloatVector.fromArray(S, sums, sumsAt + 6 * L);
    FloatVector c13 = FloatVector.fromArray(S, sums, sumsAt + 7 * L);
    FloatVector c20 = FloatVector.fromArray(S, sums, sumsAt + 8 * L);
    FloatVector c21 = FloatVector.fromArray(S, sums, sumsAt + 9 * L);
    FloatVector c22 = FloatVector.fromArray(S, sums, sumsAt + 10 * L);
    FloatVector c23 = FloatVector.fromArray(S, sums, sumsAt + 11 * L);
    FloatVector c30 = FloatVector.fromArray(S, sums, sumsAt + 12 * L);
    FloatVector c31 = FloatVector.fromArray(S, sums, sumsAt + 13 * L);
    FloatVector c32 = FloatVector.fromArray(S, sums, sumsAt + 14 * L);
    FloatVector c33 = FloatVector.fromArray(S, sums, sumsAt + 15 * L);
    for (int i = 0, p = xAt; i < n; i += 2 * L, p += 8 * L) {
      long q = at + 2L * i;
      IntVector pair0 = pairs(w, q);
      IntVector pair1 = pairs(w, q + stride);
      IntVector pair2 = pairs(w, q + 2 * stride);
      IntVector pair3 = pairs(w, q + 3 * stride);
      FloatVector w0 = low(pair0);
      FloatVector w1 = low(pair1);
      FloatVector w2 = low(pair2);
      FloatVector w3 = low(pair3);
      FloatVector x0 = FloatVector.fromArray(S, x, p);
      c00 = x0.fma(w0, c00);
      c01 = x0.fma(w1, c01);
      c02 = x0.fma(w2, c02);
      c03 = x0.fma(w3, c03);
      FloatVector x1 = FloatVector.fromArray(S, x, p + L);
      c10 = x1.fma(w0, c10);
      c11 = x1.fma(w1, c11);
      c12 = x1.fma(w2, c12);
      c13 = x1.fma(w3, c13);
      FloatVector x2 = FloatVector.fromArray(S, x, p + 2 * L);
      c20 = x2.fma(w0, c20);
      c21 = x2.fma(w1, c21);
      c22 = x2.fma(w2, c22);
      c23 = x2.fma(w3, c23);
      FloatVector x3 = FloatVector.fromArray(S, x, p + 3 * L);
      c30 = x3.fma(w0, c30);
      c31 = x3.fma(w1, c31);
      c32 = x3.fma(w2, c32);
      c33 = x3.fma(w3, c33);
      w0 = high(pair0);
      w1 = high(pair1);
      w2 = high(pair2);
      w3 = high(pair3);
      x0 = FloatVector.fromArray(S, x, p + 4 * L);
      c00 = x0.fma(w0, c00);
      c01 = x0.fma(w1, c01);
      c02 = x0.fma(w2, c02);
      c03 = x0.fma(w3, c03);
      x1 = FloatVector.fromArray(S, x, p + 5 * L);
      c10 = x1.fma(w0, c10);
      c11 = x1.fma(w1, c11);
      c12 = x1.fma(w2, c12);
      c13 = x1.fma(w3, c13);
      x2 = FloatVector.fromArray(S, x, p + 6 * L);
      c20 = x2.fma(w0, c20);
      c21 = x2.fma(w1, c21);
      c22 = x2.fma(w2, c22);
      c23 = x2.fma(w3, c23);
      x3 = FloatVector.fromArray(S, x, p + 7 * L);
      c30 = x3.fma(w0, c30);
      c31 = x3.fma(w1, c31);
      c32 = x3.fma(w2, c32);
      c33 = x3.fma(w3, c33);
    }
    c00.intoArray(sums, sumsAt);
    c01.intoArray(sums, sumsAt + L);
    c02.intoArray(sums, sumsAt + 2 * L);
    c03.intoArray(sums, sumsAt + 3 * L);
    c10.intoArray(sums, sumsAt + 4 * L);
    c11.intoArray(sums, sumsAt + 5 * L);
    c12.intoArray(sums, sumsAt + 6 * L);
    c13.intoArray(sums, sumsAt + 7 * L);
    c20.intoArray(sums, sumsAt + 8 * L);
    c21.intoArray(sums, sumsAt + 9 * L);
    c22.intoArray(sums, sumsAt + 10 * L);
    c23.intoArray(sums, sumsAt + 11 * L);
    c30.intoArray(sums, sumsAt + 12 * L);
    c31.intoArray(sums, sumsAt + 13 * L);
    c32.intoArray(sums, sumsAt + 14 * L);
    c33.intoArray(sums, sumsAt + 15 * L);
  }

  // These are so short that the compiler always inlines them.

  private static IntVector pairs(MemorySegment bf16, long at) {
    return IntVector.fromMemorySegment(VectorLanes.INTS, bf16, at, VectorLanes.ORDER);
  }

  /** The even elements of pairs, widened. */
  private static FloatVector low(IntVector pairs) {
    return pairs.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
  }

  /** The odd ones. */
  private static FloatVector high(IntVector pairs) {
    return pairs.and(0xffff0000).reinterpretAsFloats();
  }
}
