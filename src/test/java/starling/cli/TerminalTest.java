package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Demo;
import starling.cli.PseudoTerminal.Seen;

/** What a person sees at a terminal when a command has ended. */
class TerminalTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String SUMMARY = "prefill \\d+ rows in .*, KV [0-9.]+ of [0-9.]+ MB";

  @TempDir Path dir;

  @BeforeAll
  static void aTerminal() {
    PseudoTerminal.assumeThereIsOne();
  }

  private static String ask(Path model, String more) {
    return "tools/starling run --device cpu --model '%s' --prompt Hello --max-tokens 8 %s"
        .formatted(model, more);
  }

  /** What the bundled model says to that, where {@code commas} stands for its commas. */
  private static String answer(String commas) {
    return "bottom, bottom, yes yes yes yes".replace(",", commas);
  }

  /** The bundled model with other commas. */
  private Path saying(String commas) throws IOException {
    Path model = Files.createDirectories(dir.resolve("model"));
    try (var files = Files.list(Demo.MODEL)) {
      for (Path file : files.toList()) {
        Files.createSymbolicLink(model.resolve(file.getFileName()), file.toAbsolutePath());
      }
    }
    Path tokenizer = model.resolve("tokenizer.json");
    var json = (ObjectNode) JSON.readTree(Files.readAllBytes(tokenizer));
    var replace = ((ArrayNode) json.at("/decoder/decoders")).insertObject(1);
    replace.put("type", "Replace").put("content", commas).putObject("pattern").put("String", ",");
    Files.delete(tokenizer);
    Files.write(tokenizer, JSON.writeValueAsBytes(json));
    return model;
  }

  private static void assertMatches(String pattern, String line) {
    assertTrue(line.matches(pattern), line);
  }

  @Test
  void theAnswerStandsAboveTheSummaryAndNoStatusIsLeft() throws Exception {
    Seen seen =
        PseudoTerminal.run(
            80,
            "tools/starling run --device cpu --model %s --image %s --prompt 'What color is the heart?'"
                .formatted(Demo.MODEL, Demo.image("scene-00.png")));
    assertEquals(0, seen.status(), seen.sent());
    assertTrue(seen.sent().contains("vision 1 of 1"), "progress was shown");
    assertEquals("yellow", seen.lines().get(0));
    assertMatches(SUMMARY, seen.lines().get(1));
    assertEquals(2, seen.lines().size(), seen.lines().toString());
  }

  @ParameterizedTest
  @ValueSource(ints = {10, 80})
  void anAnswerThatWrapsAndHasLineEndsStandsWhole(int columns) throws Exception {
    String longLine = "0123456789".repeat(20);
    Path model = saying("\n" + longLine + "\n\n\u00e9");
    Seen seen = PseudoTerminal.run(columns, ask(model, ""));
    assertTrue(seen.sent().contains("prefill 1"), "progress was shown");
    List<String> answer = answer("\n" + longLine + "\n\n\u00e9").lines().toList();
    assertEquals(answer, seen.lines().subList(0, answer.size()));
    assertMatches(SUMMARY, seen.lines().get(answer.size()));
    assertEquals(answer.size() + 1, seen.lines().size(), seen.lines().toString());
  }

  @Test
  void standardOutputAloneOnTheTerminalShowsTheAnswerAndNothingElse() throws Exception {
    Path err = dir.resolve("err");
    Seen seen = PseudoTerminal.run(80, ask(Demo.MODEL, "2>" + err));
    assertEquals(answer(",") + "\r\n", seen.sent());
    assertMatches(SUMMARY + "\n", Files.readString(err));
  }

  @Test
  void standardErrorAloneOnTheTerminalShowsTheSummary() throws Exception {
    Path out = dir.resolve("out");
    Seen seen = PseudoTerminal.run(80, ask(Demo.MODEL, ">" + out));
    assertTrue(seen.sent().contains("prefill 1 of 8"), "progress was shown");
    assertMatches(SUMMARY, seen.lines().get(0));
    assertEquals(1, seen.lines().size(), seen.lines().toString());
    assertEquals(answer(",") + "\n", Files.readString(out));
  }

  /** Another program prints the answer there, and nobody knows when. */
  @Test
  void anAnswerThroughAPipeToTheSameTerminalIsNotTouched() throws Exception {
    Seen seen = PseudoTerminal.run(80, ask(Demo.MODEL, "| cat"));
    assertTrue(seen.sent().contains("prefill 1 of 8"), "progress was shown");
    int answer = seen.sent().indexOf("bottom");
    assertTrue(answer > 0 && seen.sent().indexOf('\u001b', answer) < 0, seen.sent());
  }

  @Test
  void jsonIsWholeAndItsCharactersDoNotAct() throws Exception {
    String hostile = "\u001b]0;title\u0007\u001b[2J\u007f\u009b2J\u202e\u2066\u200f\u2028\ufeff";
    Seen seen = PseudoTerminal.run(80, ask(saying(hostile), "--json"));
    assertTrue(seen.sent().contains("decode 2 of 8"), "progress was shown");
    JsonNode said = JSON.readTree(seen.lines().get(0));
    assertEquals(answer(hostile), said.get("text").textValue());
    assertMatches(SUMMARY, seen.lines().get(1));
  }

  /** A terminal shows escapes; a file gets what was said. The screen itself refuses what acts. */
  @Test
  void whatTheModelSaysDoesNotActOnTheTerminal() throws Exception {
    String hostile = "\u001b]0;title\u0007\u001b[2J\r\u009b2J\u202e";
    Path model = saying(hostile);
    Seen seen = PseudoTerminal.run(200, ask(model, ""));
    assertEquals(
        answer("\\u001b]0;title\\u0007\\u001b[2J\\u000d\\u009b2J\\u202e"), seen.lines().get(0));
    Path file = dir.resolve("answer");
    PseudoTerminal.run(200, ask(model, "| cat >" + file));
    assertEquals(answer(hostile) + "\n", Files.readString(file), "a pipe gets what was said");
  }

  @Test
  void pathsAndFailuresDoNotActOnTheTerminal() throws Exception {
    for (String command :
        List.of("inspect $'a\\e[2J\\u202e\\nb'", "run --model x --prompt x $'--a\\e[2J'")) {
      Seen seen = PseudoTerminal.run(200, "tools/starling " + command);
      assertEquals(1, seen.lines().size(), seen.lines().toString());
      assertTrue(seen.lines().get(0).contains("\\u001b[2J"), seen.lines().toString());
    }
  }

  @Test
  void aPathInATableStaysInItsLine() throws Exception {
    String command =
        "export STARLING_EMULATED_LIBRARY=$'/x\\e[2J\\ncuda        yes'; tools/starling doctor";
    Seen seen = PseudoTerminal.run(300, command);
    assertFalse(seen.lines().contains("cuda        yes"), seen.lines().toString());
    assertTrue(seen.sent().contains("/x\\u001b[2J\\u000acuda        yes"), seen.sent());
  }

  @Test
  void theDemosBarGoesAndItsTableStays() throws Exception {
    Seen seen =
        PseudoTerminal.run(
            40, "tools/starling demo --device cpu --pictures 1 --out " + dir.resolve("demo"));
    assertEquals(0, seen.status(), seen.sent());
    assertTrue(seen.sent().contains("questions"), "progress was shown");
    assertMatches("prune +right +tokens .*", seen.lines().get(0));
    assertEquals(DemoCommand.SPECS.size() + 5, seen.lines().size(), seen.lines().toString());
    assertMatches("\\d+ of \\d+ answers right .*", seen.lines().getLast());
  }

  @Test
  void whatBenchSaysMeanwhileGoesAndItsTableStays() throws Exception {
    Path file = dir.resolve("a.json");
    Seen seen =
        PseudoTerminal.run(
            20,
            "tools/starling bench kernels --op embed,advance --T 8 --cache warm --noise 0.5 --max-time 0.01 --out "
                + file);
    assertEquals(0, seen.status(), seen.sent());
    assertTrue(seen.sent().contains("\r\u001b[K"), "progress was shown");
    assertEquals(2, JSON.readTree(file.toFile()).get("benchmarks").size());
    int head = 0;
    while (!seen.lines().get(head).startsWith("op ")) {
      assertMatches("|[a-z]+.*", seen.lines().get(head++));
    }
    assertEquals(head + 3, seen.lines().size(), seen.lines().toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"doctor", "bench ceilings --max-time 0.01"})
  void otherCommandsLeaveTheLinesOfTheirOutput(String command) throws Exception {
    Seen seen = PseudoTerminal.run(100, "tools/starling " + command);
    assertEquals(0, seen.status(), seen.sent());
    assertFalse(seen.lines().get(0).isBlank());
    assertFalse(seen.sent().contains("\u001b"), seen.sent());
  }

  // ---- the two streams, without a terminal ----

  @Test
  void whatFailsInTheMiddleOfALineBeginsALine() {
    var screen = new ByteArrayOutputStream();
    var out = new StandardStream("standard output", screen, true).printer();
    var err = new StandardStream("standard error", screen, true).printer();
    out.print("yel");
    err.println("it failed");
    out.println("next");
    assertEquals("yel\nit failed\nnext\n", screen.toString(StandardCharsets.UTF_8));
  }

  @Test
  void anEscapeSplitOverPiecesDoesNotActAndCharactersStayWhole() {
    var screen = new ByteArrayOutputStream();
    var out = new StandardStream("standard output", screen, true).printer();
    for (String piece : List.of("\u001b", "[2", "J", "\ud83e", "\udd9c", "\u00e9\u0085", "\t")) {
      out.print(piece);
    }
    out.println();
    assertEquals(
        "\\u001b[2J\ud83e\udd9c\u00e9\\u0085\t\n", screen.toString(StandardCharsets.UTF_8));
  }
}
