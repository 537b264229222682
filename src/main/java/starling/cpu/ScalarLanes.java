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
  public float dot(float[] a, int aAt, Tensor t, int row, float[] scratch) {
    Rows.load(t, row, scratch, 0);
    return dot(a, aAt, scratch, 0, t.width());
  }

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
