package starling;

import java.util.List;
import starling.model.Generation;

/** One answer while it is drawn: its tokens, its text, and what is put down for the asker. */
final class Answering {
  private final Model model;
  private final Asked asked;
  private final int number;
  private final List<Generation> generations;
  private final Generation generation;
  private final int budget;
  private final AnswerText drawn;
  private final double waitedMillis;
  private final Logprobs logprobs; // null unless asked for
  private List<Float> firstLogits;
  private long decoding; // when the first token was there

  /**
   * @param number which of the question's answers
   * @param generations those of all its answers
   * @param waitedMillis how long the question waited for its turn
   */
  Answering(
      Model model, Asked asked, int number, List<Generation> generations, double waitedMillis) {
    this.model = model;
    this.asked = asked;
    this.number = number;
    this.generations = generations;
    this.generation = generations.get(number);
    this.waitedMillis = waitedMillis;
    this.budget = generation.tokenBudget();
    Question question = asked.question();
    this.logprobs =
        question.logprobs < 0 ? null : new Logprobs(model.tokenizer(), question.logprobs);
    var stream = new TextStream(model.tokenizer().decoding(), question.stop, this::put);
    this.drawn = new AnswerText(stream, model.endTokens(), budget);
  }

  private void put(String text) {
    List<Answer.Token> tokens = logprobs == null ? List.of() : logprobs.sinceLast();
    asked.put(new Asked.Text(new AnswerStream.Piece(number, text, tokens)));
  }

  Asked asked() {
    return asked;
  }

  Generation generation() {
    return generation;
  }

  /** Those of all answers of its question. */
  List<Generation> generations() {
    return generations;
  }

  /**
   * Takes the token that was drawn last; whether another one is wanted. When none is, the answer is
   * put down.
   *
   * @throws starling.input.InputException if it is none, because a number was not finite
   */
  boolean wantsMore() {
    int id = generation.token();
    if (drawn.tokens().isEmpty()) {
      firstLogits = asked.question().logits ? AnswerReport.floats(generation.logits()) : null;
      decoding = System.nanoTime();
    }
    if (logprobs != null) {
      logprobs.drawn(id, generation.logits());
    }
    if (drawn.wantsMoreAfter(id)) {
      asked.at("decode", drawn.tokens().size(), budget);
      return true;
    }
    finish();
    return false;
  }

  private void finish() {
    String text = drawn.finish();
    if (logprobs != null && logprobs.hasUntold()) {
      put(""); // the tokens behind the last text, such as the one that ended it
    }
    int steps = drawn.tokens().size() - 1;
    long now = System.nanoTime();
    var timings =
        new Answer.Timings(
            model.loadMillis(),
            waitedMillis,
            asked.preprocessMillis(),
            generation.visionMillis(),
            generation.pruneMillis(),
            generation.prefillMillis(),
            steps > 0 ? (now - decoding) / 1e6 / steps : 0,
            (now - asked.start()) / 1e6);
    var report = new AnswerReport(model, asked, generation);
    var tokens = logprobs == null ? null : logprobs.all();
    Answer answer = report.answer(firstLogits, tokens, drawn, text, timings);
    asked.put(new Asked.Answered(number, answer));
  }
}
