package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.model.EncodedImage;
import starling.model.QuestionMemory;

/**
 * Many clients at once, half of whom behave badly. 200 questions, or as many as {@code
 * STARLING_QUESTIONS} says: {@code tools/check --all} asks 1,000.
 */
@Timeout(600)
class ManyClientsTest {
  private static final int CLIENTS = 32;
  private static final int QUESTIONS =
      Integer.parseInt(System.getenv().getOrDefault("STARLING_QUESTIONS", "200"));
  private static final int KNOWN = 40;
  private static final int IMAGES = 5;
  private static final long SEED = 18;

  private static void until(String what, BooleanSupplier there) {
    long start = System.nanoTime();
    while (!there.getAsBoolean()) {
      assertTrue(System.nanoTime() - start < 60e9, "waited for a minute: " + what);
      Thread.onSpinWait();
    }
  }

  private static boolean works() {
    return Thread.getAllStackTraces().keySet().stream()
        .anyMatch(t -> t.getName().equals("starling"));
  }

  @Test
  void nothingIsLostDoubledOrMixedUp() throws Exception {
    var random = new Random(SEED);
    List<CrowdQuestion> known =
        IntStream.range(0, KNOWN).mapToObj(i -> CrowdQuestion.some(random, IMAGES)).toList();
    long largest;
    try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32)) {
      known.forEach(question -> question.learn(model));
      largest =
          known.stream()
              .mapToLong(q -> q.right().getFirst().getFirst().kvReservedBytes())
              .max()
              .orElseThrow();
    }
    // Room for a few only, and a queue that is shorter than the crowd.
    var admission = new Admission(8, 12, 5 * largest);
    try (Model model =
        Model.open(Demo.MODEL, DeviceType.CPU, DType.F32, Providers.AUTO, admission)) {
      long before = QuestionMemory.bytes(model.loaded());
      for (int round = 0; round < 2; round++) {
        Map<CrowdClient.Outcome, Integer> outcomes = crowd(model, known, SEED + round);
        assertEquals(QUESTIONS / 2, outcomes.values().stream().mapToInt(n -> n).sum());
        for (CrowdClient.Outcome each : CrowdClient.Outcome.values()) {
          assertTrue(outcomes.containsKey(each), "the test tries everything: " + outcomes);
        }
        until("the thread ends", () -> !works());
        Load load = model.load();
        assertEquals(new Load(0, 0, load.cacheBytes(), 0), load);
        assertEquals(before, QuestionMemory.bytes(model.loaded()), "round " + round);
      }
    }
  }

  /** All questions of a round, each answered, refused or cancelled as its client wanted. */
  private static Map<CrowdClient.Outcome, Integer> crowd(
      Model model, List<CrowdQuestion> known, long seed) throws Exception {
    var images = new ArrayList<EncodedImage>();
    for (int i = 0; i < IMAGES; i++) {
      images.add(model.encode(Demo.read("scene-0" + i + ".png")));
    }
    EncodedImage closed = model.encode(Demo.read("scene-00.png"));
    closed.close();
    var outcomes = new EnumMap<CrowdClient.Outcome, Integer>(CrowdClient.Outcome.class);
    try (var clients = Executors.newFixedThreadPool(CLIENTS)) {
      List<Callable<CrowdClient.Outcome>> asking = new ArrayList<>();
      for (int i = 0; i < QUESTIONS / 2; i++) {
        var client = new CrowdClient(model, images, closed, known, seed, i);
        asking.add(client::asks);
      }
      for (Future<CrowdClient.Outcome> each : clients.invokeAll(asking, 5, TimeUnit.MINUTES)) {
        assertFalse(each.isCancelled(), "a question is lost, seed " + seed);
        outcomes.merge(each.get(), 1, Integer::sum);
      }
    } finally {
      images.forEach(EncodedImage::close);
    }
    return outcomes;
  }

  /** Whenever the interrupt comes: before the tower is run, while it is, or just after. */
  @Test
  void anEncodingThatIsInterruptedLeavesNothing() throws Exception {
    try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32)) {
      var image = Demo.read("scene-00.png");
      long start = System.nanoTime();
      model.encode(image).close();
      model.encode(image).close();
      long millis = (System.nanoTime() - start) / 2_000_000;
      until("both are given back", () -> !works());
      long before = QuestionMemory.bytes(model.loaded());
      int interrupted = 0;
      for (int i = 0; i < 20; i++) {
        var encoding = new FutureTask<>(() -> model.encode(image));
        Thread encodes = Thread.ofPlatform().start(encoding);
        Thread.sleep(i * millis / 16);
        encodes.interrupt();
        try {
          encoding.get().close();
        } catch (ExecutionException e) {
          assertEquals(CancellationException.class, e.getCause().getClass());
          interrupted++;
        }
      }
      assertTrue(interrupted > 0, "some were interrupted");
      until("the thread ends", () -> !works());
      assertEquals(before, QuestionMemory.bytes(model.loaded()), interrupted + " interrupted");
    }
  }

  /** A question that was let in has room for all its answers, whatever else could be kept. */
  @Test
  void theKeptBeginningOfAPromptTakesNoRoomOfItsAnswers() {
    var star = Question.of("Is there a star?").maxTokens(4);
    long one;
    try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32)) {
      one = model.ask(star.copy().image(Demo.read("scene-00.png"))).kvReservedBytes();
    }
    var admission = new Admission(2, 2, 2 * one);
    try (Model model =
            Model.open(Demo.MODEL, DeviceType.CPU, DType.F32, Providers.AUTO, admission);
        EncodedImage encoded = model.encode(Demo.read("scene-00.png"));
        AnswerStream stream = model.stream(star.image(encoded).answers(2))) {
      assertEquals(2, stream.answers().size());
    }
  }

  @Test
  @Timeout(20)
  @SuppressWarnings("try") // closed early, and again at the end
  void aClosedStreamSaysSoHoweverOftenItIsRead() {
    try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32)) {
      Question question = Question.of("Describe the image.").maxTokens(500);
      try (AnswerStream stream = model.stream(question.image(Demo.read("scene-00.png")))) {
        stream.close();
        for (int i = 0; i < 3; i++) {
          String message = assertThrows(CancellationException.class, stream::next).getMessage();
          assertEquals("the question was cancelled", message, "read " + i);
        }
      }
    }
  }

  /** A process with a crowd of clients; with an argument, one that asks once and ends. */
  static final class Crowd {
    public static void main(String[] arguments) throws Exception {
      try (Model model = Model.open(Demo.MODEL, DeviceType.CPU, DType.F32)) {
        Callable<Void> asks =
            () -> {
              do {
                Question color = Question.of("What color is the heart?").maxTokens(8);
                Answer answer = model.ask(color.image(Demo.read("scene-00.png")));
                System.out.println("answered " + answer.text());
              } while (arguments.length == 0);
              return null;
            };
        if (arguments.length > 0) {
          asks.call();
          return;
        }
        try (var clients = Executors.newFixedThreadPool(CLIENTS)) {
          clients.invokeAll(Collections.nCopies(CLIENTS, asks));
        }
      }
    }
  }

  private static Process start(Path temporary, String... arguments) throws Exception {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--add-modules", "jdk.incubator.vector", "-Xmx1g"));
    command.add("-Djava.io.tmpdir=" + temporary);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Crowd.class.getName()));
    command.addAll(Arrays.asList(arguments));
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
  }

  @Test
  void aProcessThatIsKilledStopsNoOther(@TempDir Path temporary) throws Exception {
    Process crowd = start(temporary);
    try (BufferedReader out = crowd.inputReader(StandardCharsets.UTF_8)) {
      for (int i = 0; i < 3; i++) {
        assertEquals("answered yellow", out.readLine());
      }
      assertTrue(crowd.isAlive());
    } finally {
      crowd.destroyForcibly();
    }
    assertEquals(128 + 9, crowd.waitFor(), "killed, with questions that run and wait");
    Process next = start(temporary, "once");
    try {
      String said = new String(next.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals("answered yellow\n", said);
      assertEquals(0, next.waitFor());
    } finally {
      next.destroyForcibly();
    }
    try (var left = Files.list(temporary)) {
      assertEquals(List.of(), left.filter(f -> !f.endsWith("hsperfdata")).toList());
    }
  }
}
