package starling.device;

/**
 * How the next token is drawn. Probabilities are {@code softmax(logits / temperature)}; the {@code
 * topK} largest are kept, of these the shortest prefix (largest first) whose mass reaches {@code
 * topP}; one is drawn with a Philox number keyed by {@code (seed, step)}. Ties go to the lowest id.
 * The same on every device. Before all that the logit of a token that was there before, in the
 * prompt or the answer, is divided by the repetition penalty or, below zero, multiplied by it
 * (arXiv 1909.05858).
 *
 * @param temperature 0 is greedy
 * @param topK 0 keeps all
 * @param topP 1 keeps all
 * @param seed of the random numbers
 * @param repetitionPenalty 1 is none; more makes tokens that were there before less likely
 */
public record Sampling(
    float temperature, int topK, float topP, long seed, float repetitionPenalty) {
  /** Without a repetition penalty. */
  public Sampling(float temperature, int topK, float topP, long seed) {
    this(temperature, topK, topP, seed, 1);
  }

  /** Always the largest logit. */
  public static final Sampling GREEDY = new Sampling(0, 0, 1, 0);

  /** The same with another repetition penalty. */
  public Sampling penalizing(float penalty) {
    return new Sampling(temperature, topK, topP, seed, penalty);
  }

  /** The same with other random numbers. */
  public Sampling seed(long other) {
    return new Sampling(temperature, topK, topP, other, repetitionPenalty);
  }

  /** Whether tokens are as likely when they were there before. */
  public boolean repeats() {
    return repetitionPenalty == 1;
  }

  void check(String role) {
    boolean penalty = repetitionPenalty > 0 && repetitionPenalty < Float.POSITIVE_INFINITY;
    if (!(temperature >= 0 && topK >= 0 && topP > 0 && topP <= 1 && penalty)) {
      throw new IllegalArgumentException(role + ": " + this + " draws no token");
    }
  }
}
