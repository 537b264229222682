package starling.cpu;

import starling.device.Activation;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.Tensor;

/**
 * {@code y = activation(norm(x)·wᵀ + bias) + residual}. The weights stay as they are stored; a
 * block of them is widened and packed when it is needed: {@code [K_BLOCK, panel width]}, which lies
 * in the second-level cache while tiles of 6 rows run over it. A sum over k goes by blocks of
 * {@code K_BLOCK} in order, so an element has the same bits whatever the number of rows or threads.
 * Below {@link #FEW_ROWS} rows packing does not pay: see {@link Gemv}.
 */
final class Gemm implements Workers.Task {
  static final int FEW_ROWS = 6;
  private static final int K_BLOCK = 256;
  private static final int MIN_ROW_BLOCK = 96;

  private final Workers workers;
  private final Lanes lanes;
  private final NormRows norms;
  private final Gemv gemv;
  private final float[][] panels;
  private final float[][] sums;
  private final float[][] rowScratch;
  private float[] in = new float[0];

  private Tensor y;
  private Tensor x;
  private Linear w;
  private Norm before;
  private Activation activation;
  private Tensor residual;
  private int columns; // outputs per item
  private int rowBlock;
  private int rowBlocks;

  private final Workers.Task loadRows = this::loadRow;

  Gemm(Workers workers, Lanes lanes, NormRows norms) {
    this.workers = workers;
    this.lanes = lanes;
    this.norms = norms;
    this.gemv = new Gemv(workers, lanes);
    this.panels = new float[workers.count()][K_BLOCK * lanes.panelWidth()];
    this.sums = new float[workers.count()][0];
    this.rowScratch = new float[workers.count()][K_BLOCK];
  }

  void run(Tensor y, Tensor x, Linear w, Norm before, Activation activation, Tensor residual) {
    this.y = y;
    this.x = x;
    this.w = w;
    this.before = before;
    this.activation = activation;
    this.residual = residual;
    int rows = x.rows();
    int padded = Math.ceilDiv(rows, Lanes.TILE_ROWS) * Lanes.TILE_ROWS;
    if (in.length < padded * w.in()) {
      in = new float[padded * w.in()];
    }
    workers.run(loadRows, rows, 4L * rows * w.in());
    if (rows < FEW_ROWS) {
      gemv.run(y, in, rows, w, activation, residual);
      return;
    }
    java.util.Arrays.fill(in, rows * w.in(), padded * w.in(), 0);
    columns = activation == Activation.SILU_MUL ? lanes.panelWidth() / 2 : lanes.panelWidth();
    int columnBlocks = Math.ceilDiv(y.width(), columns);
    int wanted = Math.max(1, 4 * workers.count() / columnBlocks);
    rowBlock =
        Math.max(MIN_ROW_BLOCK, Math.ceilDiv(padded, wanted * Lanes.TILE_ROWS) * Lanes.TILE_ROWS);
    rowBlocks = Math.ceilDiv(rows, rowBlock);
    workers.run(this, columnBlocks * rowBlocks, (long) rows * w.in() * w.out());
  }

  /** One row of the input as f32, normalised if asked and rounded as storage would round it. */
  private void loadRow(int t, int worker) {
    int at = t * w.in();
    Rows.load(x, t, in, at);
    if (before != null) {
      norms.apply(in, at, w.in(), before, worker);
      Rows.round(in, at, w.in(), x.dtype());
    }
  }

