package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example for authors of methods compiles, and its commands print what the page says. */
class MethodsPageTest {
  @TempDir Path dir;

  @Test
  void theExampleOfThePageRunsAsItSays() throws Exception {
    Files.writeString(dir.resolve("Pyramid.java"), Pages.example("Pyramid.java"));
    List<String> checkout = List.of("tools", "target", "src");
    for (String folder : checkout) {
      Files.createSymbolicLink(dir.resolve(folder), Path.of(folder).toAbsolutePath());
    }
    Path err = dir.resolve("err");
    var builder =
        new ProcessBuilder("bash", "-e", "-c", Pages.example("pyramid.sh"))
            .directory(dir.toFile())
            .redirectError(err.toFile());
    String home = System.getProperty("java.home");
    builder.environment().put("JAVA_HOME", home);
    builder.environment().put("PATH", home + "/bin:" + System.getenv("PATH"));
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), Files.readString(err));
    for (String folder : checkout) {
      Files.delete(dir.resolve(folder));
    }
    assertEquals(Pages.example("pyramid.out"), out, Files.readString(err));
    assertTrue(Files.size(dir.resolve("kept.png")) > 1000);
  }
}
