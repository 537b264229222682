package starling;

/**
 * How many questions a {@link Model} takes at once. What it cannot take waits in order, and what
 * cannot wait is refused.
 *
 * @param sequences answers that are drawn together, 1 to {@value #MAX_SEQUENCES}
 * @param waiting questions that may wait; one more is refused
 * @param cacheBytes memory for the keys and values of all questions; a question that does not fit
 *     beside others waits, one that needs more than all of it is refused. 0 is as much as the
 *     decoder's weights take, and at least 1 GiB. It is taken as questions need it
 */
public record Admission(int sequences, int waiting, long cacheBytes) {
  /** The most answers that are drawn together. */
  public static final int MAX_SEQUENCES = 64;

  /** 16 answers together, 256 questions waiting, memory as the weights take. */
  public static final Admission DEFAULT = new Admission(16, 256, 0);

  private static final long LEAST_CACHE = 1L << 30;

  /** Checks the numbers. */
  public Admission {
    if (sequences < 1 || sequences > MAX_SEQUENCES) {
      throw new IllegalArgumentException(
          "sequences is " + sequences + "; it must be 1 to " + MAX_SEQUENCES);
    }
    if (waiting < 0 || cacheBytes < 0) {
      throw new IllegalArgumentException(
          "waiting is " + waiting + " and cacheBytes " + cacheBytes + "; neither may be negative");
    }
  }

  /** Memory for keys and values beside weights of so many bytes. */
  long cacheBytes(long weights) {
    return cacheBytes > 0 ? cacheBytes : Math.max(LEAST_CACHE, weights);
  }
}
