package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Demo;
import starling.cli.CommandLineTest.Result;
import starling.text.Tokenizer;

/** What follows an option is its value, to the last character. */
class LiteralValuesTest {
  @TempDir Path dir;

  private static Result run(String... args) {
    return CommandLineTest.run(new byte[0], args);
  }

  private static List<Integer> promptTokens(String... prompt) throws IOException {
    var args =
        new ArrayList<>(
            List.of("run", "--device", "cpu", "--json", "--max-tokens", "1", "--model"));
    args.add(Demo.MODEL.toString());
    args.addAll(List.of(prompt));
    Result result = run(args.toArray(String[]::new));
    assertEquals(0, result.status(), result.err());
    var ids = new ArrayList<Integer>();
    new ObjectMapper()
        .readTree(result.out())
        .get("prompt_tokens")
        .forEach(t -> ids.add(t.intValue()));
    return ids;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "@args",
        "@@x",
        "@",
        "--json",
        "--prompt",
        "--model=x",
        "-h",
        "-V",
        "-hello",
        "--help",
        "--",
        "-5 degrees",
        "'quoted'",
        "\"quoted\"",
        "${sys:user.home} ${env:HOME} $x %d %s",
        "a\\nb",
        "@|bold x|@",
        "run",
        " spaces ",
        "",
        "a=b",
        "#x",
        "\u00e9\ud83e\udd9c"
      })
  void aPromptIsWhatWasGiven(String prompt) throws IOException {
    Path file = Path.of("args"); // in the working directory, if anywhere
    assertFalse(Files.exists(file));
    List<Integer> ids = Tokenizer.read(Demo.MODEL).encode("USER: " + prompt + " ASSISTANT:");
    assertEquals(ids, promptTokens("--prompt", prompt));
    assertEquals(ids, promptTokens("--prompt=" + prompt));
  }

  @Test
  void noFileIsReadForArguments() throws IOException {
    Path file = Files.writeString(dir.resolve("args"), "--nonsense");
    Result result = run("run", "--model", "@" + file, "--prompt", "x");
    assertEquals(1, result.status());
    assertEquals("starling: @" + file + ": there is no such folder\n", result.err());
    result = run("@" + file);
    assertEquals(2, result.status());
    assertTrue(result.err().contains("'@" + file + "'"), result.err());
    result = run("inspect", "@" + file);
    assertTrue(result.err().startsWith("starling: @" + file + ": "), result.err());
  }

  @ParameterizedTest
  @ValueSource(strings = {"--model", "--image", "--trace", "--overlay"})
  void aPathMayLookLikeAnything(String option) {
    for (String path : List.of("@nowhere/x", "-h/x", "--json/x", "'no'/x", "~/x")) {
      Result result =
          run(
              "run",
              "--model",
              Demo.MODEL.toString(),
              "--prompt",
              "x",
              "--image",
              Demo.image("scene-00.png").toString(),
              option,
              path);
      assertEquals(1, result.status(), result.err());
      assertTrue(result.err().startsWith("starling: " + path), result.err());
    }
  }

  @Test
  void whatIsNoNumberIsRepeatedAsItWasGiven() {
    for (String value : List.of("@x", "--json", "'1'", "%d", "")) {
      for (String option : List.of("--max-tokens", "--seed", "--top-p")) {
        Result result = run("run", "--model", "x", "--prompt", "x", option, value);
        assertEquals(2, result.status());
        assertTrue(
            result
                .err()
                .matches(
                    "starling run: Invalid value for option '%s': '%s' is not a (whole )?number.*\n"
                        .formatted(option, value)),
            result.err());
      }
    }
  }

  @Test
  void severalImagesStandBehindOneOption() {
    String image = Demo.image("scene-00.png").toString();
    Result result =
        run(
            "run",
            "--model",
            Demo.MODEL.toString(),
            "--image",
            image,
            image,
            "--prompt",
            "x",
            "--max-tokens",
            "1",
            "--json",
            "--device",
            "cpu");
    assertEquals(1, result.status());
    assertTrue(result.err().contains("the prompt is 1163 tokens long"), result.err());
  }

  @Test
  void behindTheEndOfTheOptionsNothingIsOne() {
    Result result = run("inspect", "--", "--json");
    assertEquals("starling: --json: there is no such folder\n", result.err());
  }
}
