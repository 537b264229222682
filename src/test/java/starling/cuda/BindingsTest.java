package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.cuda.abi.AbiConstants;
import starling.device.Arguments;

/** The generated code is what the C headers say, and lies in memory as the compiler of C has it. */
class BindingsTest {
  private static final String GENERATOR = "native/bindings/GenerateBindings.java";

  @TempDir Path tmp;

  private record Ended(int status, String output) {}

  private Ended run(Path folder, List<String> command) throws IOException, InterruptedException {
    Path output = tmp.resolve("output");
    Process process =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    int status = process.waitFor();
    return new Ended(status, Files.readString(output, StandardCharsets.UTF_8));
  }

  private Ended generate(Path folder, String... options) throws IOException, InterruptedException {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    var command = new ArrayList<>(List.of(java, Checkout.path(GENERATOR).toString()));
    command.addAll(List.of(options));
    return run(folder, command);
  }

  @Test
  void theBindingsAreWhatTheHeadersSay() throws IOException, InterruptedException {
    Ended checked = generate(Checkout.ROOT, "--check");
    assertEquals("", checked.output());
    assertEquals(0, checked.status());
  }

  @Test
  void aFileThatIsNotWhatTheHeadersSayIsNamed() throws IOException, InterruptedException {
    Path headers = Files.createDirectories(tmp.resolve("native/include"));
    Path generated = Files.createDirectories(tmp.resolve("src/generated/java/starling/cuda/abi"));
    for (String header : List.of("starling.h", "starling_library.h", "starling_bench.h")) {
      Files.copy(Checkout.path("native/include").resolve(header), headers.resolve(header));
    }
    assertEquals(0, generate(tmp).status());
    assertEquals(0, generate(tmp, "--check").status());
    Path header = headers.resolve("starling.h");
    String changed =
        Files.readString(header)
            .replace("  int32_t height, width, patch;", "  int32_t height, width;");
    Files.writeString(header, changed);
    Files.writeString(generated.resolve("RotateArgs.java"), "class RotateArgs {}");
    Ended checked = generate(tmp, "--check");
    assertEquals(1, checked.status());
    assertTrue(checked.output().contains("PatchifyArgs.java"), checked.output());
    assertTrue(checked.output().contains("RotateArgs.java"), checked.output());
    assertTrue(!checked.output().contains("RopeArgs.java"), checked.output());
  }

  @Test
  void structuresLieInMemoryAsTheCompilerHasThem() throws IOException, InterruptedException {
    Ended asserts = generate(Checkout.ROOT, "--asserts");
    assertTrue(asserts.output().contains("offsetof(starling_rope_args, positions) == "));
    assertEquals(0, compile(asserts.output()).status());
    String wrong = asserts.output().replaceFirst("positions\\) == ", "positions) == 1");
    assertTrue(compile(wrong).status() != 0, "an offset that is wrong compiles");
  }

  private Ended compile(String source) throws IOException, InterruptedException {
    Path file = Files.writeString(tmp.resolve("asserts.cpp"), source);
    return run(
        Checkout.ROOT,
        List.of("g++", "-std=c++20", "-fsyntax-only", "-Inative/include", file.toString()));
  }

  @Test
  void noOffsetIsWrittenByHand() throws IOException {
    var byHand = Pattern.compile("\\.(get|set)\\((JAVA_\\w+|ADDRESS), [1-9]");
    for (String folder : List.of("cuda", "nvidia")) {
      try (var sources = Files.list(Checkout.path("src/main/java/starling").resolve(folder))) {
        for (Path source : sources.filter(f -> f.toString().endsWith(".java")).toList()) {
          assertTrue(!byHand.matcher(Files.readString(source)).find(), source.toString());
        }
      }
    }
  }

  @Test
  void theDevicesLimitsAreThoseOfTheHeader() {
    assertEquals(AbiConstants.MAX_CUTS, Arguments.MAX_CUTS);
    assertEquals(AbiConstants.MAX_GATHERS, Arguments.MAX_GATHERS);
  }
}
