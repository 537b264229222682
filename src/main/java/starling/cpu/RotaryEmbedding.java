package starling.cpu;

import starling.device.Kv;
import starling.device.Rope;
import starling.device.Tensor;

/**
 * Rotates queries and keys, channel i with channel i + d/2, and appends keys and values to the
 * cache.
 */
final class RotaryEmbedding implements Workers.Task {
  private final Workers workers;
  private final float[][] rows;

  private Tensor q;
  private Kv kv;
  private Tensor qkv;
  private Tensor positions;
  private Rope table;
  private int length;

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
    this.length = Rows.index(kv.length(), 0);
    workers.run(this, q.rows(), 8L * q.rows() * qkv.width());
  }

  @Override
  public void run(int t, int worker) {
    int d = q.dim(2);
    int heads = q.dim(1);
    int keyHeads = kv.k().dim(1);
    float[] row = Attention.room(rows, worker, qkv.width());
    Rows.load(qkv, t, row, 0);
    int position = Rows.index(positions, t);
    for (int h = 0; h < heads + keyHeads; h++) {
      rotate(row, h * d, position);
    }
    Rows.store(row, 0, q, t, 0, heads * d);
    Rows.store(row, heads * d, kv.k(), length + t, 0, keyHeads * d);
    Rows.store(row, (heads + keyHeads) * d, kv.v(), length + t, 0, keyHeads * d);
  }

  private void rotate(float[] row, int at, int position) {
    int half = table.cos().width();
    for (int i = 0; i < half; i++) {
      float cos = Rows.get(table.cos(), position, i);
      float sin = Rows.get(table.sin(), position, i);
      float a = row[at + i];
      float b = row[at + half + i];
      row[at + i] = a * cos - b * sin;
      row[at + half + i] = b * cos + a * sin;
    }
  }
}
