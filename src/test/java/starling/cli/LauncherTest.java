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

  /** Folders with spaces, other scripts, and what a format string would take for its own. */
  @Test
  void pathsMayHaveAnyCharacters() throws Exception {
    String name = "m\u00f6 d\u00e8l \u6a21\u578b 100%d 'x' $HOME";
    Path model = Files.createDirectories(dir.resolve(name));
    try (var files = Files.list(Path.of("src/main/resources/starling/demo/model"))) {
      for (Path file : files.toList()) {
        Files.copy(file, model.resolve(file.getFileName().toString()));
      }
    }
    Path picture = model.resolve("a \u56fe.png");
    Files.copy(Path.of("src/test/resources/starling/image/rgb.png"), picture);
    Path overlay = model.resolve("o v.png");
    Result inspected = run(Map.of(), "tools/starling", "inspect", model.toString());
    assertEquals(0, inspected.status(), inspected.err());
    assertTrue(inspected.out().contains(name), inspected.out());
    Result answered =
        run(
            Map.of(),
            "tools/starling",
            "run",
            "--model",
            model.toString(),
            "--image",
            picture.toString(),
            "--prompt",
            "What is it?",
            "--max-tokens",
            "2",
            "--overlay",
            overlay.toString());
    assertEquals(0, answered.status(), answered.err());
    assertTrue(Files.size(overlay) > 0);
  }

  /** No home, one that nobody may write to, and one that is no folder. */
  @Test
  void aHomeIsNotNeeded() throws Exception {
    String java = System.getProperty("java.home");
    for (String home : List.of("-uHOME", "HOME=/proc", "HOME=/dev/null")) {
      Result result = run(Map.of(), "env", home, "JAVA_HOME=" + java, "tools/starling", "doctor");
      assertEquals(0, result.status(), home + ": " + result.err());
      assertEquals("", result.err());
    }
  }

  /** JV-4: of two first starts one builds and the other waits. */
  @Test
  void twoFirstStartsBuildOnce() throws Exception {
    Path tree = dir.resolve("tree");
    Files.createDirectories(tree.resolve("src/main"));
    Files.createDirectories(tree.resolve("tools"));
    Files.copy(Path.of("tools/starling"), tree.resolve("tools/starling"));
    Files.writeString(tree.resolve("pom.xml"), "");
    Path bin = Files.createDirectories(dir.resolve("bin"));
    Path maven =
        Files.writeString(
            bin.resolve("mvn"),
            """
            #!/bin/sh
            echo built >>"%s/count"
            sleep 1
            mkdir -p target
            ln -s "%s/target/classes" "%s/target/lib" target/
            """
                .formatted(dir, Path.of("").toAbsolutePath(), Path.of("").toAbsolutePath()));
    assertTrue(maven.toFile().setExecutable(true));
    String both =
        "one() { bash '%1$s/tools/starling' --version >'%1$s/out'$1 2>&1; }; one 1 & one 2; a=$?; wait $!; exit $((a + $?))"
            .formatted(tree);
    Result result =
        run(
            Map.of(
                "PATH",
                bin + ":" + System.getenv("PATH"),
                "JAVA_HOME",
                System.getProperty("java.home")),
            "bash",
            "-c",
            both);
    assertEquals(0, result.status(), result.err());
    for (int start = 1; start <= 2; start++) {
      assertEquals("starling 0.1.0\n", Files.readString(tree.resolve("out" + start)));
    }
    assertEquals("built\n", Files.readString(dir.resolve("count")));
  }
}
