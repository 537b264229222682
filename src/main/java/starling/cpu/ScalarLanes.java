package starling.cpu;

import starling.device.Tensor;

/** The inner loops without the Vector API. */
final class ScalarLanes implements Lanes {
  private static final int WIDTH = 16;

  @Override
  public String description() {
    return "scalar (the module jdk.incubator.vector is not in use)";
  }

  @Override
  public int panelWidth() {
    return WIDTH;
  }

  @Override
  public int strip() {
    return WIDTH;
  }

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
    for (int r = 0; r < TILE_ROWS; r++) {
      int to = cAt + r * ldc;
      for (int i = 0; i < k; i++) {
        float x = a[aAt + r * aRow + i * aStep];
        int from = bAt + i * WIDTH;
        for (int j = 0; j < WIDTH; j++) {
          c[to + j] = c[to + j] + x * b[from + j];
        }
      }
    }
  }

  @Override
  public void transpose(float[] rows, int stride, int k, float[] panel, int at) {
    for (int i = 0; i < k; i++) {
      for (int j = 0; j < WIDTH; j++) {
        panel[at + i * WIDTH + j] = rows[j * stride + i];
      }
    }
  }

  @Override
  public void load(Tensor t, int row, int from, int n, float[] out, int at) {
    Rows.load(t, row, from, n, out, at);
  }

  @Override
  public int lanes() {
    return 1;
  }

  /** Nothing to do: one element, and the next. */
  @Override
  public void split(float[] row, int at, int n, float[] out, int to, int step) {
    for (int i = 0; i < n; i++) {
      out[to + i * step] = row[at + i];
    }
  }

  @Override
  public void multiply(
      float[] x, int xAt, int rows, float[] w, int stride, int n, float[] sums, int sumsAt) {
    if (rows == 1) {
      multiplyOne(x, xAt, w, 0, stride, n, sums, sumsAt);
      multiplyOne(x, xAt, w, 4 * stride, stride, n, sums, sumsAt + 4);
      return;
    }
    for (int r = 0; r < GROUP; r += 2) {
      multiplyTwo(x, xAt + r, w, stride, n, sums, sumsAt + 4 * r);
    }
  }

  private static void multiplyOne(
      float[] x, int xAt, float[] w, int wAt, int stride, int n, float[] sums, int sumsAt) {
    float s0 = sums[sumsAt];
    float s1 = sums[sumsAt + 1];
    float s2 = sums[sumsAt + 2];
    float s3 = sums[sumsAt + 3];
    for (int i = 0, j = wAt; i < n; i++, j++) {
      s0 += x[xAt + i] * w[j];
      s1 += x[xAt + i] * w[j + stride];
      s2 += x[xAt + i] * w[j + 2 * stride];
      s3 += x[xAt + i] * w[j + 3 * stride];
    }
    sums[sumsAt] = s0;
    sums[sumsAt + 1] = s1;
    sums[sumsAt + 2] = s2;
    sums[sumsAt + 3] = s3;
  }

  /** Two rows of four, so that all sums stay in 16 registers. */
  private static void multiplyTwo(
      float[] x, int xAt, float[] w, int stride, int n, float[] sums, int sumsAt) {
    float s00 = sums[sumsAt];
    float s01 = sums[sumsAt + 1];
    float s02 = sums[sumsAt + 2];
    float s03 = sums[sumsAt + 3];
    float s10 = sums[sumsAt + 4];
    float s11 = sums[sumsAt + 5];
    float s12 = sums[sumsAt + 6];
    float s13 = sums[sumsAt + 7];
    for (int i = 0, p = xAt; i < n; i++, p += GROUP) {
      float w0 = w[i];
      float w1 = w[i + stride];
      float w2 = w[i + 2 * stride];
      float w3 = w[i + 3 * stride];
      s00 += x[p] * w0;
      s01 += x[p] * w1;
      s02 += x[p] * w2;
      s03 += x[p] * w3;
      s10 += x[p + 1] * w0;
      s11 += x[p + 1] * w1;
      s12 += x[p + 1] * w2;
      s13 += x[p + 1] * w3;
    }
    sums[sumsAt] = s00;
    sums[sumsAt + 1] = s01;
    sums[sumsAt + 2] = s02;
    sums[sumsAt + 3] = s03;
    sums[sumsAt + 4] = s10;
    sums[sumsAt + 5] = s11;
    sums[sumsAt + 6] = s12;
    sums[sumsAt + 7] = s13;
  }

  @Override
  public void multiply(
      float[] x, int xAt, int rows, Tensor t, int row, int from, int n, float[] sums, int sumsAt) {
    throw new UnsupportedOperationException("rows are loaded first");
  }

  /** Rows are always loaded first. */
  @Override
  public int readable(Tensor t) {
    return 0;
  }

  /** Nothing to do: there is one lane. */
  @Override
  public void addUp(float[] sums, int count) {}

  @Override
  public float dot(float[] a, int aAt, float[] b, int bAt, int n) {
    float s0 = 0;
    float s1 = 0;
    float s2 = 0;
    float s3 = 0;
    int i = 0;
    for (; i <= n - 4; i += 4) {
      s0 += a[aAt + i] * b[bAt + i];
      s1 += a[aAt + i + 1] * b[bAt + i + 1];
      s2 += a[aAt + i + 2] * b[bAt + i + 2];
      s3 += a[aAt + i + 3] * b[bAt + i + 3];
    }
    for (; i < n; i++) {
      s0 += a[aAt + i] * b[bAt + i];
    }
    return s0 + s1 + (s2 + s3);
  }

  @Override
  public void addScaled(float[] y, int yAt, float s, float[] x, int xAt, int n) {
    for (int i = 0; i < n; i++) {
      y[yAt + i] += s * x[xAt + i];
    }
  }

  @Override
  public void exp2(float[] x, int at, int n, float scale, float shift) {
    for (int i = at; i < at + n; i++) {
      x[i] = Lanes.exp2(x[i] * scale - shift);
    }
  }

  @Override
  public float sum(float[] x, int at, int n) {
    float sum = 0;
    for (int i = at; i < at + n; i++) {
      sum += x[i];
    }
    return sum;
  }

  @Override
  public float max(float[] x, int at, int n) {
    float max = Float.NEGATIVE_INFINITY;
    for (int i = at; i < at + n; i++) {
      max = Math.max(max, x[i]);
    }
    return max;
  }
}
