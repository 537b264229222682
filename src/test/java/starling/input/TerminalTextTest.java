package starling.input;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class SentenceTest {
  /** Every character that a terminal obeys, and every one that changes how its neighbours look. */
  @Test
  void whatActsIsAnEscape() {
    int[][] ranges = {
      {0, 0x1f},
      {0x7f, 0x9f},
      {0x61c, 0x61c},
      {0x200e, 0x200f},
      {0x2028, 0x202e},
      {0x2066, 0x206f},
      {0xfeff, 0xfeff},
      {0xfff9, 0xfffb},
      {0xe0000, 0xe007f}
    };
    for (int[] range : ranges) {
      for (int c = range[0]; c <= range[1]; c++) {
        var escaped = new StringBuilder();
        for (char half : Character.toChars(c)) {
          escaped.append("\\u%04x".formatted((int) half));
        }
        String text = "a" + Character.toString(c) + "b";
        assertEquals("a" + escaped + "b", TerminalText.of(text));
        assertEquals(
            c == '\n' || c == '\t' ? text : "a" + escaped + "b", TerminalText.lines(text), "lines");
      }
    }
  }

  @Test
  void whatIsReadStaysAsItIs() {
    String text =
        "é \u6a21\u578b \u0645\u0631\u062d\u0628\u0627 \ud83d\udc69\u200d\ud83d\ude80 ~\u00a0\u200c";
    assertEquals(text, TerminalText.of(text));
    assertEquals(text, TerminalText.lines(text));
  }

  @Test
  void aSentenceEndsAndLinesDoNot() {
    for (String c : new String[] {"x", "\ud83e\udd9c", "\u001b", "\udb40\udc41"}) {
      String cut = TerminalText.of(c.repeat(2000));
      assertTrue(cut.length() <= 1000 && cut.length() > 980, cut.length() + "");
      assertTrue(cut.endsWith(" …"), cut);
      assertTrue(!Character.isHighSurrogate(cut.charAt(cut.length() - 3)), "no half characters");
    }
    assertEquals("x\n".repeat(2000), TerminalText.lines("x\n".repeat(2000)));
  }
}
