package starling.cpu;

import java.util.Arrays;
import starling.device.Tensor;

/** Scores from column sums, and the best k of them in rising order of index. */
final class TokenSelect {
  private long[] order = new long[0];

  /** {@code score[j] = Σ_h sums[h, j] / (H·rows)}, heads added in order. */
  void score(Tensor score, Tensor sums, int rows, Tensor fault) {
    float divisor = (float) sums.rows() * rows;
    for (int j = 0; j < score.rows(); j++) {
      float sum = 0;
      for (int h = 0; h < sums.rows(); h++) {
        sum += Rows.get(sums, h, j);
      }
      float value = sum / divisor;
      Rows.set(score, j, 0, value);
      if (!Float.isFinite(value)) {
        Rows.setIndex(fault, 0, 1);
      }
    }
  }

  void select(Tensor keep, Tensor score) {
    long[] ranked = rank(score);
    int k = keep.rows();
    for (int i = 0; i < k; i++) {
      ranked[i] &= 0xffffffffL;
    }
    Arrays.sort(ranked, 0, k);
    for (int i = 0; i < k; i++) {
      Rows.setIndex(keep, i, (int) ranked[i]);
    }
  }

  /**
   * Candidates by falling score, ties by rising index, those that are not finite last. The low half
   * of an entry is the candidate. The array is reused.
   */
  long[] rank(Tensor score) {
    int n = score.rows();
    if (order.length < n) {
      order = new long[n];
    }
    for (int j = 0; j < n; j++) {
      order[j] = rankKey(Rows.get(score, j, 0)) << 32 | j;
    }
    Arrays.sort(order, 0, n);
    return order;
  }

  /** A signed number that falls as the score rises; what is not finite has the largest. */
  static long rankKey(float score) {
    if (!Float.isFinite(score)) {
      return Integer.MAX_VALUE;
    }
    int bits = Float.floatToRawIntBits(score + 0f); // -0 becomes 0
    return ~(bits >= 0 ? bits : bits ^ 0x7fffffff);
  }
}
