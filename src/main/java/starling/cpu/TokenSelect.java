package starling.cpu;

import java.util.Arrays;
import starling.device.Tensor;

/** Scores from column sums, and the best k of them in rising order of index. */
final class TokenSelect {
  private long[] order = new long[0];

  /**
   * {@code score[j] = Σ_{s<w} Σ_h sums[h, j·w + s] / (H·rows·w)}: the heads of a column are added
   * in order, then the columns of a candidate.
   */
  void score(Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    int sources = sums.width() / score.rows();
    float divisor = (float) sums.rows() * rows * sources;
    for (int j = 0; j < score.rows(); j++) {
      float sum = 0;
      for (int s = 0; s < sources; s++) {
        sum += column(sums, j * sources + s);
      }
      float value = sum / divisor;
      Rows.set(score, j, 0, value);
      if (!Float.isFinite(value)) {
        Rows.setIndex(nonFinite, 0, 1);
      }
    }
  }

  private static float column(Tensor sums, int j) {
    float sum = 0;
    for (int h = 0; h < sums.rows(); h++) {
      sum += Rows.get(sums, h, j);
    }
    return sum;
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
   * Keys by falling score, ties by rising index, those that are not finite last. The low half of an
   * entry is the candidate. The array is reused.
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
