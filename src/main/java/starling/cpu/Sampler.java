package starling.cpu;

import java.util.Arrays;
import starling.device.Philox;
import starling.device.Sampling;
import starling.device.Tensor;

/** Draws the next token. */
final class Sampler {
  private float[] logits = new float[0];
  private long[] order = new long[0];
  private long[] mass = new long[0];
  private final int[] words = new int[4];

  void run(Tensor id, Tensor logitRow, Sampling sampling, Tensor step, Tensor fault) {
    int n = logitRow.width();
    if (logits.length < n) {
      logits = new float[n];
    }
    Rows.load(logitRow, 0, logits, 0);
    boolean finite = Rows.index(fault, 0) == 0;
    int best = 0;
    for (int v = 0; v < n; v++) {
      finite &= Float.isFinite(logits[v]);
      best = logits[v] > logits[best] ? v : best;
    }
    if (!finite) {
      best = -1;
    } else if (sampling.temperature() > 0) {
      best = draw(n, logits[best], sampling, Rows.index(step, 0));
    }
    Rows.setIndex(id, 0, best);
  }

  /**
   * Candidates by falling logit, ties by rising id; top-k, then the shortest prefix of mass top-p,
   * then one of them. Masses are whole numbers of 2^-32 of the likeliest, so that no sum depends on
   * its order and every device draws the same.
   */
  private int draw(int n, float max, Sampling s, int step) {
    if (order.length < n) {
      order = new long[n];
      mass = new long[n];
    }
    for (int v = 0; v < n; v++) {
      order[v] = TokenSelect.rankKey(logits[v]) << 32 | v;
    }
    Arrays.sort(order, 0, n);
    int candidates = s.topK() > 0 ? Math.min(s.topK(), n) : n;
    long total = 0;
    for (int i = 0; i < candidates; i++) {
      double share = Math.exp(((double) logits[(int) order[i]] - max) / s.temperature());
      mass[i] = (long) (share * 0x1p32);
      total += mass[i];
    }
    long need = Math.max(1, (long) Math.ceil((double) s.topP() * total));
    long nucleus = 0;
    for (int i = 0; nucleus < need; i++) {
      nucleus += mass[i];
    }
    Philox.block(s.seed(), step, 0, words);
    long uniform = (long) words[1] << 32 | Integer.toUnsignedLong(words[0]);
    long target = Math.unsignedMultiplyHigh(nucleus, uniform);
    int drawn = 0;
    for (long seen = mass[0]; seen <= target; seen += mass[drawn]) {
      drawn++;
    }
    return (int) order[drawn];
  }
}
