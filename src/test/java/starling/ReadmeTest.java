package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's Java example compiles, is as short as it says, and prints what it says. */
class ReadmeTest {
  @Test
  void theExampleRuns(@TempDir Path dir) throws IOException, ReflectiveOperationException {
    String readme = Files.readString(Path.of("README.md"));
    Matcher block = Pattern.compile("```java\\n(.*?)```\\n+prints\\n+```\\n(.*?)```", Pattern.DOTALL).matcher(readme);
    assertTrue(block.find(), "README.md has a Java example and its output");
    String code = block.group(1);
    assertTrue(code.lines().count() <= 15, "the example has at most 15 lines");
    Path source = Files.writeString(dir.resolve("Example.java"), code);
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(null, null, null, "-cp", System.getProperty("java.class.path"), "-d", dir.toString(), source.toString());
    assertEquals(0, status, "the example compiles");
    var bytes = new ByteArrayOutputStream();
    PrintStream out = System.out;
    try (var loader = new URLClassLoader(new java.net.URL[] {dir.toUri().toURL()})) {
      System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
      loader.loadClass("Example").getMethod("main", String[].class).invoke(null, (Object) new String[0]);
    } finally {
      System.setOut(out);
    }
    assertEquals(block.group(2), bytes.toString(StandardCharsets.UTF_8));
  }
}
