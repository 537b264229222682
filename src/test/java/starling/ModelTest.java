package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import starling.image.Image;
import starling.input.InputException;
import starling.model.ImageOptions;
import starling.text.Template;

/**
 * The public face: streaming, cancelling, closing, threads, and what one question leaves behind.
 */
class ModelTest {
  private static Question question(String text) {
    return Question.of(text).image(Demo.image("scene-00.png")).maxTokens(8);
  }

  @Test
  void thePiecesMakeUpTheAnswer() {
    try (Model model = Model.open(Demo.MODEL)) {
      var pieces = new ArrayList<String>();
      Answer answer = model.ask(question("Describe the image."), pieces::add);
      assertEquals(answer.text(), String.join("", pieces).strip());
      assertTrue(pieces.size() > 1);
    }
  }

  @Test
  void aStopTextAcrossTokensIsNeverHandedOverInPart() {
    try (Model model = Model.open(Demo.MODEL)) {
      var pieces = new ArrayList<String>();
      Answer whole = model.ask(question("Describe the image."), pieces::add);
      String first = pieces.get(0);
      String second = pieces.get(1);
      String stop = first.substring(first.length() - 2) + second.substring(0, 2);
      assertEquals(
          first.length() - 2,
          whole.text().indexOf(stop),
          "the stop text stands across the first two pieces");
      var handed = new ArrayList<String>();
      Answer stopped = model.ask(question("Describe the image.").stop(stop), handed::add);
      assertEquals(first.substring(0, first.length() - 2), String.join("", handed));
      assertEquals(first.substring(0, first.length() - 2).strip(), stopped.text());
      assertEquals("stop", stopped.finishReason());
    }
  }

  @Test
  void oneQuestionLeavesNothingBehind() {
    try (Model model = Model.open(Demo.MODEL)) {
      Answer alone = model.ask(question("What color is the heart?").logits(true));
      model.ask(question("Where is the star?").prune("star:R=0.5,K=2,P=0.9,kv=compact"));
      assertThrows(InputException.class, () -> model.ask(question("x").prune("fastv:K=9,keep=1")));
      assertThrows(
          CancellationException.class,
          () ->
              model.ask(
                  question("x")
                      .progress((phase, done, of) -> cancelAt(phase, done, "prefill", 3))));
      Answer again = model.ask(question("What color is the heart?").logits(true));
      assertEquals(alone.firstLogits(), again.firstLogits());
      assertEquals(alone.outputTokens(), again.outputTokens());
    }
  }

  private static void cancelAt(String phase, int done, String wanted, int at) {
    if (phase.equals(wanted) && done == at) {
      throw new CancellationException("enough");
    }
  }

  /** Without a template the marked prompt is the whole text, which the model was not taught. */
  @Test
  void aTemplateIsAppliedAroundAPromptThatHoldsTheImage() {
    try (Model model = Model.open(Demo.MODEL)) {
      for (String prompt :
          List.of("<image>\nWhat color is the heart?", "<image>What color is the heart?")) {
        Answer bare = model.ask(question(prompt));
        assertEquals("square", bare.text());
        assertEquals(1, bare.warnings().size());
        assertTrue(
            bare.warnings().getFirst().contains("used as given"), bare.warnings().toString());
        for (Template template : List.of(Template.LLAVA_HF, Template.VICUNA_V1)) {
          Answer wrapped = model.ask(question(prompt).template(template));
          assertEquals("yellow", wrapped.text(), template + ": " + prompt);
          assertEquals(List.of(), wrapped.warnings());
        }
      }
      Answer usual = model.ask(question("What color is the heart?"));
      assertEquals(List.of(), usual.warnings());
      for (Template template : List.of(Template.LLAVA_HF, Template.VICUNA_V1)) {
        assertEquals(
            model.ask(question("What color is the heart?").template(template)).promptTokens(),
            model
                .ask(question("<image>\nWhat color is the heart?").template(template))
                .promptTokens());
        Question wrong = question("<image> and <image>?").template(template);
        assertThrows(InputException.class, () -> model.ask(wrong));
      }
    }
  }

  /** A raw prompt is the whole text, without a warning; both forms of the placeholder are one. */
  @Test
  void aPlaceholderMayStandOncePerVisualToken() {
    try (Model model = Model.open(Demo.MODEL)) {
      String raw = "USER: <image>\nWhat color is the heart? ASSISTANT:";
      Answer once = model.ask(question(raw).template(Template.RAW));
      assertEquals("yellow", once.text());
      assertEquals(List.of(), once.warnings());
      int rows = once.visualTokens().input();
      String repeated = raw.replace("<image>", "<image>".repeat(rows));
      Answer all = model.ask(question(repeated).template(Template.RAW));
      assertEquals(once.outputTokens(), all.outputTokens());
      assertEquals(once.promptTokens(), all.promptTokens());
      Question more = question(repeated + "<image>").template(Template.RAW);
      var e = assertThrows(InputException.class, () -> model.ask(more));
      assertTrue(e.getMessage().contains(rows + " visual tokens"), e.getMessage());
    }
  }

