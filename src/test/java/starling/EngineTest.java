package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.input.InputException;

/** Who is let in, who waits, and that nobody suffers from what another does. */
@Timeout(120)
class EngineTest {
  private static final String SPEC = "star:R=0.1,K=4,P=0.9";

  private static Question question(String text) {
    return Question.of(text).image(Demo.read("scene-00.png")).maxTokens(8);
  }

  private static Question color() {
    return question("What color is the heart?");
  }

  private static Model open(int sequences, int waiting, long cacheBytes) {
    return Model.open(
        Demo.MODEL,
        DeviceType.CPU,
        DType.F32,
        Providers.AUTO,
        new Admission(sequences, waiting, cacheBytes));
  }

  private static FutureTask<Answer> asking(Model model, Question question) {
    var task = new FutureTask<>(() -> model.ask(question));
    Thread.ofPlatform().start(task);
    return task;
  }

  private static void until(BooleanSupplier there) {
    long start = System.nanoTime();
    while (!there.getAsBoolean()) {
      assertTrue(System.nanoTime() - start < 60e9, "waited for a minute");
      Thread.onSpinWait();
    }
  }

  /** The model's thread while there is work; null afterwards. */
  private static Thread own() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals("starling"))
        .findFirst()
        .orElse(null);
  }

  // ---- admission ----

  @Test
  void whenAsManyWaitAsMayTheNextIsRefusedAtOnce() throws Exception {
    try (Model model = open(1, 2, 0)) {
      var held = new HeldMethod();
      FutureTask<Answer> first = asking(model, color().prune(held));
      held.await();
      var waiting = List.of(asking(model, color()), asking(model, color().prune(SPEC)));
      until(() -> model.load().waiting() == 2);
      String message =
          assertThrows(RejectedExecutionException.class, () -> model.ask(color())).getMessage();
      assertEquals(
          "the model is busy: 1 answers are being drawn and 2 questions wait, the most that may",
          message);
      assertEquals(1, model.load().running());
      held.go();
      assertEquals("yellow", first.get().text());
      for (FutureTask<Answer> one : waiting) {
        assertEquals("yellow", one.get().text());
        assertTrue(one.get().timingsMs().waiting() > 0);
      }
      assertEquals("yellow", model.ask(color()).text(), "there is room again");
    }
  }

  @Test
  void whatCannotFitIsRefusedAndWhatMustWaitWaits() throws Exception {
    long one;
    try (Model model = open(1, 0, 0)) {
      one = model.ask(color()).kvReservedBytes();
    }
    try (Model model = open(4, 8, one + one / 4)) {
      String message =
          assertThrows(InputException.class, () -> model.ask(color().answers(2))).getMessage();
      assertTrue(
          message.startsWith("the question needs more than the 4 answers at once or the 0.0"),
          message);
      assertThrows(InputException.class, () -> model.ask(color().answers(5)));
      assertThrows(InputException.class, () -> model.ask(color().maxTokens(600)));
      assertEquals(0, model.load().waiting(), "who was refused is not counted");
      var held = new HeldMethod();
      FutureTask<Answer> first = asking(model, color().prune(held));
      held.await();
      FutureTask<Answer> second = asking(model, color());
      until(() -> model.load().waiting() == 1);
      held.go();
      assertEquals("yellow", first.get().text());
      assertEquals("yellow", second.get().text());
      assertTrue(model.load().cacheBytesUsed() <= model.load().cacheBytes());
      assertEquals(one + one / 4, model.load().cacheBytes());
    }
  }

  @Test
  void theFirstToComeIsTheFirstToBegin() throws Exception {
    try (Model model = open(1, 8, 0)) {
      var held = new HeldMethod();
      FutureTask<Answer> first = asking(model, color().prune(held));
      held.await();
      var order = new ArrayList<Integer>();
      var asked = new ArrayList<FutureTask<Answer>>();
      for (int i = 0; i < 4; i++) {
        int number = i;
        asked.add(
            asking(
                model,
                color()
                    .progress(
                        (phase, done, of) -> {
                          synchronized (order) {
                            if (!order.contains(number)) {
                              order.add(number);
                            }
                          }
                        })));
        int waiting = i + 1;
        until(() -> model.load().waiting() == waiting);
      }
      held.go();
      first.get();
      for (FutureTask<Answer> one : asked) {
        one.get();
      }
      assertEquals(List.of(0, 1, 2, 3), order);
    }
  }

  // ---- cancelling ----

  @Test
  void aQueuedQuestionIsCancelledAtOnce() throws Exception {
    try (Model model = open(1, 8, 0)) {
      var held = new HeldMethod();
      FutureTask<Answer> first = asking(model, color().prune(held));
      held.await();
      var said = new CompletableFuture<String>();
      Thread waits =
          Thread.ofPlatform()
              .start(
                  () -> {
                    try {
                      model.ask(color());
                    } catch (CancellationException e) {
                      said.complete(e.getMessage() + " " + Thread.currentThread().isInterrupted());
                    }
                  });
      until(() -> model.load().waiting() == 1);
      waits.interrupt();
      assertEquals("the question was interrupted true", said.get());
      assertEquals(0, model.load().waiting(), "while the other still runs");
      held.go();
      assertEquals("yellow", first.get().text());
    }
  }

  @Test
  void aQuestionWhoseTimeIsOverEndsWaitingOrRunning() throws Exception {
    try (Model model = open(1, 8, 0)) {
      var held = new HeldMethod();
      Question brief = color().prune(held).timeout(Duration.ofSeconds(3));
      FutureTask<Answer> running = asking(model, brief);
      held.await();
      FutureTask<Answer> waiting = asking(model, color().timeout(Duration.ofMillis(20)));
      for (FutureTask<Answer> one : List.of(waiting, running)) {
        var e = assertThrows(ExecutionException.class, one::get);
        assertEquals(QuestionTimeoutException.class, e.getCause().getClass());
        assertTrue(
            e.getCause().getMessage().matches("the question was not answered within (20|3000) ms"));
      }
      held.go();
      assertEquals("yellow", model.ask(color().timeout(Duration.ofDays(400_000))).text());
      until(() -> model.load().cacheBytesUsed() == 0);
    }
  }

  @Test
  void aClosedStreamEndsItsQuestion() {
    try (Model model = open(2, 8, 0)) {
      AnswerStream stream = model.stream(question("Describe the image.").maxTokens(500));
      assertTrue(!stream.next().text().isEmpty());
      stream.close();
      stream.close();
      assertThrows(CancellationException.class, stream::next);
      assertThrows(CancellationException.class, stream::answers);
      until(() -> model.load().running() == 0);
      assertEquals("yellow", model.ask(color()).text());
    }
  }

  @Test
  void aFutureCompletesAndItsCancellingCancels() throws Exception {
    try (Model model = open(2, 8, 0)) {
      assertEquals("yellow", model.askAsync(color()).get().text());
      var e =
          assertThrows(
              CompletionException.class,
              () -> model.askAsync(color().prune("star:R=0.1,K=40,P=0.9")).join());
      assertEquals(InputException.class, e.getCause().getClass());
      var held = new HeldMethod();
      CompletableFuture<Answer> answer = model.askAsync(color().prune(held));
      held.await();
      assertTrue(answer.cancel(true));
      held.go();
      until(() -> model.load().running() == 0 && model.load().cacheBytesUsed() == 0);
    }
  }

  // ---- others ----

  @Test
  void aListenerThatWaitsOrThrowsHarmsOnlyItsOwnQuestion() throws Exception {
    try (Model model = open(4, 8, 0)) {
      var go = new CountDownLatch(1);
      var slow = new FutureTask<>(() -> model.ask(color(), piece -> Quietly.await(go)));
      Thread.ofPlatform().start(slow);
      var throwing =
          new FutureTask<>(
              () ->
                  model.ask(
                      color(),
                      piece -> {
                        throw new IllegalArgumentException("mine");
                      }));
      Thread.ofPlatform().start(throwing);
      for (int i = 0; i < 3; i++) {
        assertEquals("yellow", model.ask(color()).text());
      }
      var e = assertThrows(ExecutionException.class, throwing::get);
      assertEquals("mine", e.getCause().getMessage());
      go.countDown();
      assertEquals("yellow", slow.get().text());
    }
  }

  @Test
  void aMethodThatThrowsHarmsOnlyItsOwnQuestion() throws Exception {
    try (Model model = open(4, 8, 0)) {
      var thrown = new ArithmeticException("mine");
      var held =
          new HeldMethod()
              .doing(
                  () -> {
                    throw thrown;
                  });
      FutureTask<Answer> failing = asking(model, color().prune(held));
      held.await();
      FutureTask<Answer> other = asking(model, color());
      held.go();
      var e = assertThrows(ExecutionException.class, failing::get);
      assertTrue(e.getCause() == thrown, "it comes out as it is");
      assertEquals("yellow", other.get().text());
    }
  }

  @Test
  void aMethodCannotAskOrCloseTheModelThatRunsIt() throws Exception {
    try (Model model = open(4, 8, 0)) {
      var said = new ArrayList<String>();
      var held =
          new HeldMethod()
              .doing(
                  () -> {
                    said.add(
                        assertThrows(IllegalStateException.class, () -> model.ask(color()))
                            .getMessage());
                    said.add(assertThrows(IllegalStateException.class, model::close).getMessage());
                  });
      held.go();
      assertEquals("yellow", model.ask(color().prune(held)).text());
      assertEquals(
          List.of(
              "a pruning method cannot ask the model that it is run by",
              "a pruning method cannot close the model that it is run by"),
          said);
    }
  }

  // ---- closing ----

  @Test
  void closingAnswersWhatRunsAndRefusesWhatWaits() throws Exception {
    Model model = open(1, 8, 0);
    var held = new HeldMethod();
    FutureTask<Answer> running = asking(model, color().prune(held));
    held.await();
    FutureTask<Answer> waiting = asking(model, color());
    until(() -> model.load().waiting() == 1);
    var closing = new FutureTask<>(model::close, null);
    Thread.ofPlatform().start(closing);
    var e = assertThrows(ExecutionException.class, waiting::get);
    assertEquals("the model " + Demo.MODEL + " is closed", e.getCause().getMessage());
    assertThrows(IllegalStateException.class, () -> model.ask(color()));
    held.go();
    assertEquals("yellow", running.get().text());
    closing.get();
    assertNull(own(), "no thread is left");
  }

  @Test
  void closingWithoutPatienceCancels() throws Exception {
    Model model = open(1, 8, 0);
    AnswerStream stream = model.stream(question("Describe the image.").maxTokens(500));
    stream.next();
    model.close(Duration.ofMillis(1));
    assertThrows(CancellationException.class, stream::answers);
    assertNull(own());
  }

  /** Also a question whose prompt is being read: it ends behind the layer that it is in. */
  @Test
  void closingWithoutPatienceCancelsAPrompt() throws Exception {
    Model model = open(1, 8, 0);
    var held = new HeldMethod();
    FutureTask<Answer> reading = asking(model, color().prune(held));
    held.await();
    var closing = new FutureTask<>(() -> model.close(Duration.ofMillis(1)), null);
    Thread.ofPlatform().start(closing);
    var e = assertThrows(ExecutionException.class, reading::get);
    assertEquals(CancellationException.class, e.getCause().getClass());
    held.go();
    closing.get();
    assertNull(own());
  }

  @Test
  void theThreadIsThereWhileThereIsWork() {
    try (Model model = open(2, 8, 0)) {
      assertNull(own(), "before the first question");
      var held = new HeldMethod();
      CompletableFuture<Answer> answer = model.askAsync(color().prune(held));
      held.await();
      assertTrue(own().isDaemon());
      held.go();
      assertEquals("yellow", answer.join().text());
      until(() -> own() == null);
    }
  }
}
