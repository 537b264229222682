package starling.cpu;

import starling.device.Kv;
import starling.device.Rope;
import starling.device.Segments;
import starling.device.Tensor;

/**
 * Rotates queries and keys, channel i with channel i + d/2, and appends keys and values to their
 * segment's.
 */
final class RotaryEmbedding implements Workers.Task {
  private static final int[] ONE_AXIS = {Integer.MAX_VALUE, 0, 0};

  private final Workers workers;
  private final float[][] rows;
  private final SegmentRows segments = new SegmentRows();

  private Tensor q;
  private Kv kv;
  private Tensor qkv;
  private Tensor positions;
  private Rope table;
  private int[] sections;

  RotaryEmbedding(Workers workers) {
    this.workers = workers;
    this.rows = new float[workers.count()][0];
  }

  void run(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    this.q = q;
    this.kv = kv;
    this.qkv = qkv;
    this.positions = positions;
    this.table = table;
    this.sections = table.sections() == null ? ONE_AXIS : table.sections();
    segments.read(kv.segments(), q.rows());
    for (int s = 0; s < segments.count(); s++) {
      segments.items(s, segments.rows(s));
    }
    workers.run(this, segments.items(), 8L * segments.items() * qkv.width());
  }

  @Override
  public void run(int item, int worker) {
    int segment = segments.of(item);
    int i = segments.within(item, segment);
    int t = segments.row(segment) + i;
    int key = segments.at(segment) + segments.length(segment) + i;
    int d = q.dim(2);
    int heads = q.dim(1);
    int keyHeads = kv.k().dim(1);
    float[] row = Attention.scratch(rows, worker, qkv.width());
    Rows.load(qkv, t, row, 0);
    int half = table.cos().width();
    for (int axis = 0, from = 0; axis < Segments.AXES && from < half; axis++) {
      int to = (int) Math.min(half, (long) from + sections[axis]);
      int position = position(segment, i, t, axis);
      for (int h = 0; h < heads + keyHeads; h++) {
        rotate(row, h * d, position, from, to);
      }
      from = to;
    }
    Rows.store(row, 0, q, t, 0, heads * d);
    Rows.store(row, heads * d, kv.k(), key, 0, keyHeads * d);
    Rows.store(row, (heads + keyHeads) * d, kv.v(), key, 0, keyHeads * d);
  }

  private int position(int segment, int i, int t, int axis) {
    if (positions == null) {
      return segments.get(segment, Segments.POSITION + axis) + i;
    }
    return positions.rank() == 1 ? Rows.index(positions, t) : Rows.index(positions, axis, t);
  }

  private void rotate(float[] row, int at, int position, int from, int to) {
    int half = table.cos().width();
    for (int i = from; i < to; i++) {
      float cos = Rows.get(table.cos(), position, i);
      float sin = Rows.get(table.sin(), position, i);
      float a = row[at + i];
      float b = row[at + half + i];
      row[at + i] = a * cos - b * sin;
      row[at + half + i] = b * cos + a * sin;
    }
  }
}
