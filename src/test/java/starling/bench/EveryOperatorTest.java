package starling.bench;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import starling.Checkout;
import starling.device.Device;

/** What every operator of the C interface has beside its code. */
class EveryOperatorTest {
  private static String texts(String folder, String end) throws IOException {
    var all = new StringBuilder();
    try (Stream<Path> files = Files.list(Checkout.path(folder))) {
      for (Path file : files.filter(f -> f.toString().endsWith(end)).toList()) {
        all.append(Files.readString(file));
      }
    }
    return all.toString();
  }

  /** {@code gather_rows} and so on. */
  private static List<String> names() throws IOException {
    return Pattern.compile("} starling_(\\w+)_args;")
        .matcher(texts("native/include", ".h"))
        .results()
        .map((MatchResult found) -> found.group(1))
        .toList();
  }

  private static boolean isOfDevices(String name) {
    String camel =
        Pattern.compile("_(.)")
            .matcher(name)
            .replaceAll(m -> m.group(1).toUpperCase(java.util.Locale.ROOT));
    return Stream.of(Device.class.getMethods()).anyMatch(m -> m.getName().equals(camel));
  }

  @Test
  void aNativeTestCallsEveryOperator() throws IOException {
    String tests = texts("native/test", ".cpp") + texts("native/test", ".h");
    for (String name : names()) {
      boolean called = Pattern.compile("CALL(_ON\\(\\w+, |\\()" + name + ",").matcher(tests).find();
      assertTrue(called, "no native test calls " + name);
    }
  }

  @Test
  void everyOperatorHasARowInTheTable() throws IOException {
    String page = Files.readString(Checkout.path("kernels/README.md"));
    for (String name : names()) {
      assertTrue(page.contains("`" + name + "`"), "kernels/README.md has no row for " + name);
    }
  }

  @Test
  void everyOperatorOfADeviceIsMeasuredAtTheSizesOfEveryModel() throws IOException {
    assertFalse(names().isEmpty());
    for (String name : names()) {
      if (isOfDevices(name)) {
        Optional<Operator> operator =
            Catalogue.OPERATORS.stream().filter(o -> o.name().equals(name)).findFirst();
        assertTrue(operator.isPresent(), "the bench has no " + name);
        for (Preset preset : Preset.values()) {
          assertFalse(preset.sizes(operator.get()).isEmpty(), "no sizes for " + name);
        }
      }
    }
  }
}
