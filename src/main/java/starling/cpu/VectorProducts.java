package starling.cpu;

import static jdk.incubator.vector.VectorOperators.LSHL;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link Lanes#multiply} with the Vector API. A vector of weights is read once for all input rows.
 * Everything is written out: in a method of this size the JIT compiler has no room left to inline
 * methods of ours, and a vector that is handed to one would be put on the heap. For the same reason
 * there are no more than 16 sums.
 */
final class VectorProducts {
  private static final VectorSpecies<Float> S = VectorLanes.S;
  private static final int L = VectorLanes.L;
  private static final VectorSpecies<Integer> INTS = VectorLanes.INTS;
  private static final ByteOrder ORDER = VectorLanes.ORDER;

  /** The odd one of two bf16 in an int; shifted up by 16, the even one is left. */
  private static final int HIGH = 0xffff0000;

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
      IntVector w0 = IntVector.fromMemorySegment(INTS, w, q, ORDER);
      c0 = even.fma(w0.lanewise(LSHL, 16).reinterpretAsFloats(), c0);
      c0 = odd.fma(w0.and(HIGH).reinterpretAsFloats(), c0);
      IntVector w1 = IntVector.fromMemorySegment(INTS, w, q + stride, ORDER);
      c1 = even.fma(w1.lanewise(LSHL, 16).reinterpretAsFloats(), c1);
      c1 = odd.fma(w1.and(HIGH).reinterpretAsFloats(), c1);
      IntVector w2 = IntVector.fromMemorySegment(INTS, w, q + 2 * stride, ORDER);
      c2 = even.fma(w2.lanewise(LSHL, 16).reinterpretAsFloats(), c2);
      c2 = odd.fma(w2.and(HIGH).reinterpretAsFloats(), c2);
      IntVector w3 = IntVector.fromMemorySegment(INTS, w, q + 3 * stride, ORDER);
      c3 = even.fma(w3.lanewise(LSHL, 16).reinterpretAsFloats(), c3);
      c3 = odd.fma(w3.and(HIGH).reinterpretAsFloats(), c3);
      IntVector w4 = IntVector.fromMemorySegment(INTS, w, q + 4 * stride, ORDER);
      c4 = even.fma(w4.lanewise(LSHL, 16).reinterpretAsFloats(), c4);
      c4 = odd.fma(w4.and(HIGH).reinterpretAsFloats(), c4);
      IntVector w5 = IntVector.fromMemorySegment(INTS, w, q + 5 * stride, ORDER);
      c5 = even.fma(w5.lanewise(LSHL, 16).reinterpretAsFloats(), c5);
      c5 = odd.fma(w5.and(HIGH).reinterpretAsFloats(), c5);
      IntVector w6 = IntVector.fromMemorySegment(INTS, w, q + 6 * stride, ORDER);
      c6 = even.fma(w6.lanewise(LSHL, 16).reinterpretAsFloats(), c6);
      c6 = odd.fma(w6.and(HIGH).reinterpretAsFloats(), c6);
      IntVector w7 = IntVector.fromMemorySegment(INTS, w, q + 7 * stride, ORDER);
      c7 = even.fma(w7.lanewise(LSHL, 16).reinterpretAsFloats(), c7);
      c7 = odd.fma(w7.and(HIGH).reinterpretAsFloats(), c7);
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
      IntVector pair0 = IntVector.fromMemorySegment(INTS, w, q, ORDER);
      IntVector pair1 = IntVector.fromMemorySegment(INTS, w, q + stride, ORDER);
      IntVector pair2 = IntVector.fromMemorySegment(INTS, w, q + 2 * stride, ORDER);
      IntVector pair3 = IntVector.fromMemorySegment(INTS, w, q + 3 * stride, ORDER);
      FloatVector w0 = pair0.lanewise(LSHL, 16).reinterpretAsFloats();
      FloatVector w1 = pair1.lanewise(LSHL, 16).reinterpretAsFloats();
      FloatVector w2 = pair2.lanewise(LSHL, 16).reinterpretAsFloats();
      FloatVector w3 = pair3.lanewise(LSHL, 16).reinterpretAsFloats();
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
      w0 = pair0.and(HIGH).reinterpretAsFloats();
      w1 = pair1.and(HIGH).reinterpretAsFloats();
      w2 = pair2.and(HIGH).reinterpretAsFloats();
      w3 = pair3.and(HIGH).reinterpretAsFloats();
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
}
