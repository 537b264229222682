package starling.cpu;

import java.util.Arrays;
import starling.device.Activation;
import starling.device.Tensor;

/**
 * The product for a handful of rows: every weight is read once and multiplied with all of them.
 * Input rows are packed by fours, vector beside vector. Weights are taken as they are stored where
 * the lanes can, else a piece of some rows is widened or decoded first. A row has the same bits
 * whatever rows stand beside it.
 */
final class Gemv implements Workers.Task {
  /** Rows of a call at most; with more {@link Gemm} is faster. */
  static final int ROWS = 16;

  private static final int OUTPUTS = 32;
  private static final int PIECE = 1024; // elements of a row; whole blocks of every format
  private static final int GROUP = Lanes.GROUP;
  private static final int MOST = Lanes.outputs(1);

  private final Workers workers;
  private final Lanes lanes;
  private final float[][] loaded;
  private final float[][] pieces;
  private final float[][] sums;
  private final float[][] outputs;
  private float[] in = new float[0];

  private Tensor y;
  private int rows;
  private CpuLinear w;
  private Activation activation;
  private Tensor residual;
  private Tensor picked;

  Gemv(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
    this.loaded = new float[workers.count()][PIECE];
    this.pieces = new float[workers.count()][MOST * PIECE];
    this.sums = new float[workers.count()][ROWS * MOST * lanes.lanes()];
    this.outputs = new float[workers.count()][2 * OUTPUTS * ROWS];
  }

  /** Makes room for the input of a call; its rows are {@link #place placed} next. */
  void makeRoom(int rows, int width) {
    int floats = Math.ceilDiv(rows, GROUP) * GROUP * padded(width);
    if (in.length < floats) {
      in = new float[floats];
    }
  }

  /** Elements of a row, and zeros up to what lanes take at a time. */
  int padded(int width) {
    return Math.ceilDiv(width, 2 * lanes.lanes()) * 2 * lanes.lanes();
  }

  /** Rows that stand packed together; of the last four some may be of no use. */
  private static int together(int rows) {
    return rows == 1 ? 1 : GROUP;
  }

  /**
   * Takes row {@code t} of {@code rows} in.
   *
   * @param row has room for {@link #padded} elements
   */
  void place(float[] row, int width, int t, int rows) {
    int n = padded(width);
    Arrays.fill(row, width, n, 0);
    int at = t / GROUP * GROUP * n + t % GROUP * lanes.lanes();
    lanes.split(row, 0, n, in, at, together(rows) * lanes.lanes());
  }

  /** Multiplies the rows that have been placed. */
  void run(Tensor y, int rows, CpuLinear w, Activation activation, Tensor residual, Tensor picked) {
    this.y = y;
    this.rows = rows;
    this.w = w;
    this.activation = activation;
    this.residual = residual;
    this.picked = picked;
    int items = Math.ceilDiv(y.width(), OUTPUTS);
    workers.run(this, items, (long) rows * w.in() * w.out());
  }

  @Override
  public void run(int item, int worker) {
    int first = item * OUTPUTS;
    int n = Math.min(OUTPUTS, y.width() - first);
    int step = Lanes.outputs(rows);
    for (int j = 0; j < n; j += step) {
      multiply(first + j, Math.min(step, n - j), j, worker);
      if (activation == Activation.SILU_MUL) {
        multiply(y.width() + first + j, Math.min(step, n - j), OUTPUTS + j, worker);
      }
    }
    float[] c = outputs[worker];
    float[] scratch = loaded[worker];
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

  /** {@code n} outputs of every row, with bias, to {@code outputs} at {@code to}. */
  private void multiply(int output, int n, int to, int worker) {
    int l = lanes.lanes();
    int all = Lanes.outputs(rows);
    float[] s = sums[worker];
    Arrays.fill(s, 0, Math.ceilDiv(rows, GROUP) * together(rows) * all * l, 0);
    int stored = 0;
    for (int t = 0; t < rows; t += GROUP) {
      int at = t * padded(w.in());
      stored = w.multiply(lanes, in, at, together(rows), output, s, t * all * l);
    }
    multiplyLoaded(output, n, stored, worker);
    for (int j = 0; j < n; j++) {
      float bias = w.bias(output + j);
      for (int t = 0; t < rows; t++) {
        outputs[worker][t * 2 * OUTPUTS + to + j] = lanes.sum(s, (t * all + j) * l, l) + bias;
      }
    }
  }

  /** Elements {@code from …} of {@code n} rows of weights, piece by piece. */
  private void multiplyLoaded(int output, int n, int from, int worker) {
    float[] row = loaded[worker];
    float[] piece = pieces[worker];
    int together = together(rows);
    for (int k = from; k < w.in(); k += PIECE) {
      int width = Math.min(PIECE, w.in() - k);
      int whole = padded(width);
      for (int j = 0; j < n; j++) {
        w.load(lanes, output + j, k, width, row, 0);
        Arrays.fill(row, width, whole, 0);
        lanes.split(row, 0, whole, piece, j * PIECE, lanes.lanes());
      }
      for (int t = 0; t < rows; t += GROUP) {
        int at = t * padded(w.in()) + k * together;
        int to = t * Lanes.outputs(rows) * lanes.lanes();
        lanes.multiply(in, at, together, piece, PIECE, whole, sums[worker], to);
      }
    }
  }
}
