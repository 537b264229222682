package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.IntStream;
import starling.input.InputException;
import starling.model.EncodedImage;

/** A client of {@link ManyClientsTest}: asks one question in some way, good or bad. */
@SuppressWarnings("try") // closing early is what clients do
final class CrowdClient {
  /** How a question may end. */
  enum Outcome {
    ANSWERED,
    CANCELLED,
    LATE,
    REFUSED,
    THREW
  }

  private static final int MOST_MILLIS = 400; // before an interrupt

  private final Model model;
  private final List<EncodedImage> images;
  private final EncodedImage closed;
  private final CrowdQuestion question;
  private final Random random;
  private final int number;
  private final String name;

  /**
   * @param closed an encoded image that is closed
   * @param known one of these is asked
   * @param number of this client among those of a seed
   */
  CrowdClient(
      Model model,
      List<EncodedImage> images,
      EncodedImage closed,
      List<CrowdQuestion> known,
      long seed,
      int number) {
    this.model = model;
    this.images = images;
    this.closed = closed;
    this.number = number;
    this.random = new Random(seed * 1_000_003 + number);
    this.question = known.get(random.nextInt(known.size()));
    this.name = "question %d of seed %d: %s".formatted(number, seed, question.asked().prune);
  }

  /** Asks; everything that comes back is checked here. */
  Outcome asks() throws Exception {
    return switch (number % 20) {
      case 0, 1, 2, 3 -> waits(() -> model.ask(asked()));
      case 4, 5 -> waits(() -> model.askAsync(asked()).get());
      case 6, 7, 8 -> reads(asked(), 0);
      case 9 -> reads(asked(), 30);
      case 10 -> closesItsImageWhileItReads();
      case 11, 12 -> isInterrupted();
      case 13 -> cancels();
      case 14 -> closes();
      case 15, 16 -> isLate();
      case 17 -> throwsFromItsListener();
      default -> asksWhatCannotBe();
    };
  }

  private Question asked() {
    return question.asked(images);
  }

  /** Until the model is less busy; nothing else may be refused with this. */
  private static <T> T insists(Callable<T> asking) throws Exception {
    while (true) {
      try {
        return asking.call();
      } catch (RejectedExecutionException e) {
        assertTrue(e.getMessage().startsWith("the model is busy: "), e.getMessage());
      } catch (ExecutionException e) {
        if (!(e.getCause() instanceof RejectedExecutionException)) {
          throw e;
        }
      }
      try {
        Thread.sleep(3);
      } catch (InterruptedException e) {
        throw new CancellationException("interrupted before it was asked");
      }
    }
  }

  private Outcome answered(List<Answer> answers) {
    question.assertAnswered(answers, name);
    return Outcome.ANSWERED;
  }

  private Outcome waits(Callable<Answer> asking) throws Exception {
    return answered(List.of(insists(asking)));
  }

  /**
   * Reads all pieces: of every answer they are the text and the tokens, each once. An end token has
   * no text, so no piece brings it.
   */
  private Outcome reads(Question asked, int millisAPiece) throws Exception {
    try (AnswerStream stream = insists(() -> model.stream(asked))) {
      return reads(stream, millisAPiece);
    }
  }

  private Outcome reads(AnswerStream stream, int millisAPiece) throws Exception {
    var texts = IntStream.range(0, question.answers()).mapToObj(i -> new StringBuilder()).toList();
    var tokens = new ArrayList<List<Answer.Token>>();
    texts.forEach(text -> tokens.add(new ArrayList<>()));
    for (AnswerStream.Piece piece; (piece = stream.next()) != null; ) {
      texts.get(piece.answer()).append(piece.text());
      tokens.get(piece.answer()).addAll(piece.tokens());
      Thread.sleep(millisAPiece);
    }
    List<Answer> answers = stream.answers();
    assertEquals(question.answers(), answers.size(), name);
    for (int i = 0; i < answers.size(); i++) {
      assertEquals(answers.get(i).text(), texts.get(i).toString().strip(), name);
      List<Answer.Token> all = answers.get(i).logprobs();
      int told = tokens.get(i).size();
      assertTrue(told >= all.size() - 1, name);
      assertEquals(all.subList(0, told), tokens.get(i), name);
    }
    return answered(answers);
  }

