package starling.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** The inner loops with the Vector API. Loaded only where the incubator module is present. */
final class VectorLanes implements Lanes {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final int L = S.length();

  /** 32 registers hold a tile of 6 by 4 vectors, 16 one of 6 by 2. */
  private static final boolean WIDE = S.vectorBitSize() >= 512;

  @Override
  public String description() {
    return "Vector API, " + S.vectorBitSize() + " bits";
  }

  @Override
  public int panelWidth() {
    return (WIDE ? 4 : 2) * L;
  }

  @Override
  public void tile(
      float[] a, int aAt, int lda, float[] b, int bAt, int k, float[] c, int cAt, int ldc) {
    if (WIDE) {
      tile6x4(a, aAt, lda, b, bAt, k, c, cAt, ldc);
    } else {
      tile6x2(a, aAt, lda, b, bAt, k, c, cAt, ldc);
    }
  }

  /**
   * 6 rows by 4 vectors, all sums in registers; written out, since C2 keeps no array of vectors
   * there.
   */
  private static void tile6x4(
      float[] a, int aAt, int lda, float[] b, int bAt, int k, float[] c, int cAt, int ldc) {
    int a0 = aAt;
    int a1 = aAt + 1 * lda;
    int a2 = aAt + 2 * lda;
    int a3 = aAt + 3 * lda;
    int a4 = aAt + 4 * lda;
    int a5 = aAt + 5 * lda;
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
    for (int i = 0, p = bAt; i < k; i++, p += 4 * L) {
      FloatVector b0 = FloatVector.fromArray(S, b, p);
      FloatVector b1 = FloatVector.fromArray(S, b, p + L);
      FloatVector b2 = FloatVector.fromArray(S, b, p + 2 * L);
      FloatVector b3 = FloatVector.fromArray(S, b, p + 3 * L);
      FloatVector x0 = FloatVector.broadcast(S, a[a0 + i]);
      c00 = x0.fma(b0, c00);
      c01 = x0.fma(b1, c01);
      c02 = x0.fma(b2, c02);
      c03 = x0.fma(b3, c03);
      FloatVector x1 = FloatVector.broadcast(S, a[a1 + i]);
      c10 = x1.fma(b0, c10);
      c11 = x1.fma(b1, c11);
      c12 = x1.fma(b2, c12);
      c13 = x1.fma(b3, c13);
      FloatVector x2 = FloatVector.broadcast(S, a[a2 + i]);
      c20 = x2.fma(b0, c20);
      c21 = x2.fma(b1, c21);
      c22 = x2.fma(b2, c22);
      c23 = x2.fma(b3, c23);
      FloatVector x3 = FloatVector.broadcast(S, a[a3 + i]);
      c30 = x3.fma(b0, c30);
      c31 = x3.fma(b1, c31);
      c32 = x3.fma(b2, c32);
      c33 = x3.fma(b3, c33);
      FloatVector x4 = FloatVector.broadcast(S, a[a4 + i]);
      c40 = x4.fma(b0, c40);
      c41 = x4.fma(b1, c41);
      c42 = x4.fma(b2, c42);
      c43 = x4.fma(b3, c43);
      FloatVector x5 = FloatVector.broadcast(S, a[a5 + i]);
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

  /**
   * 6 rows by 2 vectors, all sums in registers; written out, since C2 keeps no array of vectors
   * there.
   */
  private static void tile6x2(
      float[] a, int aAt, int lda, float[] b, int bAt, int k, float[] c, int cAt, int ldc) {
    int a0 = aAt;
    int a1 = aAt + 1 * lda;
    int a2 = aAt + 2 * lda;
    int a3 = aAt + 3 * lda;
    int a4 = aAt + 4 * lda;
    int a5 = aAt + 5 * lda;
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
    for (int i = 0, p = bAt; i < k; i++, p += 2 * L) {
      FloatVector b0 = FloatVector.fromArray(S, b, p);
      FloatVector b1 = FloatVector.fromArray(S, b, p + L);
      FloatVector x0 = FloatVector.broadcast(S, a[a0 + i]);
      c00 = x0.fma(b0, c00);
      c01 = x0.fma(b1, c01);
      FloatVector x1 = FloatVector.broadcast(S, a[a1 + i]);
      c10 = x1.fma(b0, c10);
      c11 = x1.fma(b1, c11);
      FloatVector x2 = FloatVector.broadcast(S, a[a2 + i]);
      c20 = x2.fma(b0, c20);
      c21 = x2.fma(b1, c21);
      FloatVector x3 = FloatVector.broadcast(S, a[a3 + i]);
      c30 = x3.fma(b0, c30);
      c31 = x3.fma(b1, c31);
      FloatVector x4 = FloatVector.broadcast(S, a[a4 + i]);
      c40 = x4.fma(b0, c40);
      c41 = x4.fma(b1, c41);
      FloatVector x5 = FloatVector.broadcast(S, a[a5 + i]);
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

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    FloatVector s0 = FloatVector.zero(S);
    FloatVector s1 = FloatVector.zero(S);
    FloatVector s2 = FloatVector.zero(S);
    FloatVector s3 = FloatVector.zero(S);
    int i = 0;
    for (; i <= n - 4 * L; i += 4 * L) {
      s0 = FloatVector.fromArray(S, a, aAt + i).fma(FloatVector.fromArray(S, b, bAt + i), s0);
      s1 =
          FloatVector.fromArray(S, a, aAt + i + L)
              .fma(FloatVector.fromArray(S, b, bAt + i + L), s1);
      s2 =
          FloatVector.fromArray(S, a, aAt + i + 2 * L)
              .fma(FloatVector.fromArray(S, b, bAt + i + 2 * L), s2);
      s3 =
          FloatVector.fromArray(S, a, aAt + i + 3 * L)
              .fma(FloatVector.fromArray(S, b, bAt + i + 3 * L), s3);
    }
    for (; i <= n - L; i += L) {
      s0 = FloatVector.fromArray(S, a, aAt + i).fma(FloatVector.fromArray(S, b, bAt + i), s0);
    }
    float sum = s0.add(s1).add(s2.add(s3)).reduceLanes(VectorOperators.ADD);
    for (; i < n; i++) {
      sum = Math.fma(a[aAt + i], b[bAt + i], sum);
    }
    return sum;
  }

  @Override
  public void addScaled(float[] y, int yAt, float s, float[] x, int xAt, int n) {
    FloatVector factor = FloatVector.broadcast(S, s);
    int i = 0;
    for (; i <= n - L; i += L) {
      factor
          .fma(FloatVector.fromArray(S, x, xAt + i), FloatVector.fromArray(S, y, yAt + i))
          .intoArray(y, yAt + i);
    }
    for (; i < n; i++) {
      y[yAt + i] = Math.fma(s, x[xAt + i], y[yAt + i]);
    }
  }

  /**
   * The steps of {@link Lanes#exp2(float)}; in one piece, since a vector handed to a method may be
   * boxed.
   */
  @Override
  public void exp2(float[] x, int at, int n, float scale, float shift) {
    int i = 0;
    for (; i <= n - L; i += L) {
      FloatVector v =
          FloatVector.fromArray(S, x, at + i)
              .mul(scale)
              .sub(shift)
              .lanewise(VectorOperators.MIN, 126f)
              .lanewise(VectorOperators.MAX, -127f);
      FloatVector shifted = v.add(Lanes.ROUND);
      FloatVector f = v.sub(shifted.sub(Lanes.ROUND));
      FloatVector p = FloatVector.broadcast(S, Lanes.P6);
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P5));
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P4));
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P3));
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P2));
      p = p.fma(f, FloatVector.broadcast(S, Lanes.P1));
      p = p.fma(f, FloatVector.broadcast(S, 1f));
      IntVector power =
          shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).add(0x3f800000);
      p.mul(power.reinterpretAsFloats()).intoArray(x, at + i);
    }
    for (; i < n; i++) {
      x[at + i] = Lanes.exp2(x[at + i] * scale - shift);
    }
  }

  @Override
  public float sum(float[] x, int at, int n) {
    FloatVector s = FloatVector.zero(S);
    int i = 0;
    for (; i <= n - L; i += L) {
      s = s.add(FloatVector.fromArray(S, x, at + i));
    }
    float sum = s.reduceLanes(VectorOperators.ADD);
    for (; i < n; i++) {
      sum += x[at + i];
    }
    return sum;
  }

  @Override
  public float max(float[] x, int at, int n) {
    FloatVector m = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY);
    int i = 0;
    for (; i <= n - L; i += L) {
      m = m.max(FloatVector.fromArray(S, x, at + i));
    }
    float max = m.reduceLanes(VectorOperators.MAX);
    for (; i < n; i++) {
      max = Math.max(max, x[at + i]);
    }
    return max;
  }
}