  @Test
  void aSystemTextAndTurnsAreWrappedAroundTheQuestion() {
    try (Model model = Model.open(Demo.MODEL)) {
      Answer said =
          model.ask(question("And?").system("What is red").turn("Where is the star?", "left"));
      Answer spelled =
          model.ask(
              question(
                      "What is red USER: <image>\nWhere is the star? ASSISTANT: left USER: And?"
                          + " ASSISTANT:")
                  .template(Template.RAW));
      assertEquals(spelled.promptTokens(), said.promptTokens());
      assertEquals(spelled.outputTokens(), said.outputTokens());
      Question marked = question("<image>What color is the heart?").system("What is red");
      assertEquals(List.of(), model.ask(marked).warnings());
      Question raw = question("<image>").system("What is red").template(Template.RAW);
      assertThrows(InputException.class, () -> model.ask(raw));
    }
  }

  @Test
  void cancellingEndsTheAnswerInEveryPhase() {
    try (Model model = Model.open(Demo.MODEL)) {
      for (String phase : List.of("vision", "prefill", "decode")) {
        int at = phase.equals("vision") ? 0 : 2;
        assertThrows(
            CancellationException.class,
            () ->
                model.ask(
                    question("Describe the image.")
                        .progress((now, done, of) -> cancelAt(now, done, phase, at))));
      }
    }
  }

  @Test
  void closingTwiceIsHarmlessAndUseAfterwardsIsRefused() {
    Model model = Model.open(Demo.MODEL);
    model.close();
    model.close();
    Image image = Image.read(Demo.image("scene-00.png"));
    List<Executable> uses =
        List.of(
            () -> model.ask(question("x")),
            () -> model.prepare(image, ImageOptions.DEFAULT, "it"),
            model::family);
    for (Executable use : uses) {
      String message = assertThrows(IllegalStateException.class, use).getMessage();
      assertEquals("the model " + Demo.MODEL + " is closed", message);
    }
  }

  /** Waiting for its turn, or being answered: the model stays usable, the thread interrupted. */
  @Test
  void anInterruptEndsAQuestion() throws Exception {
    try (Model model = Model.open(Demo.MODEL)) {
      for (boolean waiting : new boolean[] {true, false}) {
        var running = new CountDownLatch(1);
        var go = new CountDownLatch(1);
        var first =
            new FutureTask<>(
                () ->
                    model.ask(
                        question("What color is the heart?")
                            .progress(
                                (phase, done, of) -> {
                                  running.countDown();
                                  awaitQuietly(go);
                                })));
        var second =
            new FutureTask<>(
                () -> {
                  var e = assertThrows(CancellationException.class, () -> model.ask(question("x")));
                  return e.getMessage() + " " + Thread.currentThread().isInterrupted();
                });
        Thread answered = Thread.ofPlatform().start(first);
        running.await();
        try {
          if (waiting) {
            Thread waits = Thread.ofPlatform().start(second);
            while (waits.getState() != Thread.State.WAITING) {
              Thread.onSpinWait();
            }
            waits.interrupt();
            assertEquals("the question was interrupted true", second.get(10, TimeUnit.SECONDS));
          } else {
            answered.interrupt();
          }
        } finally {
          go.countDown();
        }
        if (waiting) {
          assertEquals("yellow", first.get().text());
        } else {
          var e = assertThrows(ExecutionException.class, first::get);
          assertEquals(CancellationException.class, e.getCause().getClass());
          assertEquals("the question was interrupted", e.getCause().getMessage());
        }
      }
      assertEquals("yellow", model.ask(question("What color is the heart?")).text());
    }
  }

