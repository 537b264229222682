package starling.cpu;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import starling.device.AttentionInputs;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Segments;
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
  private static final int FEW_ROWS = 6;

  /** Heads that a row takes at a time at most: their keys stand side by side in memory. */
  private static final int HEADS = 8;

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
  private int together; // heads that a row takes at a time
  private final SegmentRows segments = new SegmentRows();

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

  void run(Tensor out, Tensor lse, AttentionInputs in) {
    this.out = out;
    this.lse = lse;
    this.q = in.q();
    this.kv = in.kv();
    this.mask = in.mask();
    this.scale = in.scale() * Lanes.LOG2_E;
    segments.read(kv.segments(), q.rows());
    together = Math.clamp((long) q.rows() * q.dim(1) / (4L * workers.count()), 1, HEADS);
    long cost = 0;
    for (int s = 0; s < segments.count(); s++) {
      int n = segments.rows(s);
      segments.items(s, few(n) ? n * groups() : q.dim(1) * blocks(n));
      cost += 2L * n * visible(s, n - 1) * q.width();
    }
    workers.run(this, segments.items(), cost);
  }

  /**
   * Whether the rows of a segment are taken one by one. Their own number decides, so that they have
   * the same bits alone and beside other segments.
   */
  private static boolean few(int rows) {
    return rows < FEW_ROWS;
  }

  private static int blocks(int rows) {
    return Math.ceilDiv(rows, QUERIES);
  }

  /** In how many turns a row takes its heads. */
  private int groups() {
    return Math.ceilDiv(q.dim(1), together);
  }

  @Override
  public void run(int item, int worker) {
    int segment = segments.of(item);
    int rows = segments.rows(segment);
    int within = segments.within(item, segment);
    if (few(rows)) {
      int head = within % groups() * together;
      int heads = Math.min(together, q.dim(1) - head);
      attendRow(segment, within / groups(), head, heads, worker);
    } else {
      int blocks = blocks(rows);
      int first = within % blocks * QUERIES;
      attendBlock(segment, first, Math.min(QUERIES, rows - first), within / blocks, worker);
    }
  }

  /** Keys that row {@code i} of a segment may see, before hidden ones are taken out. */
  private int visible(int segment, int i) {
    int length = segments.length(segment);
    return mask.causal() ? length + i + 1 : length + segments.rows(segment);
  }

  private int keyHead(int head) {
    return head / (q.dim(1) / kv.k().dim(1));
  }

  /** A thread's own array of at least {@code size} floats, kept for its next item. */
  static float[] scratch(float[][] arrays, int worker, int size) {
    if (arrays[worker].length < size) {
      arrays[worker] = new float[Math.max(size, 2 * arrays[worker].length)];
    }
    return arrays[worker];
  }

  // ---- a block of rows ----

  private void attendBlock(int segment, int first, int count, int head, int worker) {
    int d = q.dim(2);
    int width = lanes.panelWidth();
    int padded = Math.ceilDiv(count, Lanes.TILE_ROWS) * Lanes.TILE_ROWS;
    int keys = visible(segment, first + count - 1);
    int row = segments.row(segment) + first;
    int at = segments.at(segment);
    int stride = Math.ceilDiv(keys, width) * width;
    float[] a = scratch(queries, worker, padded * d);
    float[] s = scratch(scores, worker, padded * stride);
    float[] panel = scratch(panels, worker, width * Math.max(d, KEYS));
    for (int r = 0; r < padded; r++) {
      if (r < count) {
        lanes.load(q, row + r, head * d, d, a, r * d);
      } else {
        Arrays.fill(a, r * d, (r + 1) * d, 0);
      }
    }
    Arrays.fill(s, 0, padded * stride, 0);
    for (int j = 0; j < keys; j += width) {
      float[] key = scratch(rows, worker, Math.max(d, width));
      packKeys(at + j, Math.min(width, keys - j), head, panel, key);
      for (int r = 0; r < padded; r += Lanes.TILE_ROWS) {
        lanes.tile(a, r * d, d, 1, panel, 0, d, s, r * stride + j, stride);
      }
    }
    for (int r = 0; r < count; r++) {
      softmax(s, r * stride, visible(segment, first + r), stride, segment, row + r, head);
    }
    multiplyValues(s, stride, at, keys, row, count, padded, head, worker);
  }

  /** Keys {@code from … from + n} of a head as columns of a panel. */
  private void packKeys(int from, int n, int head, float[] panel, float[] row) {
    int d = q.dim(2);
    int width = lanes.panelWidth();
    for (int j = 0; j < width; j++) {
      if (j < n) {
        lanes.load(kv.k(), from + j, keyHead(head) * d, d, row, 0);
      } else {
        Arrays.fill(row, 0, d, 0);
      }
      for (int i = 0, to = j; i < d; i++, to += width) {
        panel[to] = row[i];
      }
    }
  }

  /** Where the bytes of a segment's hidden keys begin, -1 if it has none. */
  static int hiddenAt(Mask mask, SegmentRows segments, int segment) {
    return mask.hidden() == null ? -1 : segments.get(segment, Segments.HIDDEN);
  }

  /** Whether byte {@code at} of the mask hides its key. */
  static boolean hidden(Mask mask, int at) {
    return mask.hidden().memory().get(ValueLayout.JAVA_BYTE, mask.hidden().offset(at)) != 0;
  }

  /**
   * Turns a row of scores into probabilities; keys beyond {@code visible} and hidden ones get 0.
   */
  private void softmax(float[] s, int at, int visible, int stride, int segment, int t, int head) {
    int hiddenAt = hiddenAt(mask, segments, segment);
    for (int j = 0; j < visible && hiddenAt >= 0; j++) {
      if (hidden(mask, hiddenAt + j)) {
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

  /** The block's probabilities times the values, in panels of columns. */
  private void multiplyValues(
      float[] s,
      int stride,
      int at,
      int keys,
      int row,
      int count,
      int padded,
      int head,
      int worker) {
    int d = q.dim(2);
    int width = lanes.panelWidth();
    float[] panel = panels[worker];
    float[] o = scratch(outs, worker, padded * width);
    for (int column = 0; column < d; column += width) {
      int n = Math.min(width, d - column);
      Arrays.fill(o, 0, padded * width, 0);
      for (int j0 = 0; j0 < keys; j0 += KEYS) {
        int k = Math.min(KEYS, keys - j0);
        for (int j = 0; j < k; j++) {
          lanes.load(kv.v(), at + j0 + j, keyHead(head) * d + column, n, panel, j * width);
          Arrays.fill(panel, j * width + n, (j + 1) * width, 0);
        }
        for (int r = 0; r < padded; r += Lanes.TILE_ROWS) {
          lanes.tile(s, r * stride + j0, stride, 1, panel, 0, k, o, r * width, width);
        }
      }
      for (int r = 0; r < count; r++) {
        Rows.store(o, r * width, out, row + r, head * d + column, n);
      }
    }
  }

  // ---- one row ----

  /**
   * Heads {@code head … head + heads} of a row: every key and every value is read once for them.
   */
  private void attendRow(int segment, int i, int head, int heads, int worker) {
    int d = q.dim(2);
    int keys = visible(segment, i);
    int at = segments.at(segment);
    int t = segments.row(segment) + i;
    int first = keyHead(head) * d;
    int width = (keyHead(head + heads - 1) + 1) * d - first;
    float[] a = scratch(queries, worker, heads * d);
    float[] s = scratch(scores, worker, heads * keys);
    float[] row = scratch(rows, worker, width);
    float[] o = scratch(outs, worker, heads * d);
    lanes.load(q, t, head * d, heads * d, a, 0);
    for (int j = 0; j < keys; j++) {
      lanes.load(kv.k(), at + j, first, width, row, 0);
      for (int h = 0; h < heads; h++) {
        s[h * keys + j] = lanes.dot(a, h * d, row, keyHead(head + h) * d - first, d);
      }
    }
    for (int h = 0; h < heads; h++) {
      softmax(s, h * keys, keys, keys, segment, t, head + h);
    }
    Arrays.fill(o, 0, heads * d, 0);
    for (int j = 0; j < keys; j++) {
      lanes.load(kv.v(), at + j, first, width, row, 0);
      for (int h = 0; h < heads; h++) {
        if (s[h * keys + j] != 0) {
          lanes.addScaled(o, h * d, s[h * keys + j], row, keyHead(head + h) * d - first, d);
        }
      }
    }
    Rows.store(o, 0, out, t, head * d, heads * d);
  }
}
