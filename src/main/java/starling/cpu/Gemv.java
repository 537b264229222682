package starling.cpu;

import starling.device.Activation;
import starling.device.Tensor;

/**
 * The product for a handful of rows: every weight row is read once and multiplied with each input
 * row; for one row as it is stored, for more it is widened first. Bound by memory bandwidth.
 */
final class Gemv implements Workers.Task {
  private static final int OUTPUTS = 32;

  private final Workers workers;
  private final Lanes lanes;
  private final float[][] weight;
  private final float[][] sums;

  private Tensor y;
  private float[] in;
  private int rows;
  private CpuLinear w;
  private Activation activation;
  private Tensor residual;
  private Tensor picked;

  Gemv(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
    this.weight = new float[workers.count()][0];
    this.sums = new float[workers.count()][2 * OUTPUTS * Gemm.FEW_ROWS];
  }

  /**
   * @param in the input rows as f32, {@code [rows, w.in()]}
   */
  void run(
      Tensor y,
      float[] in,
      int rows,
      CpuLinear w,
      Activation activation,
      Tensor residual,
      Tensor picked) {
    this.y = y;
    this.in = in;
    this.rows = rows;
    this.w = w;
    this.activation = activation;
    this.residual = residual;
    this.picked = picked;
    for (int i = 0; i < weight.length; i++) {
      if (weight[i].length < Math.max(w.in(), OUTPUTS)) {
        weight[i] = new float[Math.max(w.in(), OUTPUTS)];
      }
    }
    int items = Math.ceilDiv(y.width(), OUTPUTS);
    workers.run(this, items, (long) rows * w.in() * w.out());
  }

  @Override
  public void run(int item, int worker) {
    int first = item * OUTPUTS;
    int n = Math.min(OUTPUTS, y.width() - first);
    multiply(first, n, 0, worker);
    if (activation == Activation.SILU_MUL) {
      multiply(y.width() + first, n, OUTPUTS, worker);
    }
    float[] c = sums[worker];
    float[] scratch = weight[worker];
    for (int t = 0; t < rows; t++) {
      int at = t * 2 * OUTPUTS;
      Gemm.activate(lanes, activation, c, at, at + OUTPUTS, n, scratch);
      if (residual != null) {
        Rows.load(residual, Gemm.source(picked, t), first, n, scratch, 0);
        for (int i = 0; i < n; i++) {
          c[at + i] += scratch[i];
        }
      }
      Rows.store(c, at, y, t, first, n);
    }
  }

  /** Outputs {@code first …} of every row, with bias, to {@code sums} at {@code to}. */
  private void multiply(int first, int n, int to, int worker) {
    float[] widened = weight[worker];
    float[] c = sums[worker];
    for (int j = 0; j < n; j++) {
      int row = first + j;
      float bias = w.bias(row);
      if (rows == 1) {
        c[to + j] = w.dot(lanes, in, row, widened) + bias;
        continue;
      }
      w.load(lanes, row, 0, w.in(), widened, 0);
      for (int t = 0; t < rows; t++) {
        c[t * 2 * OUTPUTS + to + j] = lanes.dot(in, t * w.in(), widened, 0, w.in()) + bias;
      }
    }
  }
}
