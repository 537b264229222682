package starling.device;

/**
 * Text that repeats what a file or a prompt said, made fit for a terminal: one line of at most
 * {@value #MOST} characters, in which control characters, line ends and marks that turn the
 * direction of writing are escapes.
 */
public final class Sentence {
  private static final int MOST = 1000;

  private Sentence() {}

  public static String of(String text) {
    var line = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      if (line.length() > MOST - 8) { // an escape and this:
        return line.append(" …").toString();
      }
      char c = text.charAt(i);
      if (acts(c)) {
        line.append(String.format("\\u%04x", (int) c));
      } else {
        line.append(c);
      }
    }
    return line.toString();
  }

  private static boolean acts(char c) {
    return Character.isISOControl(c)
        || c == 0x2028
        || c == 0x2029
        || (c >= 0x202a && c <= 0x202e)
        || (c >= 0x2066 && c <= 0x2069);
  }
}
