package starling.input;

/**
 * Text from a file, a prompt or a model, made fit for a terminal: what would act on the terminal or
 * on the text around it is shown as an escape, in the form that Java and JSON read.
 */
public final class TerminalText {
  private static final int MAX_LENGTH = 1000;

  private TerminalText() {}

  /** One line of at most {@value #MAX_LENGTH} characters; line ends and tabs are escapes too. */
  public static String of(String text) {
    var line = new StringBuilder();
    for (int i = 0; i < text.length(); ) {
      if (line.length() > MAX_LENGTH - 14) { // an escape of two characters and this:
        return line.append(" …").toString();
      }
      int c = text.codePointAt(i);
      append(line, c, acts(c));
      i += Character.charCount(c);
    }
    return line.toString();
  }

  /** Text of any length, which keeps its line ends and tabs. */
  public static String lines(String text) {
    if (text.codePoints().noneMatch(c -> acts(c) && c != '\n' && c != '\t')) {
      return text;
    }
    var lines = new StringBuilder();
    text.codePoints().forEach(c -> append(lines, c, acts(c) && c != '\n' && c != '\t'));
    return lines.toString();
  }

  private static void append(StringBuilder text, int c, boolean escaped) {
    if (escaped) {
      for (char half : Character.toChars(c)) {
        text.append(String.format("\\u%04x", (int) half));
      }
    } else {
      text.appendCodePoint(c);
    }
  }

  /**
   * Control characters, line and paragraph ends, marks that turn the direction of writing or its
   * shapes, annotations, and what is invisible and spells text all the same.
   */
  private static boolean acts(int c) {
    return Character.isISOControl(c)
        || c == 0x061c
        || c == 0x200e
        || c == 0x200f
        || (c >= 0x2028 && c <= 0x202e)
        || (c >= 0x2066 && c <= 0x206f)
        || c == 0xfeff
        || (c >= 0xfff9 && c <= 0xfffb)
        || (c >= 0xe0000 && c <= 0xe007f);
  }
}
