package starling;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The table of cases names tests that are there. */
class CasesTest {
  private static final Path TESTS = Checkout.path("src/test/java/starling");
  private static final Pattern CLASS = Pattern.compile("`((?:\\w+/)*\\w+(?:Test|Fuzz))`");
  private static final Pattern METHOD = Pattern.compile("\\b([a-z]+[A-Z]\\w+)(…?)");

  @Test
  void everyTestOfTheTableIsThere() throws IOException {
    int methods = 0;
    for (String row : Files.readAllLines(Checkout.path("src/test/README.md"))) {
      List<String> classes = CLASS.matcher(row).results().map(m -> m.group(1)).toList();
      var sources = new StringBuilder();
      for (String name : classes) {
        sources.append(source(name));
      }
      if (classes.isEmpty() || !row.startsWith("|")) {
        continue;
      }
      String text = row.substring(row.indexOf('|', 1)).replaceAll("`[^`]*`", "");
      for (MatchResult method : METHOD.matcher(text).results().toList()) {
        String begin = "void " + method.group(1) + (method.group(2).isEmpty() ? "(" : "");
        assertTrue(sources.indexOf(begin) >= 0, method.group() + " in " + row);
        methods++;
      }
    }
    assertTrue(methods > 50, methods + " methods");
  }

  private static String source(String name) throws IOException {
    Path file = TESTS.resolve(name + ".java");
    assertTrue(Files.exists(file), file + " is there");
    return Files.readString(file);
  }
}
