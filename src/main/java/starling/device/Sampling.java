package starling.device;

/**
 * How the next token is drawn. Probabilities are {@code softmax(logits / temperature)}; the {@code
 * topK} largest are kept, of these the shortest prefix (largest first) whose mass reaches {@code
 * topP}; one is drawn with a Philox number keyed by {@code (seed, step)}. Ties go to the lowest id.
 * The same on every device.
 *
 * @param temperature 0 is greedy
 * @param topK 0 keeps all
 * @param topP 1 keeps all
 * @param seed of the random numbers
 */
public record Sampling(float temperature, int topK, float topP, long seed) {
  /** Always the largest logit. */
  public static final Sampling GREEDY = new Sampling(0, 0, 1, 0);

  void check(String role) {
    if (!(temperature >= 0 && topK >= 0 && topP > 0 && topP <= 1)) {
      throw new IllegalArgumentException(role + ": " + this + " draws no token");
    }
  }
}
