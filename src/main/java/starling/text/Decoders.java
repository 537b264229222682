package starling.text;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Steps from tokens back to text, as {@code tokenizer.json} lists them; each maps a list of tokens
 * to a list.
 */
final class Decoders {
  private Decoders() {}

  static UnaryOperator<List<String>> replace(String pattern, String content) {
    return tokens -> tokens.stream().map(token -> token.replace(pattern, content)).toList();
  }

  static UnaryOperator<List<String>> fuse() {
    return tokens -> List.of(String.join("", tokens));
  }

  /**
   * Takes up to {@code start} times {@code content} from the front of each token and {@code stop}
   * times from its end.
   */
  static UnaryOperator<List<String>> strip(String content, int start, int stop) {
    return tokens ->
        tokens.stream()
            .map(
                token -> {
                  String t = token;
                  for (int i = 0; i < start && t.startsWith(content); i++) {
                    t = t.substring(content.length());
                  }
                  for (int i = 0; i < stop && t.endsWith(content); i++) {
                    t = t.substring(0, t.length() - content.length());
                  }
                  return t;
                })
            .toList();
  }

  /**
   * Space characters back to spaces; those of the first token go, unless the encoder never puts one
   * there.
   */
  static UnaryOperator<List<String>> metaspace(String replacement, boolean prepended) {
    return tokens -> {
      var out = new ArrayList<String>();
      for (String token : tokens) {
        out.add(token.replace(replacement, out.isEmpty() && prepended ? "" : " "));
      }
      return out;
    };
  }

  /**
   * A run of byte tokens is decoded together: as text if it is UTF-8, else one U+FFFD for each
   * byte.
   */
  static UnaryOperator<List<String>> byteFallback() {
    return tokens -> {
      var out = new ArrayList<String>();
      var run = new ArrayList<Byte>();
      for (String token : tokens) {
        if (isByte(token)) {
          run.add((byte) Integer.parseInt(token.substring(3, 5), 16));
        } else {
          flush(run, out);
          out.add(token);
        }
      }
      flush(run, out);
      return out;
    };
  }

  static boolean isByte(String token) {
    return token.length() == 6
        && token.startsWith("<0x")
        && token.endsWith(">")
        && Character.digit(token.charAt(3), 16) >= 0
        && Character.digit(token.charAt(4), 16) >= 0;
  }

  private static void flush(List<Byte> run, List<String> out) {
    if (run.isEmpty()) {
      return;
    }
    byte[] bytes = new byte[run.size()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = run.get(i);
    }
    try {
      out.add(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
    } catch (CharacterCodingException e) {
      for (int i = 0; i < bytes.length; i++) {
        out.add("\uFFFD");
      }
    }
    run.clear();
  }
}
