package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class UnicodeTest {
  /** Unicode's annex on regular expressions defines both classes; the JDK's engine follows it. */
  @Test
  void classesAreThoseOfUnicodeRegularExpressions() {
    var space = Pattern.compile("\\s", Pattern.UNICODE_CHARACTER_CLASS).asMatchPredicate();
    var word = Pattern.compile("\\w", Pattern.UNICODE_CHARACTER_CLASS).asMatchPredicate();
    for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
      String character = Character.toString(c);
      assertEquals(space.test(character), Unicode.isSpace(c), "space " + Integer.toHexString(c));
      assertEquals(word.test(character), Unicode.isWord(c), "word " + Integer.toHexString(c));
    }
  }

  @Test
  void findsHalvesOfCharacters() {
    assertEquals(-1, Unicode.loneSurrogate(""));
    assertEquals(-1, Unicode.loneSurrogate("a\uD83D\uDE00b\uD83D\uDE00"));
    assertEquals(0, Unicode.loneSurrogate("\uDE00"));
    assertEquals(2, Unicode.loneSurrogate("\uD83D\uDE00\uD83D"));
    assertEquals(1, Unicode.loneSurrogate("a\uD83D\uD83D\uDE00"));
  }
}
