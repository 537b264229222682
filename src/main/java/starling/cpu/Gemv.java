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
  private static final int K_BLOCK = 1024;
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
  private int step; // outputs of a multiplication
  private int items; // outputs of an item
  private boolean split; // whether the order of elements is that of Lanes.split
  private CpuLinear w;
  private Activation activation;
  private Tensor residual;
  private Tensor picked;

  Gemv(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
    this.loaded = new float[workers.count()][PIECE];
    this.pieces = new float[workers.count()][MOST * PIECE];
    this.sums = new float[workers.count()][ROWS * OUTPUTS * lanes.lanes()];
    this.outputs = new float[workers.count()][2 * OUTPUTS * ROWS];
  }

  /** Makes room for the input of a call; its rows are {@link #place placed} next. */
  void makeRoom(int rows, CpuLinear w) {
    this.rows = rows;
    this.w = w;
    this.split = w.isReadable(lanes);
    int floats = Math.ceilDiv(rows, GROUP) * GROUP * padded(w.in());
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
   * Takes row {@code t} in.
   *
   * @param row has room for {@link #padded} elements
   */
  void place(float[] row, int t) {
    int n = padded(w.in());
    Arrays.fill(row, w.in(), n, 0);
    int at = t / GROUP * GROUP * n + t % GROUP * lanes.lanes();
    int step = together(rows) * lanes.lanes();
    if (split) {
      lanes.split(row, 0, n, in, at, step);
      return;
    }
    int l = rows == 1 ? n : lanes.lanes();
    for (int i = 0; i < n; i += l, at += step) {
      System.arraycopy(row, i, in, at, l);
    }
  }

  /** Multiplies the rows that have been placed. */
  void run(Tensor y, Activation activation, Tensor residual, Tensor picked) {
    this.y = y;
    this.step = Lanes.outputs(rows);
    this.items = rows > 8 ? OUTPUTS / 2 : OUTPUTS;
    this.activation = activation;
    this.residual = residual;
    this.picked = picked;
    workers.run(this, Math.ceilDiv(y.width(), items), (long) rows * w.in() * w.out());
  }

  @Override
  public void run(int item, int worker) {
    int first = item * items;
    int n = Math.min(items, y.width() - first);
    multiply(first, n, 0, worker);
    if (activation == Activation.SILU_MUL) {
      multiply(y.width() + first, n, OUTPUTS, worker);
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

  /** Outputs {@code first …} of every row, with bias, to {@code outputs} at {@code to}. */
  private void multiply(int first, int n, int to, int worker) {
    float[] s = sums[worker];
    int count = Math.ceilDiv(rows, GROUP) * together(rows) * items;
    Arrays.fill(s, 0, count * lanes.lanes(), 0);
    int stored = w.readable(lanes, first, Math.ceilDiv(n, step) * step);
    int block = rows == 1 ? Math.max(1, stored) : K_BLOCK;
    for (int k = 0; k < stored; k += block) {
      multiplyStored(first, n, k, Math.min(block, stored - k), s);
    }
    if (stored < w.in()) {
      multiplyLoaded(first, n, stored, worker);
    }
    lanes.addUp(s, count);
    for (int j = 0; j < n; j += step) {
      for (int o = j; o < Math.min(n, j + step); o++) {
        finish(s, j, o, w.bias(first + o), outputs[worker], to + o);
      }
    }
  }

  /** Output {@code o} of every row, which stands in the group from {@code j} on. */
  private void finish(float[] s, int j, int o, float bias, float[] out, int to) {
    for (int t = 0; t < rows; t += GROUP) {
      int at = sum(t, j) + o - j;
      for (int r = t; r < Math.min(rows, t + GROUP); r++, at += step) {
        out[r * 2 * OUTPUTS + to] = s[at] + bias;
      }
    }
  }

  /** The number of the first sum of rows {@code t …} and outputs {@code j …} of an item. */
  private int sum(int t, int j) {
    return t * items + j * together(rows);
  }

  /** A block of k as it is stored: four rows of the input stay in the first cache meanwhile. */
  private void multiplyStored(int first, int n, int k, int width, float[] s) {
    int together = together(rows);
    for (int t = 0; t < rows; t += GROUP) {
      int at = t * padded(w.in()) + k * together;
      for (int j = 0; j < n; j += step) {
        w.multiply(lanes, in, at, together, first + j, k, width, s, sum(t, j) * lanes.lanes());
      }
    }
  }

  /** Elements {@code from …} of {@code n} rows of weights, piece by piece. */
  private void multiplyLoaded(int first, int n, int from, int worker) {
    float[] piece = pieces[worker];
    int together = together(rows);
    for (int j = 0; j < n; j += step) {
      for (int k = from; k < w.in(); k += PIECE) {
        int width = Math.min(PIECE, w.in() - k);
        int whole = padded(width);
        for (int o = 0; o < Math.min(step, n - j); o++) {
          load(first + j + o, k, width, whole, o * PIECE, worker);
        }
        for (int t = 0; t < rows; t += GROUP) {
          int at = t * padded(w.in()) + k * together;
          lanes.multiply(
              in, at, together, piece, PIECE, whole, sums[worker], sum(t, j) * lanes.lanes());
        }
      }
    }
  }

  /** Elements {@code k …} of a row of weights as they stand beside x, with zeros up to a whole. */
  private void load(int output, int k, int width, int whole, int to, int worker) {
    float[] row = split ? loaded[worker] : pieces[worker];
    int at = split ? 0 : to;
    w.load(lanes, output, k, width, row, at);
    Arrays.fill(row, at + width, at + whole, 0);
    if (split) {
      lanes.split(row, 0, whole, pieces[worker], to, lanes.lanes());
    }
  }
}
