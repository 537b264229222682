package starling.cpu;

import java.util.Arrays;
import starling.device.Philox;
import starling.device.Segments;
import starling.device.Tensor;

/** Draws the next token of every segment. */
final class Sampler {
  private float[] logits = new float[0];
  private long[] order = new long[0];
  private long[] mass = new long[0];
  private final int[] words = new int[4];

  /**
   * @param seen bits of the tokens that were there before; null for none
   */
  void run(Tensor ids, Tensor seen, Tensor logitRows, Segments segments, Tensor nonFinite) {
    Tensor table = segments.table();
    for (int s = 0; s < table.rows(); s++) {
      if (Rows.index(table, s, Segments.ROWS) > 0) {
        load(logitRows, s);
        penalize(seen, s, Float.intBitsToFloat(Rows.index(table, s, Segments.PENALTY)));
        int id = next(logitRows.width(), s, table, Rows.index(nonFinite, s) == 0);
        Rows.setIndex(ids, s, id);
        if (seen != null && id >= 0) {
          Rows.setIndex(seen, s, id / 32, Rows.index(seen, s, id / 32) | 1 << id % 32);
        }
      }
    }
  }

  private void load(Tensor logitRows, int s) {
    if (logits.length < logitRows.width()) {
      logits = new float[logitRows.width()];
    }
    Rows.load(logitRows, s, logits, 0);
  }

  private void penalize(Tensor seen, int s, float penalty) {
    for (int word = 0; penalty != 0 && word < seen.width(); word++) {
      int bits = Rows.index(seen, s, word);
      for (; bits != 0; bits &= bits - 1) {
        int v = 32 * word + Integer.numberOfTrailingZeros(bits);
        if (v < logits.length) {
          logits[v] = logits[v] < 0 ? logits[v] * penalty : logits[v] / penalty;
        }
      }
    }
  }

  private int next(int n, int s, Tensor table, boolean good) {
    boolean finite = good;
    int best = 0;
    for (int v = 0; v < n; v++) {
      finite &= Float.isFinite(logits[v]);
      best = logits[v] > logits[best] ? v : best;
    }
    if (!finite) {
      return -1;
    }
    float temperature = Float.intBitsToFloat(Rows.index(table, s, Segments.TEMPERATURE));
    return temperature > 0 ? draw(n, logits[best], temperature, table, s) : best;
  }

  /**
   * Candidates by falling logit, ties by rising id; top-k, then the shortest prefix of mass top-p,
   * then one of them. Masses are whole numbers of 2^-32 of the likeliest, so that no sum depends on
   * its order and every device draws the same.
   */
  private int draw(int n, float max, float temperature, Tensor table, int segment) {
    int topK = Rows.index(table, segment, Segments.TOP_K);
    float topP = Float.intBitsToFloat(Rows.index(table, segment, Segments.TOP_P));
    long seed =
        Integer.toUnsignedLong(Rows.index(table, segment, Segments.SEED))
            | (long) Rows.index(table, segment, Segments.SEED + 1) << 32;
    int step = Rows.index(table, segment, Segments.STEP);
    if (order.length < n) {
      order = new long[n];
      mass = new long[n];
    }
    for (int v = 0; v < n; v++) {
      order[v] = TokenSelect.rankKey(logits[v]) << 32 | v;
    }
    Arrays.sort(order, 0, n);
    int candidates = topK > 0 ? Math.min(topK, n) : n;
    long total = 0;
    for (int i = 0; i < candidates; i++) {
      double share = Math.exp(((double) logits[(int) order[i]] - max) / temperature);
      mass[i] = (long) (share * 0x1p32);
      total += mass[i];
    }
    long need = Math.max(1, (long) Math.ceil((double) topP * total));
    long nucleus = 0;
    for (int i = 0; nucleus < need; i++) {
      nucleus += mass[i];
    }
    Philox.block(seed, step, 0, words);
    long uniform = (long) words[1] << 32 | Integer.toUnsignedLong(words[0]);
    long target = Math.unsignedMultiplyHigh(nucleus, uniform);
    int drawn = 0;
    for (long seen = mass[0]; seen <= target; seen += mass[drawn]) {
      drawn++;
    }
    return (int) order[drawn];
  }
}