  private static void awaitQuietly(CountDownLatch latch) {
    boolean interrupted = false;
    while (latch.getCount() > 0) {
      try {
        latch.await();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** An interrupt closes files under their readers; it must not sound like a broken file. */
  @Test
  void anInterruptedOpeningSaysSo() throws Exception {
    var atOnce =
        new FutureTask<>(
            () -> {
              Thread.currentThread().interrupt();
              var e = assertThrows(InputException.class, () -> Model.open(Demo.MODEL));
              assertTrue(Thread.currentThread().isInterrupted());
              return e.getMessage();
            });
    Thread.ofPlatform().start(atOnce);
    String said = Demo.MODEL + ": opening the model was interrupted";
    assertEquals(said, atOnce.get());
    for (int micros = 0; micros < 40_000; micros += 2_000) { // in any phase of it
      var opening = new FutureTask<>(() -> Model.open(Demo.MODEL));
      Thread thread = Thread.ofPlatform().start(opening);
      LockSupport.parkNanos(micros * 1000L);
      thread.interrupt();
      try {
        opening.get().close();
      } catch (ExecutionException e) {
        assertEquals(InputException.class, e.getCause().getClass());
        assertEquals(said, e.getCause().getMessage());
      }
    }
    Model.open(Demo.MODEL).close();
  }

  @Test
  @SuppressWarnings("try") // closing early is what is tested
  void aListenerMayAskAndClose() {
    try (Model model = Model.open(Demo.MODEL)) {
      var inner = new ArrayList<String>();
      Question color = question("What color is the heart?");
      Answer outer =
          model.ask(
              question("Describe the image."),
              piece -> {
                if (inner.isEmpty()) {
                  inner.add(model.ask(color).text());
                }
              });
      assertEquals(List.of("yellow"), inner);
      Answer whole = model.ask(question("Describe the image."), piece -> model.close());
      assertEquals(outer.text(), whole.text(), "closing waits for it");
      assertThrows(IllegalStateException.class, () -> model.ask(color));
    }
  }

  @Test
  void closingWaitsForARunningQuestion() throws Exception {
    Model model = Model.open(Demo.MODEL);
    var running = new CountDownLatch(1);
    try (var threads = Executors.newFixedThreadPool(1)) {
      Future<Answer> answer =
          threads.submit(
              () ->
                  model.ask(
                      question("What color is the heart?")
                          .progress((p, d, o) -> running.countDown())));
      running.await();
      model.close();
      assertEquals("yellow", answer.get().text());
    }
  }

  @Test
  void threadsTakeTurnsAndGetTheirOwnAnswers() throws Exception {
    try (Model model = Model.open(Demo.MODEL);
        var threads = Executors.newFixedThreadPool(4)) {
      var answers = new ArrayList<Future<Answer>>();
      for (int i = 0; i < 8; i++) {
        String spec = i % 2 == 0 ? "none" : "star:R=0.1,K=4,P=0.9";
        answers.add(
            threads.submit(
                () -> model.ask(question("What color is the heart?").prune(spec).logits(true))));
      }
      for (int i = 0; i < 8; i++) {
        assertEquals("yellow", answers.get(i).get().text());
        assertEquals(answers.get(i % 2).get().firstLogits(), answers.get(i).get().firstLogits());
      }
    }
  }

  /** 1024 positions: the token drawn last is not fed back, so the answer has one more than fit. */
  @Test
  void anAnswerEndsWhereTheContextDoes(@TempDir Path dir) throws IOException {
    var endless =
        CheckpointCopy.in(dir)
            .json("config.json", c -> c.put("eos_token_id", 499))
            .json("generation_config.json", c -> c.put("eos_token_id", 499));
    try (Model model = Model.open(endless.dir())) {
      Answer whole = model.ask(question("Describe the image.").maxTokens(100_000));
      int prompt = whole.promptTokens().size() - 1 + 576;
      assertEquals(1024 - prompt + 1, whole.outputTokens().size());
      assertEquals("length", whole.finishReason());
      Answer pruned =
          model.ask(
              question("Describe the image.")
                  .maxTokens(100_000)
                  .prune("star:R=0.5,K=4,P=0.9,positions=compact"));
      assertEquals(1024 - (prompt - 288) + 1, pruned.outputTokens().size());
      Answer one = model.ask(question("Describe the image.").maxTokens(1));
      assertEquals(List.of(whole.outputTokens().get(0)), one.outputTokens());
      assertEquals("length", one.finishReason());
    }
  }

  @Test
  void anAnswerTellsWhereItsTimeWent() {
    try (Model model = Model.open(Demo.MODEL)) {
      Answer.Timings t =
          model.ask(question("What color is the heart?").prune("star:R=0.1,K=4,P=0.9")).timingsMs();
      assertTrue(t.load() > 0 && t.vision() > 0 && t.prefill() > 0 && t.prune() > 0);
      assertTrue(t.prune() < t.vision() + t.prefill());
      assertTrue(t.preprocess() + t.vision() + t.prefill() < t.total());
      assertFalse(Double.isNaN(t.decodePerToken()));
    }
  }

  @Test
  void endTokensComeFromTheFirstFileThatNamesOne(@TempDir Path dir) throws IOException {
    for (String name : List.of("preprocessor_config.json", "tokenizer.json", "model.safetensors")) {
      Files.copy(Demo.MODEL.resolve(name), dir.resolve(name));
    }
    String config = Files.readString(Demo.MODEL.resolve("config.json"));
    // 354 is "yellow", the first token of the answer.
    String without = config.replaceAll("\\s*\"eos_token_id\": 2,", "");
    Files.writeString(dir.resolve("config.json"), without);
    assertEquals("length", ended(dir));
    Files.writeString(
        dir.resolve("tokenizer_config.json"), "{\"eos_token\": {\"content\": \"</s>\"}}");
    assertEquals("stop after 2", ended(dir));
    Files.writeString(
        dir.resolve("config.json"), without.replaceFirst("\\{", "{\"eos_token_id\": [9, 354],"));
    assertEquals("stop after 1", ended(dir));
    Files.writeString(
        dir.resolve("generation_config.json"),
        "{\"eos_token_id\": 2, \"do_sample\": true, \"temperature\": 9}");
    assertEquals("stop after 2", ended(dir));
  }

  private static String ended(Path dir) {
    try (Model model = Model.open(dir)) {
      Answer answer = model.ask(question("What color is the heart?"));
      return answer.finishReason()
          + (answer.finishReason().equals("stop") ? " after " + answer.outputTokens().size() : "");
    }
  }
}
