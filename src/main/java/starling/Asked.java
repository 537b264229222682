package starling;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import starling.model.EncodedImage;
import starling.model.ImageInput;
import starling.model.Prepared;
import starling.model.Request;

/**
 * A question between the thread that asked and the {@link Engine}. The engine puts down what
 * happens, without ever waiting; the asking thread takes it up at its own pace ({@link
 * AnswerStream}). What is put down is bounded by the tokens of the answers.
 */
final class Asked implements Request.Progress {
  /** Something that happened to a question. */
  sealed interface Event {}

  /** It is so far: what {@link Request.Progress} hears. */
  record Progress(String phase, int done, int of) implements Event {}

  /** Some text of an answer came. */
  record Text(AnswerStream.Piece piece) implements Event {}

  /** One of its answers is complete. */
  record Answered(int answer, Answer report) implements Event {}

  /** All answers are complete, or there will be none: then {@code failure} is not null. */
  record Ended(Throwable failure) implements Event {}

  private final Question question;
  private final Prompt prompt;
  private final List<ImageInput> images;
  private final long start;
  private final double preprocessMillis;
  private final LinkedBlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private Prepared prepared;
  private volatile boolean cancelled;
  private boolean released;

  /**
   * @param question nobody changes it any more
   * @param start when it was asked, by {@link System#nanoTime}
   */
  Asked(Question question, Prompt prompt, List<ImageInput> images, long start) {
    this.question = question;
    this.prompt = prompt;
    this.images = images;
    this.start = start;
    this.preprocessMillis = (System.nanoTime() - start) / 1e6;
  }

  /** Says what the model counted. */
  void counted(Prepared by) {
    prepared = by;
  }

  Question question() {
    return question;
  }

  Prompt prompt() {
    return prompt;
  }

  List<ImageInput> images() {
    return images;
  }

  Prepared prepared() {
    return prepared;
  }

  double preprocessMillis() {
    return preprocessMillis;
  }

  /** When it was asked, by {@link System#nanoTime}. */
  long start() {
    return start;
  }

  // ---- the engine's side ----

  /** Puts something down for the asking thread. */
  void put(Event event) {
    if (event instanceof Ended) {
      release();
    }
    events.add(event);
  }

  /**
   * Needs its encoded images until {@link #release}.
   *
   * @throws IllegalStateException if one of them is closed
   */
  void retain() {
    var retained = new ArrayList<EncodedImage>();
    try {
      for (ImageInput image : images) {
        if (image.encoded() != null) {
          image.encoded().retain();
          retained.add(image.encoded());
        }
      }
    } catch (IllegalStateException e) {
      retained.forEach(EncodedImage::release);
      throw e;
    }
  }

  /** Needs its encoded images no more. */
  synchronized void release() {
    if (!released) {
      released = true;
      images.stream()
          .map(ImageInput::encoded)
          .filter(e -> e != null)
          .forEach(EncodedImage::release);
    }
  }

  /** Hears the work on the prompt, and ends it if nobody wants the answer any more. */
  @Override
  public void at(String phase, int done, int of) {
    RuntimeException why = unwanted();
    if (why != null) {
      throw why;
    }
    put(new Progress(phase, done, of));
  }

  /** Why nobody wants the answer any more; null if somebody does. */
  RuntimeException unwanted() {
    if (cancelled) {
      return new CancellationException("the question was cancelled");
    }
    boolean late =
        question.timeout != null && System.nanoTime() - start > Engine.nanos(question.timeout);
    return late ? new QuestionTimeoutException(question.timeout) : null;
  }

  // ---- the asking thread's side ----

  /** Wants no answer any more; the engine finds out before its next step. */
  void cancel() {
    cancelled = true;
    events.add(new Ended(new CancellationException("the question was cancelled"))); // wakes it up
  }

  /** The next thing that happened; waits for it. Null if the question's time is over first. */
  Event take() throws InterruptedException {
    if (question.timeout == null) {
      return events.take();
    }
    long left = Engine.nanos(question.timeout) - (System.nanoTime() - start);
    return events.poll(left, TimeUnit.NANOSECONDS);
  }
}
