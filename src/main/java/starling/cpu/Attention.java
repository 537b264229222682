package starling.cpu;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Tensor;

/**
 * Softmax attention, one head and a block of query rows at a time. Scores of the block against all
 * its keys are a product of tiles, then each row is normalised over the keys it may see, then the
 * block of probabilities is multiplied with the values. For a handful of rows, keys and values are
 * read row by row instead.
 */
final class Attention implements Workers.Task {
  private static final int QUERIES = 96;
  private static final int KEYS = 256;

  private final Workers workers;
  private final Lanes lanes;
  private final float[][] scores;
  private final float[][] queries;
  private final float[][] outs;
  private final float[][] panels;
  private final float[][] rows;

  private Tensor out;
  private Tensor lse;
  private Tensor q;
  private Kv kv;
  private Mask mask;
  private float scale;
  private int length;

  Attention(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
    int n = workers.count();
    this.scores = new float[n][0];
    this.queries = new float[n][0];
    this.outs = new float[n][0];
    this.panels = new float[n][0];
    this.rows = new float[n][0];
  }

  void run(Tensor out, Tensor lse, Tensor q, Kv kv, Mask mask, float scale) {
    this.out = out;
    this.lse = lse;
    this.q = q;
    this.kv = kv;
    this.mask = mask;
    this.scale = scale * Lanes.LOG2_E;
    this.length = kv.length() == null ? 0 : Rows.index(kv.length(), 0);
    workers.run(this, q.dim(1) * blocks(), 2L * q.rows() * visible(q.rows() - 1) * q.width());
  }

  private boolean fewRows() {
    return q.rows() < Gemm.FEW_ROWS;
  }

  private int blocks() {
    return fewRows() ? q.rows() : Math.ceilDiv(q.rows(), QUERIES);
  }

  @Override
  public void run(int item, int worker) {
    int head = item / blocks();
    int block = item % blocks();
    if (fewRows()) {
      row(block, head, worker);
    } else {
      block(block * QUERIES, Math.min(QUERIES, q.rows() - block * QUERIES), head, worker);
    }
  }

  /** Keys that row {@code t} may see, before hidden ones are taken out. */
  private int visible(int t) {
    return mask.causal() ? length + t + 1 : length + q.rows();
  }

  private int keyHead(int head) {
    return head / (q.dim(1) / kv.k().dim(1));
  }

  static float[] room(float[][] arrays, int worker, int size) {
    if (arrays[worker].length < size) {
      arrays[worker] = new float[Math.max(size, 2 * arrays[worker].length)];
    }
    return arrays[worker];
  }

  // ---- a block of rows ----

  private void block(int first, int count, int head, int worker) {
    int d = q.dim(2);
    int width = lanes.panelWidth();
    int padded = Math.ceilDiv(count, Lanes.TILE_ROWS) * Lanes.TILE_ROWS;
    int keys = visible(first + count - 1);
    int stride = Math.ceilDiv(keys, width) * width;
    float[] a = room(queries, worker, padded * d);
    float[] s = room(scores, worker, padded * stride);
    float[] panel = room(panels, worker, width * Math.max(d, KEYS));
    for (int r = 0; r < padded; r++) {
      if (r < count) {
        Rows.load(q, first + r, head * d, d, a, r * d);
      } else {
        Arrays.fill(a, r * d, (r + 1) * d, 0);
      }
    }
    Arrays.fill(s, 0, padded * stride, 0);
    for (int j = 0; j < keys; j += width) {
      packKeys(j, Math.min(width, keys - j), head, panel, room(rows, worker, Math.max(d, width)));
      for (int r = 0; r < padded; r += Lanes.TILE_ROWS) {
        lanes.tile(a, r * d, d, 1, panel, 0, d, s, r * stride + j, stride);
      }
    }
    for (int r = 0; r < count; r++) {
      softmax(s, r * stride, visible(first + r), stride, first + r, head);
    }
    multiplyValues(s, stride, keys, first, count, padded, head, worker);
  }

