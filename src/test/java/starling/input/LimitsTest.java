package starling.input;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import starling.Checkout;

/** The documentation's table of limits has every limit, with its value. */
class LimitsTest {
  private static final Path TABLE = Checkout.path("src/site/markdown/limits.md");

  /** {@code | what | 64 MiB | `NAME` |}. */
  private static final Pattern ROW =
      Pattern.compile("\\|[^|]+\\| ([0-9,]+)( MiB)? \\| `([A-Z_]+)` \\|.*");

  @Test
  void theTableOfLimitsIsTheOneThatHolds() throws Exception {
    var documented = new TreeMap<String, Long>();
    for (String line : Files.readAllLines(TABLE)) {
      var row = ROW.matcher(line);
      if (row.matches()) {
        long value = Long.parseLong(row.group(1).replace(",", ""));
        documented.put(row.group(3), row.group(2) == null ? value : value << 20);
      }
    }
    var held = new TreeMap<String, Long>();
    for (Field field : Limits.class.getDeclaredFields()) {
      if (Modifier.isPublic(field.getModifiers())) {
        held.put(field.getName(), ((Number) field.get(null)).longValue());
      }
    }
    assertEquals(held, documented);
  }
}
