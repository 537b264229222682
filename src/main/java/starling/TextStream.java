package starling;

import java.util.List;
import java.util.function.Consumer;
import starling.text.Decoding;

/**
 * Turns tokens into text that is handed over as soon as it cannot change any more: whole
 * characters, and nothing that may yet become a stop text.
 */
final class TextStream {
  private final Decoding decoding;
  private final List<String> stop;
  private final Consumer<String> onText;
  private final StringBuilder text = new StringBuilder();
  private int handedOver;
  private boolean stopped;

  TextStream(Decoding decoding, List<String> stop, Consumer<String> onText) {
    this.decoding = decoding;
    this.stop = stop;
    this.onText = onText;
  }

  /** Takes a token; true if a stop text is now complete. */
  boolean accept(int id) {
    append(decoding.next(id));
    return stopped;
  }

  /** Hands over the rest and returns the whole text. */
  String finish() {
    if (!stopped) {
      append(decoding.finish());
    }
    handOver(text.length());
    return text.toString();
  }

  private void append(String piece) {
    text.append(piece);
    for (String s : stop) {
      int at = s.isEmpty() ? -1 : text.indexOf(s);
      if (at >= 0) {
        text.setLength(at);
        stopped = true;
      }
    }
    handOver(text.length() - (stopped ? 0 : heldBack()));
  }

  /** Length of the longest tail that is the beginning of a stop text. */
  private int heldBack() {
    int longest = 0;
    for (String s : stop) {
      for (int n = Math.min(s.length() - 1, text.length()); n > longest; n--) {
        if (s.startsWith(text.substring(text.length() - n))) {
          longest = n;
        }
      }
    }
    return longest;
  }

  private void handOver(int to) {
    if (to > handedOver) {
      onText.accept(text.substring(handedOver, to));
      handedOver = to;
    }
  }
}
