package starling.cpu;

import java.util.Arrays;
import starling.device.Philox;
import starling.device.Sampling;
import starling.device.Tensor;

/** Draws the next token. */
final class Sampler {
  private float[] logits = new float[0];
  private long[] order = new long[0];
  private double[] mass = new double[0];
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
   * then one of them.
   */
  private int draw(int n, float max, Sampling s, int step) {
    if (order.length < n) {
      order = new long[n];
      mass = new double[n];
    }
    for (int v = 0; v < n; v++) {
      order[v] = TokenSelect.rankKey(logits[v]) << 32 | v;
    }
    Arrays.sort(order, 0, n);
    int candidates = s.topK() > 0 ? Math.min(s.topK(), n) : n;
    double total = 0;
    for (int i = 0; i < candidates; i++) {
      mass[i] = Math.exp(((double) logits[(int) order[i]] - max) / s.temperature());
      total += mass[i];
    }
    double nucleus = 0;
    int kept = 0;
    while (kept < candidates && (kept == 0 || nucleus < s.topP() * total)) {
      nucleus += mass[kept];
      kept++;
    }
    Philox.block(s.seed(), step, 0, words);
    double target = (words[0] >>> 8) * 0x1p-24 * nucleus;
    double seen = 0;
    for (int i = 0; i < kept - 1; i++) {
      seen += mass[i];
      if (target < seen) {
        return (int) order[i];
      }
    }
    return (int) order[kept - 1];
  }
}
