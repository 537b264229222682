package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code tools/starling} from outside: what it prints where, in any locale, and what it says
 * without a JDK.
 */
class LauncherTest {
  @TempDir Path dir;

  private record Result(int status, String out, String err) {}

  private Result run(Map<String, String> environment, String... command)
      throws IOException, InterruptedException {
    Path out = dir.resolve("out");
    Path err = dir.resolve("err");
    var builder =
        new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().putAll(environment);
    int status = builder.start().waitFor();
    return new Result(
        status,
        Files.readString(out, StandardCharsets.UTF_8),
        Files.readString(err, StandardCharsets.UTF_8));
  }

  @Test
  void oneSentenceIsAllThatAFailurePrints() throws Exception {
    Result result = run(Map.of(), "tools/starling", "run", "--model", "nowhere", "--prompt", "x");
    assertEquals(1, result.status());
    assertEquals("", result.out());
    assertEquals("starling: nowhere/config.json: there is no such file\n", result.err());
  }

  @Test
  void aSharedErrorFileLosesNothing() throws Exception {
    String twice =
        "tools/starling run --model nowhere --prompt x; echo between >&2; tools/starling --nonsense";
    List<String> lines = run(Map.of(), "bash", "-c", twice).err().lines().toList();
    assertEquals(3, lines.size(), lines.toString());
    assertEquals("between", lines.get(1));
  }

  @Test
  void argumentsAndOutputAreUtf8InAnyLocale() throws Exception {
    // The bytes are written out, since this JVM may run in any locale itself.
    String command =
        "tools/starling run --model \"$(printf 'n\\303\\251\\360\\237\\246\\234')\" --prompt x";
    for (String locale : List.of("C", "POSIX", "en_US.ISO-8859-1")) {
      Result result = run(Map.of("LC_ALL", locale, "LANG", locale), "bash", "-c", command);
      assertTrue(
          result.err().contains("starling: n\u00e9\ud83e\udd9c/config.json: there is no such file"),
          result.err());
    }
  }

  @Test
  void withoutAJdkOneSentenceSaysWhatToInstall() throws Exception {
    // The script as it is, but for the places where JDKs are looked for.
    Path tools = Files.createDirectories(dir.resolve("tree/tools"));
    String script = Files.readString(Path.of("tools/starling"));
    String blind =
        script
            .replace("/usr/lib/jvm/*/bin/java", "/nowhere/java")
            .replace("$(command -v java || true)", "/nowhere");
    assertTrue(!blind.equals(script));
    Path copy = Files.writeString(tools.resolve("starling"), blind);
    var environment =
        new ArrayList<>(
            List.of("env", "-u", "JAVA_HOME", "HOME=/nowhere", "bash", copy.toString(), "doctor"));
    Result result = run(Map.of(), environment.toArray(String[]::new));
    assertEquals(1, result.status());
    assertTrue(
        result
            .err()
            .startsWith("starling: a JDK 25 or newer is needed and none was found; install one"),
        result.err());
    assertEquals(1, result.err().lines().count());
  }
}
