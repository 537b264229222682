package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.cuda.Native;

/**
 * The jars beside the main one, as an embedder has them: packed, in a folder that no build lies
 * beside. Another program finds their files on its class path and on its module path, where it
 * names only {@code starling}.
 */
class CompanionJarTest {
  private static final String MAIN = "example.embedder.Look";

  @TempDir static Path dir;
  private static final List<Path> jars = new ArrayList<>();
  private static Path program;
  private static Path demo;

  @BeforeAll
  static void pack() throws IOException {
    for (Path part : Plugin.libraries()) {
      boolean ours = Files.isDirectory(part);
      jars.add(ours ? Plugin.packed(part, dir.resolve("starling-0.1.0.jar")) : part);
    }
    demo =
        Plugin.packed(Checkout.path("target/demo-classes"), dir.resolve("starling-0.1.0-demo.jar"));
    program = Plugin.jar("embedder", dir);
  }

  /** Of what tools/build-native makes the library of the host alone. */
  private static Path natives() throws IOException {
    Path classes = Checkout.path("target/companions/starling.natives");
    Path content = dir.resolve("natives");
    for (Path file :
        List.of(Path.of("module-info.class"), Path.of("starling/natives/NativeJar.class"))) {
      Files.createDirectories(content.resolve(file).getParent());
      Files.copy(classes.resolve(file), content.resolve(file));
    }
    Path folder = Files.createDirectories(content.resolve("starling/native/linux-x86_64"));
    Files.copy(Native.HOST, folder.resolve("libstarling_host.so"));
    return Plugin.packed(content, dir.resolve("starling-0.1.0-linux-x86_64.jar"));
  }

  private static String run(String device, List<String> options) throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    var command = new ArrayList<>(List.of(java, "-Djava.io.tmpdir=" + dir));
    command.addAll(options);
    command.add(device);
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    process.waitFor();
    return said;
  }

  private static String classPath(Path... more) {
    return Plugin.path(
        jars, Stream.concat(Stream.of(program), Stream.of(more)).toArray(Path[]::new));
  }

  @Test
  void theDemosFilesAreFoundOnTheClassPathAndOnTheModulePath() throws Exception {
    String path = classPath(demo);
    assertEquals("cpu: yellow of 200\n", run("cpu", List.of("-cp", path, MAIN)));
    assertEquals(
        "cpu: yellow of 200\n", run("cpu", List.of("-p", path, "-m", "example.embedder/" + MAIN)));
    try (var left = Files.list(dir)) {
      assertTrue(left.noneMatch(f -> f.getFileName().toString().startsWith("starling-demo")));
    }
  }

  @Test
  void withoutTheirJarASentenceNamesTheClassifier() throws Exception {
    String sentence =
        "the demo's data is in a jar of its own, which is not there: add io.github.starling-vlm:starling"
            + " with the classifier demo to the class path or the module path\n";
    assertEquals(sentence, run("cpu", List.of("-cp", classPath(), MAIN)));
    assertEquals(
        sentence, run("cpu", List.of("-p", classPath(), "-m", "example.embedder/" + MAIN)));
  }

  @Test
  void theKernelsAreFoundOnTheClassPathAndOnTheModulePath() throws Exception {
    Native.needs(Native.HOST);
    String path = classPath(demo, natives());
    var ways =
        List.of(
            List.of("--enable-native-access=ALL-UNNAMED", "-cp", path, MAIN),
            List.of(
                "--enable-native-access=starling", "-p", path, "-m", "example.embedder/" + MAIN));
    for (List<String> way : ways) {
      Path cache = Files.createTempDirectory(dir, "cache");
      var options = new ArrayList<>(List.of("-Dstarling.cache=" + cache));
      options.addAll(way);
      assertEquals("emulated: yellow of 200\n", run("emulated", options));
      try (var unpacked = Files.walk(cache)) {
        assertTrue(unpacked.anyMatch(f -> f.endsWith("libstarling_host.so")), "from the jar");
      }
    }
    String without = run("emulated", List.of("-cp", classPath(demo), MAIN));
    assertTrue(without.contains("native"), without);
  }
}
