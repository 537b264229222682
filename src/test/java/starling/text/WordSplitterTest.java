package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The walk finds what Java's own engine finds for the same expression. */
class WordSplitterTest {
  private static final Pattern EXPRESSION =
      Pattern.compile(WordSplitter.PATTERN, Pattern.UNICODE_CHARACTER_CLASS | Pattern.UNICODE_CASE);

  /** What decides in one of the alternatives, each as often as any other. */
  private static final String[] PIECES = {
    "'",
    "'",
    "s",
    "S",
    "\u017f",
    "t",
    "T",
    "r",
    "R",
    "e",
    "E",
    "v",
    "V",
    "m",
    "M",
    "l",
    "L",
    "d",
    "D",
    "a",
    "\u00e9",
    "\u4f60",
    "\u02bc",
    "\ud835\udc00",
    "7",
    "\u0667",
    "\u00b2",
    "\u2167",
    "\ud835\udfd8",
    " ",
    " ",
    " ",
    "\t",
    "\r",
    "\n",
    "\u0085",
    "\u00a0",
    "\u2028",
    "\u3000",
    "\u200b",
    "\u001c",
    ".",
    "-",
    "_",
    "\u2019",
    "\u0301",
    "\u0903",
    "\ud83d\ude00"
  };

  private static List<String> walked(String text) {
    var words = new ArrayList<String>();
    for (int from = 0; from < text.length(); ) {
      int to = WordSplitter.end(text, from);
      words.add(text.substring(from, to));
      from = to;
    }
    return words;
  }

  private static List<String> matched(String text) {
    var words = new ArrayList<String>();
    var matcher = EXPRESSION.matcher(text);
    while (matcher.find()) {
      words.add(matcher.group());
    }
    return words;
  }

  @Test
  void randomTextsFallIntoTheWordsOfTheExpression() {
    var random = new Random(7);
    for (int i = 0; i < 50_000; i++) {
      var text = new StringBuilder();
      for (int n = 1 + random.nextInt(12); n > 0; n--) {
        text.append(PIECES[random.nextInt(PIECES.length)]);
      }
      String own = text.toString();
      assertEquals(matched(own), walked(own), () -> "text " + own.codePoints().boxed().toList());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "it'sad | it 's ad",
        "IT'SAD | IT 'S AD",
        "'\u017fad | '\u017f ad",
        "we'RExit | we 'RE xit",
        "o'clock | o 'clock",
        "a1234b | a 1 2 3 4 b",
        ".net-core | .net -core",
        "e\u0301a | e \u0301a"
      })
  void wordsByHand(String text, String words) {
    assertEquals(List.of(words.split(" ", -1)), walked(text));
  }

  @Test
  void whiteSpaceLeavesItsLastToTheNextWord() {
    assertEquals(List.of("a", "  ", " b"), walked("a   b"));
    assertEquals(List.of("a", " \n \n", "  ", " b"), walked("a \n \n   b"));
    assertEquals(List.of("a", "   "), walked("a   "));
    assertEquals(List.of("!!\r\n", "  ", " !"), walked("!!\r\n   !"));
  }
}
