package starling.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import starling.device.Tensor;

/** The Vector API on a processor without FMA: products are rounded before they are added. */
final class UnfusedLanes extends VectorLanes {
  @Override
  public String description() {
    return super.description() + ", no FMA";
  }

  /** Two rows by two vectors at a time: half of the work is additions, and loads keep up. */
  @Override
  public void tile(
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
    for (int r = 0; r < TILE_ROWS; r += 2) {
      for (int j = 0; j < panelWidth(); j += 2 * L) {
        tile2x2(a, aAt + r * aRow, aRow, aStep, b, bAt + j, k, c, cAt + r * ldc + j, ldc);
      }
    }
  }

  private void tile2x2(
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
    int width = panelWidth();
    FloatVector c00 = FloatVector.fromArray(S, c, cAt);
    FloatVector c01 = FloatVector.fromArray(S, c, cAt + L);
    FloatVector c10 = FloatVector.fromArray(S, c, cAt + ldc);
    FloatVector c11 = FloatVector.fromArray(S, c, cAt + ldc + L);
    for (int i = 0, p = bAt, q = aAt; i < k; i++, p += width, q += aStep) {
      FloatVector b0 = FloatVector.fromArray(S, b, p);
      FloatVector b1 = FloatVector.fromArray(S, b, p + L);
      FloatVector x0 = FloatVector.broadcast(S, a[q]);
      c00 = x0.mul(b0).add(c00);
      c01 = x0.mul(b1).add(c01);
      FloatVector x1 = FloatVector.broadcast(S, a[q + aRow]);
      c10 = x1.mul(b0).add(c10);
      c11 = x1.mul(b1).add(c11);
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + L);
    c10.intoArray(c, cAt + ldc);
    c11.intoArray(c, cAt + ldc + L);
  }

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    FloatVector s0 = FloatVector.zero(S);
    FloatVector s1 = FloatVector.zero(S);
    FloatVector s2 = FloatVector.zero(S);
    FloatVector s3 = FloatVector.zero(S);
    int i = 0;
    for (; i <= n - 4 * L; i += 4 * L) {
      int p = aAt + i;
      int q = bAt + i;
      s0 = FloatVector.fromArray(S, a, p).mul(FloatVector.fromArray(S, b, q)).add(s0);
      s1 = FloatVector.fromArray(S, a, p + L).mul(FloatVector.fromArray(S, b, q + L)).add(s1);
      s2 =
          FloatVector.fromArray(S, a, p + 2 * L)
              .mul(FloatVector.fromArray(S, b, q + 2 * L))
              .add(s2);
      s3 =
          FloatVector.fromArray(S, a, p + 3 * L)
              .mul(FloatVector.fromArray(S, b, q + 3 * L))
              .add(s3);
    }
    for (; i <= n - L; i += L) {
      s0 = FloatVector.fromArray(S, a, aAt + i).mul(FloatVector.fromArray(S, b, bAt + i)).add(s0);
    }
    FloatVector all = s0.add(s1).add(s2.add(s3));
    all = all.add(all.rearrange(BY_2));
    all = L >= 4 ? all.add(all.rearrange(BY_4)) : all;
    all = L >= 8 ? all.add(all.rearrange(BY_8)) : all;
    all = L >= 16 ? all.add(all.rearrange(BY_16)) : all;
    float sum = all.lane(0);
    for (; i < n; i++) {
      sum += a[aAt + i] * b[bAt + i];
    }
    return sum;
  }

  /** One row after the other: half of the work is additions, and loads keep up. */
  @Override
  public void multiply(
      float[] x, int xAt, int rows, float[] w, int stride, int n, float[] sums, int sumsAt) {
    if (rows == 1) {
      multiplyRow(x, xAt, L, w, 0, stride, n, sums, sumsAt);
      multiplyRow(x, xAt, L, w, 4 * stride, stride, n, sums, sumsAt + 4 * L);
      return;
    }
    for (int r = 0; r < GROUP; r++) {
      multiplyRow(x, xAt + r * L, GROUP * L, w, 0, stride, n, sums, sumsAt + 4 * r * L);
    }
  }

  private static void multiplyRow(
      float[] x,
      int xAt,
      int step,
      float[] w,
      int wAt,
      int stride,
      int n,
      float[] sums,
      int sumsAt) {
    FloatVector c0 = FloatVector.fromArray(S, sums, sumsAt);
    FloatVector c1 = FloatVector.fromArray(S, sums, sumsAt + L);
    FloatVector c2 = FloatVector.fromArray(S, sums, sumsAt + 2 * L);
    FloatVector c3 = FloatVector.fromArray(S, sums, sumsAt + 3 * L);
    for (int i = wAt, p = xAt; i < wAt + n; i += L, p += step) {
      FloatVector w0 = FloatVector.fromArray(S, w, i);
      FloatVector w1 = FloatVector.fromArray(S, w, i + stride);
      FloatVector w2 = FloatVector.fromArray(S, w, i + 2 * stride);
      FloatVector w3 = FloatVector.fromArray(S, w, i + 3 * stride);
      FloatVector v = FloatVector.fromArray(S, x, p);
      c0 = v.mul(w0).add(c0);
      c1 = v.mul(w1).add(c1);
      c2 = v.mul(w2).add(c2);
      c3 = v.mul(w3).add(c3);
    }
    c0.intoArray(sums, sumsAt);
    c1.intoArray(sums, sumsAt + L);
    c2.intoArray(sums, sumsAt + 2 * L);
    c3.intoArray(sums, sumsAt + 3 * L);
  }

  /** Rows are always loaded first. */
  @Override
  public int readable(Tensor t) {
    return 0;
  }

  @Override
  public void addScaled(float[] y, int yAt, float s, float[] x, int xAt, int n) {
    int i = 0;
    for (; i <= n - L; i += L) {
      FloatVector.fromArray(S, x, xAt + i)
          .mul(s)
          .add(FloatVector.fromArray(S, y, yAt + i))
          .intoArray(y, yAt + i);
    }
    for (; i < n; i++) {
      y[yAt + i] += s * x[xAt + i];
    }
  }

  /** The steps of {@link Lanes#exp2(float)}. */
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
      FloatVector p = f.mul(Lanes.P6).add(Lanes.P5);
      p = p.mul(f).add(Lanes.P4);
      p = p.mul(f).add(Lanes.P3);
      p = p.mul(f).add(Lanes.P2);
      p = p.mul(f).add(Lanes.P1);
      p = p.mul(f).add(1f);
      IntVector power =
          shifted.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).add(0x3f800000);
      p.mul(power.reinterpretAsFloats()).intoArray(x, at + i);
    }
    for (; i < n; i++) {
      x[at + i] = Lanes.exp2(x[at + i] * scale - shift);
    }
  }
}
