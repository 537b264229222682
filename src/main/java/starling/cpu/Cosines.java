package starling.cpu;

import starling.device.Tensor;

/**
 * Cosines of all pairs of rows from their products, {@code G_ij / √(G_ii·G_jj)}, divided in double.
 * A product of two rows is added up in the same order whichever of them comes first, so that each
 * pair is multiplied once.
 */
final class Cosines implements Workers.Task {
  private final Workers workers;
  private final Lanes lanes;
  private float[] rows = new float[0];
  private float[] norms = new float[0];
  private boolean[] finite = new boolean[0];
  private Tensor out;
  private int width;

  Cosines(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
  }

  void run(Tensor out, Tensor x, Tensor nonFinite) {
    int n = x.rows();
    this.out = out;
    width = x.width();
    rows = rows.length < n * width ? new float[n * width] : rows;
    norms = norms.length < n ? new float[n] : norms;
    finite = finite.length < n ? new boolean[n] : finite;
    for (int i = 0; i < n; i++) {
      Rows.load(x, i, rows, i * width);
      norms[i] = lanes.dot(rows, i * width, rows, i * width, width);
    }
    workers.run(this, n, (long) n * n / 2 * width);
    for (int i = 0; i < n; i++) {
      if (!finite[i]) {
        Rows.setIndex(nonFinite, 0, 1);
      }
    }
  }

  @Override
  public void run(int i, int worker) {
    boolean all = true;
    for (int j = i; j < out.rows(); j++) {
      float product = lanes.dot(rows, i * width, rows, j * width, width);
      float cosine = (float) (product / Math.sqrt((double) norms[i] * norms[j]));
      Rows.set(out, i, j, cosine);
      Rows.set(out, j, i, cosine);
      all &= Float.isFinite(cosine);
    }
    finite[i] = all;
  }
}
