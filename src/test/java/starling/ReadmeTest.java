package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.cuda.Native;

/**
 * The Java examples of README and pages print what their pages say: as programs of their own that
 * embed the runtime, with and without the Vector API's module, and without a warning. That the
 * pages show them as they are is the business of {@link PagesTest}.
 */
class ReadmeTest {
  /** What an embedder has: this project's classes, Jackson, the demo's data. */
  private static final String LIBRARIES =
      Plugin.path(Plugin.libraries(), Checkout.path("target/demo-classes"));

  /** And what a program of langchain4j brings. */
  private static final String LANGCHAIN4J =
      Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
          .filter(part -> part.contains("langchain4j-core") || part.contains("slf4j"))
          .collect(Collectors.joining(File.pathSeparator));

  @TempDir static Path dir;

  @BeforeAll
  static void compile() throws IOException {
    Pages.compileExamples(dir);
  }

  private static void assertPrints(String example, String err, List<String> options, String... args)
      throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    var command = new ArrayList<>(List.of(java));
    command.addAll(options);
    command.add("--illegal-native-access=deny");
    if (!options.contains("-cp")) {
      command.addAll(List.of("-cp", dir + File.pathSeparator + LIBRARIES));
    }
    command.add(example);
    command.addAll(List.of(args));
    Path stdout = dir.resolve("out");
    Path stderr = dir.resolve("err");
    Process process =
        new ProcessBuilder(command)
            .directory(dir.toFile()) // anywhere
            .redirectOutput(stdout.toFile())
            .redirectError(stderr.toFile())
            .start();
    assertEquals(0, process.waitFor(), Files.readString(stderr));
    assertEquals(Pages.example(example + ".out"), Files.readString(stdout, StandardCharsets.UTF_8));
    assertEquals(err, Files.readString(stderr));
  }

  @Test
  void theExampleIsShort() {
    assertTrue(Pages.example("Example.java").lines().count() <= 17);
  }

  @Test
  void theExampleRunsWithoutAnyFlagAndWithoutAWarning() throws Exception {
    assertPrints("Example", "", List.of());
  }

  /** JV-1: as a module too. */
  @Test
  void theExampleRunsOnTheModulePath() throws Exception {
    var modules =
        List.of("--module-path", LIBRARIES, "--add-modules", "starling", "-cp", dir.toString());
    assertPrints("Example", "", modules);
  }

  @Test
  void theVectorModuleAddsNothingButTheJvmsOwnLine() throws Exception {
    assertPrints(
        "Example",
        "WARNING: Using incubator modules: jdk.incubator.vector\n",
        List.of("--add-modules", "jdk.incubator.vector"));
  }

  @Test
  void aProgramOfLangchain4jAsksAtOnceAndStreaming() throws Exception {
    String path = String.join(File.pathSeparator, dir.toString(), LIBRARIES, LANGCHAIN4J);
    assertPrints("Chat", "", List.of("-cp", path), Demo.image("scene-00.png").toString());
  }

  @Test
  void theOperatorsRunOnACallersOwnBuffersOnEitherDevice() throws Exception {
    assertPrints("Kept", "", List.of(), "cpu");
    Native.needs(Native.HOST);
    assertPrints("Kept", "", List.of("--enable-native-access=ALL-UNNAMED"), "emulated");
  }
}
