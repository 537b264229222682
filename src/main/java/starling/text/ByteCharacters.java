package starling.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The 256 visible characters that stand for bytes in a byte-level vocabulary: those of Latin-1 that
 * can be seen stand for themselves, the others are U+0100 and on in order. A blank is {@code Ġ}.
 */
final class ByteCharacters {
  private static final char[] CHARACTERS = new char[256];
  private static final short[] BYTES = new short[256 + 68];

  static {
    Arrays.fill(BYTES, (short) -1);
    char next = 256;
    for (int b = 0; b < 256; b++) {
      boolean seen = (b > ' ' && b < 0x7F) || (b > 0xA0 && b != 0xAD);
      CHARACTERS[b] = seen ? (char) b : next++;
      BYTES[CHARACTERS[b]] = (short) b;
    }
  }

  private ByteCharacters() {}

  /** The UTF-8 bytes of a text, each as its character. */
  static String written(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    char[] written = new char[utf8.length];
    for (int i = 0; i < utf8.length; i++) {
      written[i] = CHARACTERS[utf8[i] & 0xff];
    }
    return new String(written);
  }

  /**
   * The bytes that the characters of a token stand for. One with any other character, an added
   * token, stands for itself.
   */
  static byte[] bytes(String token) {
    byte[] bytes = new byte[token.length()];
    for (int i = 0; i < bytes.length; i++) {
      char c = token.charAt(i);
      if (c >= BYTES.length || BYTES[c] < 0) {
        return token.getBytes(StandardCharsets.UTF_8);
      }
      bytes[i] = (byte) BYTES[c];
    }
    return bytes;
  }
}
