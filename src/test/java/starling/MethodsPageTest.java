package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The page for authors of methods: its example compiles, and its commands print what it says. */
class MethodsPageTest {
  private static final Pattern EXAMPLE =
      Pattern.compile(
          "```java\n(.*?)```.*?```bash\n(.*?)```\n+prints\n+```\n(.*?)```", Pattern.DOTALL);

  @TempDir Path dir;

  @Test
  void theExampleOfThePageRunsAsItSays() throws Exception {
    Matcher page = EXAMPLE.matcher(Files.readString(Checkout.path("src/site/markdown/methods.md")));
    assertTrue(page.find());
    Files.writeString(dir.resolve("Pyramid.java"), page.group(1));
    List<String> checkout = List.of("tools", "target", "src");
    for (String folder : checkout) {
      Files.createSymbolicLink(dir.resolve(folder), Checkout.path(folder));
    }
    Path err = dir.resolve("err");
    var builder =
        new ProcessBuilder("bash", "-e", "-c", page.group(2))
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
    assertEquals(page.group(3), out, Files.readString(err));
    assertTrue(Files.size(dir.resolve("kept.png")) > 1000);
  }
}