  private Outcome closesItsImageWhileItReads() throws Exception {
    String file = "scene-0" + question.image() + ".png";
    try (EncodedImage own = model.encode(Demo.read(file));
        AnswerStream stream = insists(() -> model.stream(question.asked().image(own)))) {
      own.close();
      return reads(stream, 0);
    }
  }

  private Outcome isInterrupted() throws Exception {
    var asking =
        new FutureTask<>(
            () -> {
              try {
                return waits(() -> model.ask(asked()));
              } catch (CancellationException e) {
                if (e.getMessage().equals("the question was interrupted")) {
                  assertTrue(Thread.currentThread().isInterrupted(), name);
                }
                return Outcome.CANCELLED;
              }
            });
    Thread thread = Thread.ofPlatform().start(asking);
    Thread.sleep(random.nextInt(MOST_MILLIS));
    thread.interrupt();
    return asking.get();
  }

  private Outcome cancels() throws Exception {
    CompletableFuture<Answer> answer = model.askAsync(asked());
    Thread.sleep(random.nextInt(MOST_MILLIS));
    if (answer.cancel(true)) {
      assertThrows(CancellationException.class, answer::get);
      return Outcome.CANCELLED;
    }
    try {
      return answered(List.of(answer.get()));
    } catch (ExecutionException e) {
      assertEquals(RejectedExecutionException.class, e.getCause().getClass(), name);
      return Outcome.REFUSED;
    }
  }

  private Outcome closes() throws Exception {
    try (AnswerStream stream = insists(() -> model.stream(asked()))) {
      for (int pieces = random.nextInt(4); pieces > 0; pieces--) {
        if (stream.next() == null) {
          return answered(stream.answers());
        }
      }
      stream.close();
      assertThrows(CancellationException.class, stream::next);
      assertThrows(CancellationException.class, stream::answers);
      return Outcome.CANCELLED;
    }
  }

  private Outcome isLate() throws Exception {
    Duration time = Duration.ofMillis(1 + random.nextInt(MOST_MILLIS));
    try {
      return waits(() -> model.ask(asked().timeout(time)));
    } catch (QuestionTimeoutException e) {
      String message = "the question was not answered within " + time.toMillis() + " ms";
      assertEquals(message, e.getMessage());
      return Outcome.LATE;
    }
  }

  private Outcome throwsFromItsListener() throws Exception {
    var mine = new ArithmeticException(name);
    try {
      insists(
          () ->
              model.ask(
                  asked(),
                  piece -> {
                    throw mine;
                  }));
      return Outcome.ANSWERED; // without any text
    } catch (ArithmeticException e) {
      assertTrue(e == mine, name);
      return Outcome.THREW;
    }
  }

  private Outcome asksWhatCannotBe() throws Exception {
    switch (number / 20 % 4) {
      case 0 -> refused("K=40 must be at least 1", asked().prune("star:R=0.1,K=40,P=0.9"));
      case 1 -> refused("context", Question.of("word ".repeat(3000)));
      case 2 -> refused("answers at once", asked().answers(9));
      default -> {
        Question late = question.asked().image(closed);
        var e =
            assertThrows(IllegalStateException.class, () -> insists(() -> model.ask(late)), name);
        assertEquals("an encoded image is asked about after it was closed", e.getMessage());
      }
    }
    return Outcome.REFUSED;
  }

  private void refused(String why, Question asked) {
    var e = assertThrows(InputException.class, () -> insists(() -> model.ask(asked)), name);
    assertTrue(e.getMessage().contains(why), e.getMessage());
  }
}
