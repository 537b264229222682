package starling.cpu;

import java.util.Arrays;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Span;
import starling.device.Tensor;

/**
 * Attention received by each candidate: {@code Σ_i 2^(s_ij − lse_i)}. One head and a panel of
 * candidates at a time; the query rows pass by in order, so a sum has one writer and one order. No
 * map of attention is held.
 */
final class AttentionColsum implements Workers.Task {
  private final Workers workers;
  private final Lanes lanes;
  private final float[][] queries;
  private final float[][] panels;
  private final float[][] tiles;
  private final float[][] received;

  private Tensor sums;
  private Tensor q;
  private Kv kv;
  private Tensor lse;
  private Mask mask;
  private float scale;
  private Span span;
  private Candidates candidates;
  private final SegmentRows segments = new SegmentRows();
  private int row; // where the one segment begins
  private int at;
  private int length;
  private int hiddenAt;

  AttentionColsum(Workers workers, Lanes lanes) {
    this.workers = workers;
    this.lanes = lanes;
    int n = workers.count();
    this.queries = new float[n][0];
    this.panels = new float[n][0];
    this.tiles = new float[n][Lanes.TILE_ROWS * lanes.panelWidth()];
    this.received = new float[n][lanes.panelWidth()];
  }

  void run(Tensor sums, AttentionInputs in, Tensor lse, Span span, Candidates candidates) {
    this.sums = sums;
    this.q = in.q();
    this.kv = in.kv();
    this.lse = lse;
    this.mask = in.mask();
    this.scale = in.scale() * Lanes.LOG2_E;
    this.span = span;
    this.candidates = candidates;
    segments.read(kv.segments(), q.rows());
    this.row = segments.row(0);
    this.at = segments.at(0);
    this.length = segments.length(0);
    this.hiddenAt = Attention.hiddenAt(mask, segments, 0);
    workers.run(this, q.dim(1) * blocks(), (long) span.length() * candidates.count() * q.width());
  }

  private int blocks() {
    return Math.ceilDiv(candidates.count(), lanes.panelWidth());
  }

  private int key(int candidate) {
    return candidates.at()
        + (candidates.index() == null ? candidate : Rows.index(candidates.index(), candidate));
  }

  @Override
  public void run(int item, int worker) {
    int head = item / blocks();
    int first = item % blocks() * lanes.panelWidth();
    int n = Math.min(lanes.panelWidth(), candidates.count() - first);
    int d = q.dim(2);
    int width = lanes.panelWidth();
    float[] a = Attention.scratch(queries, worker, Lanes.TILE_ROWS * d);
    float[] panel = Attention.scratch(panels, worker, width * d);
    float[] tile = tiles[worker];
    float[] sum = received[worker];
    pack(first, n, head, a, panel);
    Arrays.fill(sum, 0);
    for (int t = span.from(); t < span.to(); t += Lanes.TILE_ROWS) {
      int count = Math.min(Lanes.TILE_ROWS, span.to() - t);
      for (int r = 0; r < count; r++) {
        Rows.load(q, row + t + r, head * d, d, a, r * d);
      }
      Arrays.fill(tile, 0);
      lanes.tile(a, 0, d, 1, panel, 0, d, tile, 0, width);
      for (int r = 0; r < count; r++) {
        lanes.exp2(tile, r * width, n, scale, Rows.get(lse, head, row + t + r));
        add(tile, r * width, sum, first, n, t + r);
      }
    }
    for (int j = 0; j < n; j++) {
      Rows.set(sums, head, first + j, sum[j]);
    }
  }

  /** Adds a row's probabilities, except of keys that the row does not see. */
  private void add(float[] tile, int at, float[] sum, int first, int n, int t) {
    if (!mask.causal()
        && hiddenAt < 0) { // a loop of its own, which the JIT compiler makes vectors of
      for (int j = 0; j < n; j++) {
        sum[j] += tile[at + j];
      }
      return;
    }
    int last = mask.causal() ? length + t : Integer.MAX_VALUE;
    int hidden = hiddenAt;
    for (int j = 0; j < n; j++) {
      int key = key(first + j);
      if (key <= last && (hidden < 0 || !Attention.hidden(mask, hidden + key))) {
        sum[j] += tile[at + j];
      }
    }
  }

  private void pack(int first, int n, int head, float[] key, float[] panel) {
    int d = q.dim(2);
    int width = lanes.panelWidth();
    int keyHead = head / (q.dim(1) / kv.k().dim(1));
    Arrays.fill(panel, 0, width * d, 0);
    for (int j = 0; j < n; j++) {
      Rows.load(kv.k(), at + key(first + j), keyHead * d, d, key, 0);
      for (int i = 0, to = j; i < d; i++, to += width) {
        panel[to] = key[i];
      }
    }
  }
}
