package starling.server;

/**
 * Pieces of an answer without space around the whole, as an answer that comes at once has none:
 * space is handed over when something follows it.
 */
final class StrippedText {
  private final StringBuilder space = new StringBuilder();
  private boolean begun;

  /** What can be handed over now that this piece has come; often all of it. */
  String next(String piece) {
    int begin = begun ? 0 : piece.length() - piece.stripLeading().length();
    int end = piece.stripTrailing().length();
    if (begin >= end && end == 0) {
      space.append(begun ? piece : "");
      return "";
    }
    String text = space + piece.substring(begin, end);
    space.setLength(0);
    space.append(piece, end, piece.length());
    begun = true;
    return text;
  }
}
