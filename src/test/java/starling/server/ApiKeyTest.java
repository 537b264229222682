package starling.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.input.InputException;

class ApiKeyTest {
  @Test
  void aFileHoldsAKeyWithSpaceAroundIt(@TempDir Path dir) throws IOException {
    Path file = Files.writeString(dir.resolve("key"), " a-secret-key\n");
    assertTrue(ApiKey.read(file).isIn("Bearer a-secret-key"));
    assertFalse(ApiKey.read(file).isIn("Bearer a-secret-kex"));
    assertFalse(ApiKey.read(file).isIn(null));
  }

  @Test
  void aKeyIsLongEnoughAndFitsAHeader() {
    assertEquals(
        "STARLING_API_KEY: a key of 7 characters; it must have 8 to 1024", said("1234567"));
    assertEquals("STARLING_API_KEY: a key of 0 characters; it must have 8 to 1024", said(""));
    assertEquals(
        "STARLING_API_KEY: a key of 1025 characters; it must have 8 to 1024",
        said("x".repeat(1025)));
    for (String odd : new String[] {"two words", "two\nlines", "schlüssel"}) {
      assertEquals(
          "STARLING_API_KEY: a key is printable ASCII without spaces, on one line", said(odd));
    }
    assertTrue(ApiKey.of("12345678", "x").isIn("Bearer 12345678"));
  }

  private static String said(String key) {
    return assertThrows(InputException.class, () -> ApiKey.of(key, "STARLING_API_KEY"))
        .getMessage();
  }
}
