package starling;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import starling.text.Tokenizer;

/**
 * The log-probabilities of an answer's tokens: {@code logit − log Σ exp(logits)}, of the model's
 * logits as they are, before penalty, temperature and the cuts of sampling; sums are in double.
 */
final class Logprobs {
  private record Ranked(int id, float logit) {}

  private static final Comparator<Ranked> WORST_FIRST =
      Comparator.comparingDouble(Ranked::logit)
          .thenComparing(Comparator.comparingInt(Ranked::id).reversed());

  private final Tokenizer tokenizer;
  private final int top;
  private final List<Answer.Token> tokens = new ArrayList<>();
  private int told;

  /**
   * @param top how many of the likeliest tokens stand beside each that was drawn
   */
  Logprobs(Tokenizer tokenizer, int top) {
    this.tokenizer = tokenizer;
    this.top = top;
  }

  /** Takes a token and the logits it was drawn from. */
  void drawn(int id, float[] logits) {
    double sum = logSum(logits);
    var best = new PriorityQueue<>(WORST_FIRST);
    for (int i = 0; i < logits.length && top > 0; i++) {
      var one = new Ranked(i, logits[i]);
      if (best.size() < top || WORST_FIRST.compare(one, best.peek()) > 0) {
        best.add(one);
        if (best.size() > top) {
          best.remove();
        }
      }
    }
    List<Answer.Candidate> candidates =
        best.stream()
            .sorted(WORST_FIRST.reversed())
            .map(r -> new Answer.Candidate(r.id, text(r.id), r.logit - sum))
            .toList();
    tokens.add(new Answer.Token(id, text(id), logits[id] - sum, candidates));
  }

  private static double logSum(float[] logits) {
    double most = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      most = Math.max(most, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - most);
    }
    return most + Math.log(sum);
  }

  /** A token as it stands behind another, with its space; special ones as they are written. */
  private String text(int id) {
    int first = tokenizer.decode(List.of(id), false).length();
    return tokenizer.decode(List.of(id, id), false).substring(first);
  }

  /** Those that were drawn since this was asked last. */
  List<Answer.Token> sinceLast() {
    List<Answer.Token> since = List.copyOf(tokens.subList(told, tokens.size()));
    told = tokens.size();
    return since;
  }

  /** Whether there are any of these. */
  boolean hasUntold() {
    return told < tokens.size();
  }

  /** All of them. */
  List<Answer.Token> all() {
    return List.copyOf(tokens);
  }
}
