package starling.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StrippedTextTest {
  private static String joined(List<String> pieces) {
    var text = new StrippedText();
    var joined = new StringBuilder();
    pieces.forEach(piece -> joined.append(text.next(piece)));
    return joined.toString();
  }

  @Test
  void spaceIsHandedOverWhenSomethingFollows() {
    var text = new StrippedText();
    assertEquals("", text.next(" \n"));
    assertEquals("a", text.next(" a "));
    assertEquals("", text.next(" "));
    assertEquals("  b c", text.next("b c\n"));
    assertEquals("", text.next(""));
    assertEquals("\nd", text.next("d"));
  }

  @Test
  void thePiecesMakeUpTheStrippedWhole() {
    var random = new Random(7);
    for (int i = 0; i < 2000; i++) {
      List<String> pieces =
          random
              .ints(random.nextInt(6), 0, 8)
              .mapToObj(n -> List.of("", " ", "\n ", "a", " b", "c ", " d e ", "  ").get(n))
              .toList();
      assertEquals(String.join("", pieces).strip(), joined(pieces));
    }
  }
}
