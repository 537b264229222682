package starling.guide;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import starling.Checkout;

/** The list of what {@code tools/check --fast} leaves out. */
class SlowTestsTest {
  @Test
  void everyLineIsATestThatThereIs() throws IOException {
    Set<String> tests;
    try (Stream<Path> files = Files.walk(Checkout.path("src/test/java"))) {
      tests = files.map(f -> "**/" + f.getFileName()).collect(Collectors.toSet());
    }
    List<String> lines = Files.readAllLines(Checkout.path("src/test/slow-tests.txt"));
    for (String line : lines) {
      assertTrue(line.startsWith("#") || tests.contains(line), line + " is no test");
    }
  }
}
