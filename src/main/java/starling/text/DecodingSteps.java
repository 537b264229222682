package starling.text;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.function.Consumer;

/** The decoding steps that have a memory. */
final class DecodingSteps {
  private DecodingSteps() {}

  /** A space between tokens, as the reference joins them where a file has no decoder. */
  static final class SpaceBetween implements DecodingStep {
    private boolean begun;

    @Override
    public void take(String token, Consumer<String> out) {
      out.accept(begun ? " " + token : token);
      begun = true;
    }
  }

  /** Metaspace: visible spaces become spaces, and in the first token {@code inFirst}. */
  static final class Spaces implements DecodingStep {
    private final String replacement;
    private final String inFirst;
    private boolean begun;

    Spaces(String replacement, String inFirst) {
      this.replacement = replacement;
      this.inFirst = inFirst;
    }

    @Override
    public void take(String token, Consumer<String> out) {
      out.accept(token.replace(replacement, begun ? " " : inFirst));
      begun = true;
    }
  }

  /**
   * A run of byte tokens is decoded together: as text if it is UTF-8, else one U+FFFD for each
   * byte. So a run is held back until it ends.
   */
  static final class ByteRuns implements DecodingStep {
    private final ByteArrayOutputStream run = new ByteArrayOutputStream();

    @Override
    public void take(String token, Consumer<String> out) {
      if (isByte(token)) {
        run.write(HexFormat.fromHexDigits(token, 3, 5));
      } else {
        end(out);
        out.accept(token);
      }
    }

    @Override
    public void end(Consumer<String> out) {
      byte[] bytes = run.toByteArray();
      run.reset();
      if (bytes.length > 0) {
        out.accept(text(bytes));
      }
    }

    private static String text(byte[] bytes) {
      try {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      } catch (CharacterCodingException e) {
        return "\uFFFD".repeat(bytes.length);
      }
    }

    private static boolean isByte(String token) {
      return token.length() == 6
          && token.startsWith("<0x")
          && token.endsWith(">")
          && HexFormat.isHexDigit(token.charAt(3))
          && HexFormat.isHexDigit(token.charAt(4));
    }
  }

  /** Replaces a literal text in a text that comes in pieces. */
  static final class Replace implements DecodingStep {
    private final String pattern;
    private final String content;
    private final Growth growth;
    private String held = "";

    Replace(String pattern, String content, Growth growth) {
      this.pattern = pattern;
      this.content = content;
      this.growth = growth;
    }

    @Override
    public void take(String piece, Consumer<String> out) {
      String text = held + piece;
      var certain = new StringBuilder();
      int from = 0;
      for (int at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, from)) {
        certain.append(text, from, at).append(content);
        growth.check(text.length(), certain.length());
        from = at + pattern.length();
      }
      int to = text.length() - begun(text, from);
      held = text.substring(to);
      out.accept(certain.append(text, from, to).toString());
    }

    /** Length of the longest tail that is the beginning of the pattern. */
    private int begun(String text, int from) {
      int n = Math.min(pattern.length() - 1, text.length() - from);
      while (!text.startsWith(pattern.substring(0, n), text.length() - n)) {
        n--;
      }
      return n;
    }

    @Override
    public void end(Consumer<String> out) {
      out.accept(held);
      held = "";
    }
  }

  /** Takes a character away from the ends of a text that comes in pieces. */
  static final class Strip implements DecodingStep {
    private final String content;
    private final int stop;
    private int start;
    private String held = "";

    /**
     * @param start the most to take from the front
     * @param stop the most to take from the end
     */
    Strip(String content, int start, int stop) {
      this.content = content;
      this.start = start;
      this.stop = stop;
    }

    @Override
    public void take(String piece, Consumer<String> out) {
      int from = 0;
      while (start > 0 && piece.startsWith(content, from)) {
        from += content.length();
        start--;
      }
      if (from < piece.length()) {
        start = 0;
      }
      String text = held + piece.substring(from);
      int to = text.length();
      for (int i = 0; i < stop && text.startsWith(content, to - content.length()); i++) {
        to -= content.length();
      }
      held = text.substring(to);
      out.accept(text.substring(0, to));
    }

    @Override
    public void end(Consumer<String> out) {
      held = "";
    }
  }

  /** Takes a character away from the ends of each token. */
  record EachStripped(String content, int start, int stop) implements DecodingStep {
    @Override
    public void take(String token, Consumer<String> out) {
      new Strip(content, start, stop).take(token, out);
    }
  }
}
