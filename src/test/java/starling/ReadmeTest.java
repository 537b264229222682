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

/**
 * The README's Java example compiles, is as short as it says, and prints what it says: as a program
 * of its own that embeds the runtime, with and without the Vector API's module, and without a
 * warning.
 */
class ReadmeTest {
  @TempDir static Path dir;
  private static String expected;

  @BeforeAll
  static void compile() throws IOException {
    String readme = Files.readString(Path.of("README.md"));
    Matcher block =
        Pattern.compile("```java\\n(.*?)```\\n+prints\\n+```\\n(.*?)```", Pattern.DOTALL)
            .matcher(readme);
    assertTrue(block.find(), "README.md has a Java example and its output");
    String code = block.group(1);
    expected = block.group(2);
    assertTrue(code.lines().count() <= 15, "the example has at most 15 lines");
    Path source = Files.writeString(dir.resolve("Example.java"), code);
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                null,
                "-cp",
                System.getProperty("java.class.path"),
                "-d",
                dir.toString(),
                source.toString());
    assertEquals(0, status, "the example compiles");
  }

  /** What an embedder has on the class path: this project's classes, Jackson, the example. */
  private static String classPath() {
    var parts = new ArrayList<>(List.of(dir.toString()));
    for (String part :
        System.getProperty("java.class.path").split(java.io.File.pathSeparator, -1)) {
      if (part.endsWith("target/classes") || part.contains("jackson")) {
        parts.add(part);
      }
    }
    return String.join(java.io.File.pathSeparator, parts);
  }

  private static void assertPrints(List<String> options, String err) throws Exception {
    var command =
        new ArrayList<>(
            List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
    command.addAll(options);
    command.addAll(List.of("--illegal-native-access=deny", "-cp", classPath(), "Example"));
    Path stdout = dir.resolve("out");
    Path stderr = dir.resolve("err");
    Process process =
        new ProcessBuilder(command)
            .redirectOutput(stdout.toFile())
            .redirectError(stderr.toFile())
            .start();
    assertEquals(0, process.waitFor(), Files.readString(stderr));
    assertEquals(expected, Files.readString(stdout, StandardCharsets.UTF_8));
    assertEquals(err, Files.readString(stderr));
  }

  @Test
  void theExampleRunsWithoutAnyFlagAndWithoutAWarning() throws Exception {
    assertPrints(List.of(), "");
  }

  @Test
  void theVectorModuleAddsNothingButTheJvmsOwnLine() throws Exception {
    assertPrints(
        List.of("--add-modules", "jdk.incubator.vector"),
        "WARNING: Using incubator modules: jdk.incubator.vector\n");
  }
}