  @Override
  public void run(int item, int worker) {
    int firstColumn = item / rowBlocks * columns;
    int firstRow = item % rowBlocks * rowBlock;
    int rows = Math.min(rowBlock, x.rows() - firstRow);
    int width = lanes.panelWidth();
    int padded = Math.ceilDiv(rows, Lanes.TILE_ROWS) * Lanes.TILE_ROWS;
    if (sums[worker].length < padded * width) {
      sums[worker] = new float[padded * width];
    }
    float[] c = sums[worker];
    java.util.Arrays.fill(c, 0, padded * width, 0);
    for (int k0 = 0; k0 < w.in(); k0 += K_BLOCK) {
      int k = Math.min(K_BLOCK, w.in() - k0);
      pack(firstColumn, k0, k, worker);
      for (int r = 0; r < rows; r += Lanes.TILE_ROWS) {
        lanes.tile(
            in, (firstRow + r) * w.in() + k0, w.in(), panels[worker], 0, k, c, r * width, width);
      }
    }
    for (int r = 0; r < rows; r++) {
      finish(c, r * width, firstRow + r, firstColumn, worker);
    }
  }

  /**
   * Columns of the panel are rows of the weight: {@code columns} outputs, or as many gates and as
   * many ups.
   */
  private void pack(int firstColumn, int k0, int k, int worker) {
    int width = lanes.panelWidth();
    float[] panel = panels[worker];
    float[] row = rowScratch[worker];
    for (int j = 0; j < width; j++) {
      int output = firstColumn + j % columns;
      if (output < y.width()) {
        loadWeight(w, output + j / columns * y.width(), k0, k, row);
        for (int i = 0, to = j; i < k; i++, to += width) {
          panel[to] = row[i];
        }
      } else {
        for (int i = 0, to = j; i < k; i++, to += width) {
          panel[to] = 0;
        }
      }
    }
  }

  /** Elements {@code k0 …} of row {@code output} over all parts. */
  static void loadWeight(Linear w, int output, int k0, int k, float[] out) {
    int row = output;
    int part = 0;
    while (row >= w.parts().get(part).rows()) {
      row -= w.parts().get(part).rows();
      part++;
    }
    Rows.load(w.parts().get(part), row, k0, k, out, 0);
  }

  /** Bias, activation, residual, and the one rounding. */
  private void finish(float[] c, int at, int row, int firstColumn, int worker) {
    int n = Math.min(columns, y.width() - firstColumn);
    if (w.bias() != null) {
      for (int i = 0; i < n; i++) {
        c[at + i] += Rows.get(w.bias(), firstColumn + i, 0);
      }
      for (int i = 0; i < n && activation == Activation.SILU_MUL; i++) {
        c[at + columns + i] += Rows.get(w.bias(), y.width() + firstColumn + i, 0);
      }
    }
    activate(lanes, activation, c, at, at + columns, n, rowScratch[worker]);
    if (residual != null) {
      Rows.load(residual, row, firstColumn, n, rowScratch[worker], 0);
      for (int i = 0; i < n; i++) {
        c[at + i] += rowScratch[worker][i];
      }
    }
    Rows.store(c, at, y, row, firstColumn, n);
  }

  /**
   * Applies an activation to {@code n} values at {@code at}.
   *
   * @param up where the ups of SILU_MUL stand, whose gates are at {@code at}
   * @param scratch room for {@code n} values
   */
  static void activate(
      Lanes lanes, Activation activation, float[] c, int at, int up, int n, float[] scratch) {
    switch (activation) {
      case NONE -> {}
      case QUICK_GELU -> silu(lanes, c, at, n, 1.702f, scratch);
      case GELU -> {
        for (int i = at; i < at + n; i++) {
          c[i] = (float) (0.5 * c[i] * (1 + Erf.of(c[i] * Math.sqrt(0.5))));
        }
      }
      case SILU_MUL -> {
        silu(lanes, c, at, n, 1, scratch);
        for (int i = 0; i < n; i++) {
          c[at + i] *= c[up + i];
        }
      }
    }
  }

  /** {@code c = c / (1 + exp(-steepness·c))}. */
  private static void silu(
      Lanes lanes, float[] c, int at, int n, float steepness, float[] scratch) {
    System.arraycopy(c, at, scratch, 0, n);
    lanes.exp2(scratch, 0, n, -steepness * Lanes.LOG2_E, 0);
    for (int i = 0; i < n; i++) {
      c[at + i] /= 1 + scratch[i];
    }
  }
}
