package starling.cpu;

import starling.device.Norm;
import starling.device.Tensor;

/** Layer norm and RMS norm of rows; mean and mean square are computed in f32. */
final class NormRows implements Workers.Task {
  private final Workers workers;
  private final Lanes lanes;
  private final float[][] rows;
  private final float[][] weights;

  private Tensor out;
  private Tensor x;
  private Norm norm;

  NormRows(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
    this.rows = new float[workers.count()][0];
    this.weights = new float[workers.count()][0];
  }

  void run(Tensor out, Tensor x, Norm norm) {
    this.out = out;
    this.x = x;
    this.norm = norm;
    workers.run(this, x.rows(), 4L * x.rows() * x.width());
  }

  @Override
  public void run(int t, int worker) {
    int d = x.width();
    if (rows[worker].length < d) {
      rows[worker] = new float[d];
    }
    Rows.load(x, t, rows[worker], 0);
    apply(rows[worker], 0, d, norm, worker);
    Rows.store(rows[worker], 0, out, t, 0, d);
  }

  /** Normalises one row in place. */
  void apply(float[] row, int at, int d, Norm norm, int worker) {
    if (weights[worker].length < d) {
      weights[worker] = new float[d];
    }
    float[] weight = weights[worker];
    if (norm.bias() != null) {
      float mean = lanes.sum(row, at, d) / d;
      for (int i = at; i < at + d; i++) {
        row[i] -= mean;
      }
    }
    float scale = (float) (1 / Math.sqrt(lanes.dot(row, at, row, at, d) / d + norm.eps()));
    column(norm.weight(), weight, d);
    for (int i = 0; i < d; i++) {
      row[at + i] = row[at + i] * scale * weight[i];
    }
    if (norm.bias() != null) {
      column(norm.bias(), weight, d);
      for (int i = 0; i < d; i++) {
        row[at + i] += weight[i];
      }
    }
  }

  /** A vector tensor {@code [D]} as an array; its elements are contiguous. */
  private static void column(Tensor vector, float[] out, int d) {
    Rows.load(vector, 0, 0, d, out, 0);
  }
}
