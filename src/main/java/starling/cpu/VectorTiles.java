package starling.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link Lanes#tile} with the Vector API, 6 rows at a time. All sums stay in registers, each in a
 * variable of its own: of an array of vectors the JIT compiler would keep none there.
 */
final class VectorTiles {
  private static final VectorSpecies<Float> S = VectorLanes.S;
  private static final int L = VectorLanes.L;

  private VectorTiles() {}

  /** Of 4 vectors, for processors with 32 registers. */
  static void sixByFour(
      float[] a,
      int aAt,
      int aRow,
      int aStep,
      float[] b,
      int bAt,
      int k,
      float[] c,
      int cAt,
      int ldc) {
    int r0 = cAt;
    int r1 = cAt + 1 * ldc;
    int r2 = cAt + 2 * ldc;
    int r3 = cAt + 3 * ldc;
    int r4 = cAt + 4 * ldc;
    int r5 = cAt + 5 * ldc;
    FloatVector c00 = FloatVector.fromArray(S, c, r0);
    FloatVector c01 = FloatVector.fromArray(S, c, r0 + L);
    FloatVector c02 = FloatVector.fromArray(S, c, r0 + 2 * L);
    FloatVector c03 = FloatVector.fromArray(S, c, r0 + 3 * L);
    FloatVector c10 = FloatVector.fromArray(S, c, r1);
    FloatVector c11 = FloatVector.fromArray(S, c, r1 + L);
    FloatVector c12 = FloatVector.fromArray(S, c, r1 + 2 * L);
    FloatVector c13 = FloatVector.fromArray(S, c, r1 + 3 * L);
    FloatVector c20 = FloatVector.fromArray(S, c, r2);
    FloatVector c21 = FloatVector.fromArray(S, c, r2 + L);
    FloatVector c22 = FloatVector.fromArray(S, c, r2 + 2 * L);
    FloatVector c23 = FloatVector.fromArray(S, c, r2 + 3 * L);
    FloatVector c30 = FloatVector.fromArray(S, c, r3);
    FloatVector c31 = FloatVector.fromArray(S, c, r3 + L);
    FloatVector c32 = FloatVector.fromArray(S, c, r3 + 2 * L);
    FloatVector c33 = FloatVector.fromArray(S, c, r3 + 3 * L);
    FloatVector c40 = FloatVector.fromArray(S, c, r4);
    FloatVector c41 = FloatVector.fromArray(S, c, r4 + L);
    FloatVector c42 = FloatVector.fromArray(S, c, r4 + 2 * L);
    FloatVector c43 = FloatVector.fromArray(S, c, r4 + 3 * L);
    FloatVector c50 = FloatVector.fromArray(S, c, r5);
    FloatVector c51 = FloatVector.fromArray(S, c, r5 + L);
    FloatVector c52 = FloatVector.fromArray(S, c, r5 + 2 * L);
    FloatVector c53 = FloatVector.fromArray(S, c, r5 + 3 * L);
    for (int i = 0, p = bAt, q = aAt; i < k; i++, p += 4 * L, q += aStep) {
      FloatVector b0 = FloatVector.fromArray(S, b, p);
      FloatVector b1 = FloatVector.fromArray(S, b, p + L);
      FloatVector b2 = FloatVector.fromArray(S, b, p + 2 * L);
      FloatVector b3 = FloatVector.fromArray(S, b, p + 3 * L);
      FloatVector x0 = FloatVector.broadcast(S, a[q]);
      c00 = x0.fma(b0, c00);
      c01 = x0.fma(b1, c01);
      c02 = x0.fma(b2, c02);
      c03 = x0.fma(b3, c03);
      FloatVector x1 = FloatVector.broadcast(S, a[q + aRow]);
      c10 = x1.fma(b0, c10);
      c11 = x1.fma(b1, c11);
      c12 = x1.fma(b2, c12);
      c13 = x1.fma(b3, c13);
      FloatVector x2 = FloatVector.broadcast(S, a[q + 2 * aRow]);
      c20 = x2.fma(b0, c20);
      c21 = x2.fma(b1, c21);
      c22 = x2.fma(b2, c22);
      c23 = x2.fma(b3, c23);
      FloatVector x3 = FloatVector.broadcast(S, a[q + 3 * aRow]);
      c30 = x3.fma(b0, c30);
      c31 = x3.fma(b1, c31);
      c32 = x3.fma(b2, c32);
      c33 = x3.fma(b3, c33);
      FloatVector x4 = FloatVector.broadcast(S, a[q + 4 * aRow]);
      c40 = x4.fma(b0, c40);
      c41 = x4.fma(b1, c41);
      c42 = x4.fma(b2, c42);
      c43 = x4.fma(b3, c43);
      FloatVector x5 = FloatVector.broadcast(S, a[q + 5 * aRow]);
      c50 = x5.fma(b0, c50);
      c51 = x5.fma(b1, c51);
      c52 = x5.fma(b2, c52);
      c53 = x5.fma(b3, c53);
    }
    c00.intoArray(c, r0);
    c01.intoArray(c, r0 + L);
    c02.intoArray(c, r0 + 2 * L);
    c03.intoArray(c, r0 + 3 * L);
    c10.intoArray(c, r1);
    c11.intoArray(c, r1 + L);
    c12.intoArray(c, r1 + 2 * L);
    c13.intoArray(c, r1 + 3 * L);
    c20.intoArray(c, r2);
    c21.intoArray(c, r2 + L);
    c22.intoArray(c, r2 + 2 * L);
    c23.intoArray(c, r2 + 3 * L);
    c30.intoArray(c, r3);
    c31.intoArray(c, r3 + L);
    c32.intoArray(c, r3 + 2 * L);
    c33.intoArray(c, r3 + 3 * L);
    c40.intoArray(c, r4);
    c41.intoArray(c, r4 + L);
    c42.intoArray(c, r4 + 2 * L);
    c43.intoArray(c, r4 + 3 * L);
    c50.intoArray(c, r5);
    c51.intoArray(c, r5 + L);
    c52.intoArray(c, r5 + 2 * L);
    c53.intoArray(c, r5 + 3 * L);
  }