  /** Keys {@code from … from + n} of a head as columns of a panel. */
  private void packKeys(int from, int n, int head, float[] panel, float[] row) {
    int d = q.dim(2);
    int width = lanes.panelWidth();
    for (int j = 0; j < width; j++) {
      if (j < n) {
        Rows.load(kv.k(), from + j, keyHead(head) * d, d, row, 0);
      } else {
        Arrays.fill(row, 0, d, 0);
      }
      for (int i = 0, to = j; i < d; i++, to += width) {
        panel[to] = row[i];
      }
    }
  }

  private boolean hidden(int key) {
    return mask.hidden().memory().get(ValueLayout.JAVA_BYTE, mask.hidden().offset(key)) != 0;
  }

  /**
   * Turns a row of scores into probabilities; keys beyond {@code visible} and hidden ones get 0.
   */
  private void softmax(float[] s, int at, int visible, int stride, int t, int head) {
    for (int j = 0; j < visible && mask.hidden() != null; j++) {
      if (hidden(j)) {
        s[at + j] = Float.NEGATIVE_INFINITY;
      }
    }
    float max = lanes.max(s, at, visible) * scale;
    if (max == Float.NEGATIVE_INFINITY) {
      Arrays.fill(s, at, at + stride, 0);
      max = Float.POSITIVE_INFINITY;
    } else {
      lanes.exp2(s, at, visible, scale, max);
      Arrays.fill(s, at + visible, at + stride, 0);
      float sum = lanes.sum(s, at, visible);
      float inverse = 1 / sum;
      for (int j = at; j < at + visible; j++) {
        s[j] *= inverse;
      }
      max += (float) (Math.log(sum) / Math.log(2));
    }
    if (lse != null) {
      Rows.set(lse, head, t, max);
    }
  }

  private void multiplyValues(
      float[] s, int stride, int keys, int first, int count, int padded, int head, int worker) {
    int d = q.dim(2);
    int width = lanes.panelWidth();
    float[] panel = panels[worker];
    float[] o = room(outs, worker, padded * width);
    for (int column = 0; column < d; column += width) {
      int n = Math.min(width, d - column);
      Arrays.fill(o, 0, padded * width, 0);
      for (int j0 = 0; j0 < keys; j0 += KEYS) {
        int k = Math.min(KEYS, keys - j0);
        for (int j = 0; j < k; j++) {
          Rows.load(kv.v(), j0 + j, keyHead(head) * d + column, n, panel, j * width);
          Arrays.fill(panel, j * width + n, (j + 1) * width, 0);
        }
        for (int r = 0; r < padded; r += Lanes.TILE_ROWS) {
          lanes.tile(s, r * stride + j0, stride, 1, panel, 0, k, o, r * width, width);
        }
      }
      for (int r = 0; r < count; r++) {
        Rows.store(o, r * width, out, first + r, head * d + column, n);
      }
    }
  }

  // ---- one row ----

  private void row(int t, int head, int worker) {
    int d = q.dim(2);
    int keys = visible(t);
    float[] a = room(queries, worker, d);
    float[] s = room(scores, worker, keys);
    float[] row = room(rows, worker, d);
    float[] o = room(outs, worker, d);
    Rows.load(q, t, head * d, d, a, 0);
    for (int j = 0; j < keys; j++) {
      Rows.load(kv.k(), j, keyHead(head) * d, d, row, 0);
      s[j] = lanes.dot(a, 0, row, 0, d);
    }
    softmax(s, 0, keys, keys, t, head);
    Arrays.fill(o, 0, d, 0);
    for (int j = 0; j < keys; j++) {
      if (s[j] != 0) {
        Rows.load(kv.v(), j, keyHead(head) * d, d, row, 0);
        lanes.addScaled(o, 0, s[j], row, 0, d);
      }
    }
    Rows.store(o, 0, out, t, head * d, d);
  }
}
