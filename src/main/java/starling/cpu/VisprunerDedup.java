package starling.cpu;

import java.util.Arrays;
import starling.device.Tensor;

/**
 * VisPruner's choice. The residual list stands in falling order of score; a round splits it into
 * even and odd places and drops the even ones nearest to an odd one, then the even survivors
 * (nearest first) stand before the odd ones.
 */
final class VisprunerDedup implements Workers.Task {
  private static final int STEP = 8;

  private final Workers workers;
  private final Lanes lanes;
  private final TokenSelect ranking;
  private float[] rows = new float[0];
  private float[] gram = new float[0];
  private int n;
  private int width;

  VisprunerDedup(Workers workers, Lanes lanes, TokenSelect ranking) {
    this.workers = workers;
    this.lanes = lanes;
    this.ranking = ranking;
  }

  void run(Tensor keep, Tensor score, Tensor features, int important, Tensor fault) {
    n = features.rows();
    long[] ranked = ranking.rank(score);
    int[] list = new int[n];
    for (int i = 0; i < n; i++) {
      list[i] = (int) ranked[i];
    }
    int[] kept = Arrays.copyOf(list, keep.rows());
    int[] rest = Arrays.copyOfRange(list, important, n);
    int diverse = keep.rows() - important;
    if (diverse > 0 && rest.length > diverse) {
      cosines(features, fault);
    }
    while (diverse > 0 && rest.length > diverse) {
      rest = round(rest, Math.min(STEP, rest.length - diverse));
    }
    System.arraycopy(rest, 0, kept, important, diverse);
    Arrays.sort(kept);
    for (int i = 0; i < kept.length; i++) {
      Rows.setIndex(keep, i, kept[i]);
    }
  }

  /** Of the {@code ceil(R/2)} even places, at most that many can go in one round. */
  private int[] round(int[] rest, int wanted) {
    int evens = (rest.length + 1) / 2;
    int drop = Math.min(wanted, evens);
    long[] nearest = new long[evens];
    for (int a = 0; a < evens; a++) {
      float max = Float.NEGATIVE_INFINITY;
      for (int b = 1; b < rest.length; b += 2) {
        max = Math.max(max, gram[rest[2 * a] * n + rest[b]]);
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

  /**
   * All cosines once, from the Gram matrix: {@code G_ij / √(G_ii·G_jj)}. They never change between
   * rounds.
   */
  private void cosines(Tensor features, Tensor fault) {
    width = features.width();
    rows = rows.length < n * width ? new float[n * width] : rows;
    gram = gram.length < n * n ? new float[n * n] : gram;
    for (int i = 0; i < n; i++) {
      Rows.load(features, i, rows, i * width);
    }
    workers.run(this, n, (long) n * n * width);
    boolean finite = true;
    float[] norm = new float[n];
    for (int i = 0; i < n; i++) {
      norm[i] = gram[i * n + i];
    }
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        gram[i * n + j] = (float) (gram[i * n + j] / Math.sqrt((double) norm[i] * norm[j]));
        finite &= Float.isFinite(gram[i * n + j]);
      }
    }
    if (!finite) {
      Rows.setIndex(fault, 0, 1);
    }
  }

  @Override
  public void run(int i, int worker) {
    for (int j = 0; j < n; j++) {
      gram[i * n + j] = lanes.dot(rows, i * width, rows, j * width, width);
    }
  }
}
