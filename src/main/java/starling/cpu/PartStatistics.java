package starling.cpu;

import starling.device.ProductRows;
import starling.device.Tensor;

/** Statistics of rows, part by part ({@link ProductRows}); in f32, the mean first. */
final class PartStatistics implements Workers.Task {
  private final Workers workers;
  private final Lanes lanes;
  private final float[][] rows;

  private Tensor statistics;
  private Tensor x;
  private int parts;
  private int columns;

  PartStatistics(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
    this.rows = new float[workers.count()][0];
  }

  void run(Tensor statistics, Tensor x) {
    this.statistics = statistics;
    this.x = x;
    this.parts = statistics.width() / 2;
    this.columns = ProductRows.columns(parts, x.width());
    workers.run(this, x.rows(), 4L * x.rows() * x.width());
  }

  @Override
  public void run(int t, int worker) {
    float[] row = Attention.scratch(rows, worker, x.width());
    Rows.load(x, t, row, 0);
    for (int p = 0; p < parts; p++) {
      int from = p * columns;
      int n = Math.min(columns, x.width() - from);
      float mean = lanes.sum(row, from, n) / n;
      for (int i = from; i < from + n; i++) {
        row[i] -= mean;
      }
      Rows.set(statistics, t, 2 * p, mean);
      Rows.set(statistics, t, 2 * p + 1, lanes.dot(row, from, row, from, n));
    }
  }
}
