package starling.text;

/**
 * What Qwen's regular expression matches, found in one walk. Its alternatives are tried in their
 * order: a contraction; letters with one other character in front; one numeral; symbols with a
 * blank in front and line ends behind; white space up to its last line end; white space without its
 * last character if a word follows; white space. A mark on its own counts as a symbol.
 */
final class WordSplitter {
  /** The expression as Qwen2's and Qwen2.5's {@code tokenizer.json} have it. */
  static final String PATTERN =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private static final String[] CONTRACTIONS = {"s", "t", "re", "ve", "m", "ll", "d"};

  private WordSplitter() {}

  /** Where the word ends that begins at {@code from}, which is in the text. */
  static int end(String text, int from) {
    int c = text.codePointAt(from);
    int behind = from + Character.charCount(c);
    int end = c == '\'' ? contraction(text, behind) : from;
    if (end > from) {
      return end;
    }
    int letters = Character.isLetter(c) || isNumeral(c) || isLineEnd(c) ? from : behind;
    end = letters(text, letters);
    if (end > letters) {
      return end;
    }
    if (isNumeral(c)) {
      return behind;
    }
    int symbols = c == ' ' ? behind : from;
    end = symbols(text, symbols);
    return end > symbols ? lineEnds(text, end) : whiteSpace(text, from);
  }

  /** Where a contraction ends whose apostrophe ends at {@code from}, or 0. */
  private static int contraction(String text, int from) {
    for (String c : CONTRACTIONS) {
      if (text.regionMatches(true, from, c, 0, c.length())) {
        return from + c.length();
      }
    }
    return 0;
  }

  private static int letters(String text, int from) {
    int at = from;
    while (at < text.length() && Character.isLetter(text.codePointAt(at))) {
      at += Character.charCount(text.codePointAt(at));
    }
    return at;
  }

  private static int symbols(String text, int from) {
    int at = from;
    while (at < text.length()) {
      int c = text.codePointAt(at);
      if (Character.isLetter(c) || isNumeral(c) || Unicode.isSpace(c)) {
        break;
      }
      at += Character.charCount(c);
    }
    return at;
  }

  private static int lineEnds(String text, int from) {
    int at = from;
    while (at < text.length() && isLineEnd(text.charAt(at))) {
      at++;
    }
    return at;
  }

  /** No white space needs two chars. */
  private static int whiteSpace(String text, int from) {
    int at = from;
    int lineEnd = 0;
    while (at < text.length() && Unicode.isSpace(text.charAt(at))) {
      at++;
      lineEnd = isLineEnd(text.charAt(at - 1)) ? at : lineEnd;
    }
    if (lineEnd > 0) {
      return lineEnd;
    }
    return at == text.length() || at == from + 1 ? at : at - 1;
  }

  private static boolean isLineEnd(int c) {
    return c == '\r' || c == '\n';
  }

  /** Class {@code \p{N}}. */
  private static boolean isNumeral(int c) {
    return switch (Character.getType(c)) {
      case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> true;
      default -> false;
    };
  }
}
