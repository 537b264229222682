package starling.cpu;

import java.util.Arrays;
import starling.device.Tensor;

/**
 * The best scores, and of the others those that are least alike. The others stand in falling order
 * of score; a round splits them into even and odd places and drops the even ones nearest to an odd
 * one, then the even survivors (nearest first) stand before the odd ones.
 */
final class Duplicates {
  private static final int STEP = 8;

  private final TokenSelect ranking;

  Duplicates(TokenSelect ranking) {
    this.ranking = ranking;
  }

  void drop(Tensor keep, Tensor score, Tensor cosines, int best) {
    int n = score.rows();
    long[] ranked = ranking.rank(score);
    int[] list = new int[n];
    for (int i = 0; i < n; i++) {
      list[i] = (int) ranked[i];
    }
    int[] kept = Arrays.copyOf(list, keep.rows());
    int[] rest = Arrays.copyOfRange(list, best, n);
    int diverse = keep.rows() - best;
    while (diverse > 0 && rest.length > diverse) {
      rest = round(rest, cosines, Math.min(STEP, rest.length - diverse));
    }
    System.arraycopy(rest, 0, kept, best, diverse);
    Arrays.sort(kept);
    for (int i = 0; i < kept.length; i++) {
      Rows.setIndex(keep, i, kept[i]);
    }
  }

  /** What is left of the list after {@code wanted} even places are dropped, or all there are. */
  private static int[] round(int[] rest, Tensor cosines, int wanted) {
    int evens = (rest.length + 1) / 2;
    int drop = Math.min(wanted, evens);
    long[] nearest = new long[evens];
    float[] row = new float[cosines.width()];
    for (int a = 0; a < evens; a++) {
      Rows.load(cosines, rest[2 * a], row, 0);
      float max = Float.NEGATIVE_INFINITY;
      for (int b = 1; b < rest.length; b += 2) {
        float cosine = row[rest[b]];
        max = Float.isFinite(cosine) && cosine > max ? cosine : max;
      }
      nearest[a] = TokenSelect.rankKey(max) << 32 | a;
    }
    Arrays.sort(nearest);
    int[] next = new int[rest.length - drop];
    for (int i = drop; i < evens; i++) {
      next[i - drop] = rest[2 * (int) nearest[i]];
    }
    for (int b = 1, to = evens - drop; b < rest.length; b += 2, to++) {
      next[to] = rest[b];
    }
    return next;
  }
}
