package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.cuda.Native;

/**
 * The README's Java example compiles, is as short as it says, and prints what it says: as a program
 * of its own that embeds the runtime, with and without the Vector API's module, and without a
 * warning.
 */
class ReadmeTest {
  private static final Pattern EXAMPLE =
      Pattern.compile("```java\\n(.*?)```\\n+prints\\n+```\\n(.*?)```", Pattern.DOTALL);

  @TempDir static Path dir;
  private static final List<String> outputs = new ArrayList<>();

  /** The two examples of the README, as {@code Example.java} and {@code Kept.java}. */
  @BeforeAll
  static void compile() throws IOException {
    Matcher block = EXAMPLE.matcher(Files.readString(Checkout.path("README.md")));
    for (String name : List.of("Example", "Kept")) {
      assertTrue(block.find(), "README.md has the example " + name + " and its output");
      String code = block.group(1);
      outputs.add(block.group(2));
      assertTrue(code.lines().count() <= 17, "an example is short");
      Path source = Files.writeString(dir.resolve(name + ".java"), code);
      String[] options = {
        "-cp", System.getProperty("java.class.path"), "-d", dir.toString(), source.toString()
      };
      int status = ToolProvider.getSystemJavaCompiler().run(null, null, null, options);
      assertEquals(0, status, "the example compiles");
    }
  }

  /** What an embedder has on the class path: this project's classes, Jackson, the example. */
  private static String classPath() {
    return dir + java.io.File.pathSeparator + libraries();
  }

  private static String libraries() {
    var parts = new ArrayList<String>();
    for (String part :
        System.getProperty("java.class.path").split(java.io.File.pathSeparator, -1)) {
      if (part.endsWith("target/classes") || part.contains("jackson")) {
        parts.add(part);
      }
    }
    return String.join(java.io.File.pathSeparator, parts);
  }

  private static void assertPrints(
      String expected, String err, List<String> options, String... program) throws Exception {
    var command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(options);
    command.add("--illegal-native-access=deny");
    if (!options.contains("--module-path")) {
      command.addAll(List.of("-cp", classPath()));
    }
    command.addAll(List.of(program));
    Path stdout = dir.resolve("out");
    Path stderr = dir.resolve("err");
    Process process =
        new ProcessBuilder(command)
            .directory(Checkout.ROOT.toFile())
            .redirectOutput(stdout.toFile())
            .redirectError(stderr.toFile())
            .start();
    assertEquals(0, process.waitFor(), Files.readString(stderr));
    assertEquals(expected, Files.readString(stdout, StandardCharsets.UTF_8));
    assertEquals(err, Files.readString(stderr));
  }

  @Test
  void theExampleRunsWithoutAnyFlagAndWithoutAWarning() throws Exception {
    assertPrints(outputs.get(0), "", List.of(), "Example");
  }

  /** JV-1: as a module too. */
  @Test
  void theExampleRunsOnTheModulePath() throws Exception {
    assertPrints(
        outputs.get(0),
        "",
        List.of("--module-path", libraries(), "--add-modules", "starling", "-cp", dir.toString()),
        "Example");
  }

  @Test
  void theVectorModuleAddsNothingButTheJvmsOwnLine() throws Exception {
    assertPrints(
        outputs.get(0),
        "WARNING: Using incubator modules: jdk.incubator.vector\n",
        List.of("--add-modules", "jdk.incubator.vector"),
        "Example");
  }

  @Test
  void theOperatorsRunOnACallersOwnBuffersOnEitherDevice() throws Exception {
    assertPrints(outputs.get(1), "", List.of(), "Kept", "cpu");
    Native.needs(Native.HOST);
    var access = List.of("--enable-native-access=ALL-UNNAMED");
    assertPrints(outputs.get(1), "", access, "Kept", "emulated");
  }
}
