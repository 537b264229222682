package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example for authors of methods compiles, and its commands print what the page says. */
class MethodsPageTest {
  @TempDir Path dir;

  @Test
  void theExampleOfThePageRunsAsItSays() throws Exception {
    Files.writeString(dir.resolve("Pyramid.java"), Pages.example("Pyramid.java"));
    assertEquals(Pages.example("pyramid.out"), Pages.run("pyramid.sh", dir));
    assertTrue(Files.size(dir.resolve("kept.png")) > 1000);
  }
}
