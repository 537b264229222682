package starling.text;

import java.util.function.Consumer;

/**
 * The decoding step {@code ByteLevel}: characters of tokens become bytes, bytes become text. At
 * most three bytes of a character that is not complete are held back. What is no UTF-8 becomes
 * U+FFFD, one for each longest beginning of a character (Unicode 3.9, "substitution of maximal
 * subparts"), as Rust does it; Java's decoder takes three bytes of a surrogate as one.
 */
final class Utf8Stream implements DecodingStep {
  private static final char WRONG = '\uFFFD';

  private int point; // bits of the character that has begun
  private int missing; // bytes that it still lacks
  private int low; // bounds of its next byte
  private int high;

  @Override
  public void take(String token, Consumer<String> out) {
    var text = new StringBuilder();
    for (byte b : ByteCharacters.bytes(token)) {
      next(b & 0xff, text);
    }
    if (!text.isEmpty()) {
      out.accept(text.toString());
    }
  }

  private void next(int b, StringBuilder text) {
    if (missing > 0 && b >= low && b <= high) {
      point = point << 6 | (b & 0x3F);
      bounds(0x80, 0xBF);
      if (--missing == 0) {
        text.appendCodePoint(point);
      }
      return;
    }
    if (missing > 0) {
      text.append(WRONG);
      missing = 0;
    }
    if (b < 0x80) {
      text.append((char) b);
    } else if (b < 0xC2 || b > 0xF4) {
      text.append(WRONG);
    } else {
      begin(b);
    }
  }

  /** The first byte of a character; the second may be bound more narrowly than the others. */
  private void begin(int b) {
    missing = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
    point = b & (0x3F >> missing);
    switch (b) {
      case 0xE0 -> bounds(0xA0, 0xBF);
      case 0xED -> bounds(0x80, 0x9F);
      case 0xF0 -> bounds(0x90, 0xBF);
      case 0xF4 -> bounds(0x80, 0x8F);
      default -> bounds(0x80, 0xBF);
    }
  }

  private void bounds(int from, int to) {
    low = from;
    high = to;
  }

  @Override
  public void end(Consumer<String> out) {
    if (missing > 0) {
      missing = 0;
      out.accept(String.valueOf(WRONG));
    }
  }
}
