package starling;

import java.util.List;
import java.util.concurrent.CancellationException;

/**
 * The answers to a question as they come, from {@link Model#stream}. One thread reads it, at its
 * own pace: the model does not wait for it. {@link #close} cancels what is not done, and may be
 * called by any thread.
 */
public final class AnswerStream implements AutoCloseable {
  /**
   * A piece of an answer. The pieces of an answer make up its text before stripping.
   *
   * @param answer which of the question's answers, from 0
   * @param text whole characters
   * @param tokens those drawn since the piece before, with their log-probabilities; empty unless
   *     {@link Question#logprobs} asks for them. The last piece may have tokens and no text
   */
  public record Piece(int answer, String text, List<Answer.Token> tokens) {}

  private final Model model;
  private final Asked asked;
  private final Answer[] answers;
  private boolean ended;
  private volatile boolean closed;

  AnswerStream(Model model, Asked asked) {
    this.model = model;
    this.asked = asked;
    this.answers = new Answer[asked.question().answers];
  }

  /**
   * Waits for the next piece; null when every answer is complete. The question's {@link
   * Question#progress} hears what happens meanwhile, on this thread.
   *
   * @throws QuestionTimeoutException if the question's time is over
   * @throws CancellationException if the thread is interrupted, and stays so, or the stream was
   *     closed; the progress listener's own exceptions come out as they are. The question is then
   *     cancelled
   * @throws starling.input.InputException if the weights are damaged
   */
  public Piece next() {
    while (!ended) {
      Asked.Event event = closed ? null : take();
      if (closed) { // by now
        throw new CancellationException("the question was cancelled");
      }
      switch (event) {
        case Asked.Text text -> {
          return text.piece();
        }
        case Asked.Progress now -> hear(now);
        case Asked.Answered one -> answers[one.answer()] = one.report();
        case Asked.Ended end -> {
          ended = true;
          if (end.failure() != null) {
            throw model.failed(end.failure());
          }
        }
      }
    }
    return null;
  }

  private Asked.Event take() {
    try {
      Asked.Event event = asked.take();
      if (event == null) {
        close();
        throw new QuestionTimeoutException(asked.question().timeout);
      }
      return event;
    } catch (InterruptedException e) {
      close();
      Thread.currentThread().interrupt();
      throw new CancellationException("the question was interrupted");
    }
  }

  private void hear(Asked.Progress now) {
    try {
      asked.question().progress.at(now.phase(), now.done(), now.of());
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /**
   * Waits until all answers are complete; pieces not read yet are passed over.
   *
   * @return one for each that was asked for, see {@link Question#answers}
   */
  public List<Answer> answers() {
    while (next() != null) {
      // the text is in the answers, too
    }
    return List.of(answers);
  }

  /**
   * Cancels the question if it is not answered yet; who reads the stream gets a {@link
   * CancellationException}. Harmless when repeated.
   */
  @Override
  public void close() {
    if (!ended && !closed) {
      closed = true;
      model.cancel(asked);
    }
  }
}