  /** Of 2 vectors, for processors with 16 registers. */
  static void sixByTwo(
      float[] a,
      int aAt,
      int aRow,
      int aStep,
      float[] b,
      int bAt,
      int k,
      float[] c,
      int cAt,
      int ldc) {
    int r0 = cAt;
    int r1 = cAt + 1 * ldc;
    int r2 = cAt + 2 * ldc;
    int r3 = cAt + 3 * ldc;
    int r4 = cAt + 4 * ldc;
    int r5 = cAt + 5 * ldc;
    FloatVector c00 = FloatVector.fromArray(S, c, r0);
    FloatVector c01 = FloatVector.fromArray(S, c, r0 + L);
    FloatVector c10 = FloatVector.fromArray(S, c, r1);
    FloatVector c11 = FloatVector.fromArray(S, c, r1 + L);
    FloatVector c20 = FloatVector.fromArray(S, c, r2);
    FloatVector c21 = FloatVector.fromArray(S, c, r2 + L);
    FloatVector c30 = FloatVector.fromArray(S, c, r3);
    FloatVector c31 = FloatVector.fromArray(S, c, r3 + L);
    FloatVector c40 = FloatVector.fromArray(S, c, r4);
    FloatVector c41 = FloatVector.fromArray(S, c, r4 + L);
    FloatVector c50 = FloatVector.fromArray(S, c, r5);
    FloatVector c51 = FloatVector.fromArray(S, c, r5 + L);
    for (int i = 0, p = bAt, q = aAt; i < k; i++, p += 2 * L, q += aStep) {
      FloatVector b0 = FloatVector.fromArray(S, b, p);
      FloatVector b1 = FloatVector.fromArray(S, b, p + L);
      FloatVector x0 = FloatVector.broadcast(S, a[q]);
      c00 = x0.fma(b0, c00);
      c01 = x0.fma(b1, c01);
      FloatVector x1 = FloatVector.broadcast(S, a[q + aRow]);
      c10 = x1.fma(b0, c10);
      c11 = x1.fma(b1, c11);
      FloatVector x2 = FloatVector.broadcast(S, a[q + 2 * aRow]);
      c20 = x2.fma(b0, c20);
      c21 = x2.fma(b1, c21);
      FloatVector x3 = FloatVector.broadcast(S, a[q + 3 * aRow]);
      c30 = x3.fma(b0, c30);
      c31 = x3.fma(b1, c31);
      FloatVector x4 = FloatVector.broadcast(S, a[q + 4 * aRow]);
      c40 = x4.fma(b0, c40);
      c41 = x4.fma(b1, c41);
      FloatVector x5 = FloatVector.broadcast(S, a[q + 5 * aRow]);
      c50 = x5.fma(b0, c50);
      c51 = x5.fma(b1, c51);
    }
    c00.intoArray(c, r0);
    c01.intoArray(c, r0 + L);
    c10.intoArray(c, r1);
    c11.intoArray(c, r1 + L);
    c20.intoArray(c, r2);
    c21.intoArray(c, r2 + L);
    c30.intoArray(c, r3);
    c31.intoArray(c, r3 + L);
    c40.intoArray(c, r4);
    c41.intoArray(c, r4 + L);
    c50.intoArray(c, r5);
    c51.intoArray(c, r5 + L);
  }
}
