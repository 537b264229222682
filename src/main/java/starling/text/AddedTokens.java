package starling.text;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Added tokens, which are cut out of a text before anything else, leftmost and then longest. Those
 * that are not normalised are looked for in the text as given; the others afterwards, in the
 * normalised rest.
 */
final class AddedTokens {
  /**
   * An added token with its flags as {@code tokenizer.json} has them.
   *
   * @param singleWord only where no letter, digit or underscore touches it
   * @param lstrip takes the white space before it along
   * @param rstrip takes the white space behind it along
   */
  record Token(
      int id,
      String content,
      boolean singleWord,
      boolean lstrip,
      boolean rstrip,
      boolean normalized,
      boolean special) {}

  /**
   * A piece of a text: an added token, or text between them.
   *
   * @param id the token, or -1
   * @param text normalised text if {@code id} is -1
   * @param first whether the text stands at the very beginning
   */
  record Piece(int id, String text, boolean first) {}

  private final Map<Character, List<Match>> raw = new HashMap<>();
  private final Map<Character, List<Match>> normalized = new HashMap<>();

  private record Match(String text, Token token) {}

  AddedTokens(List<Token> tokens, UnaryOperator<String> normalizer) {
    for (Token token : tokens) {
      String text = token.normalized ? normalizer.apply(token.content) : token.content;
      if (!text.isEmpty()) {
        (token.normalized ? normalized : raw)
            .computeIfAbsent(text.charAt(0), c -> new ArrayList<>())
            .add(new Match(text, token));
      }
    }
    for (var index : List.of(raw, normalized)) {
      index
          .values()
          .forEach(
              list -> list.sort(Comparator.comparingInt((Match m) -> m.text.length()).reversed()));
    }
  }

  List<Piece> split(String text, UnaryOperator<String> normalizer) {
    var pieces = new ArrayList<Piece>();
    for (Piece piece : cut(text, raw, true)) {
      if (piece.id >= 0) {
        pieces.add(piece);
      } else {
        pieces.addAll(cut(normalizer.apply(piece.text), normalized, piece.first));
      }
    }
    return pieces;
  }

  private static List<Piece> cut(String text, Map<Character, List<Match>> index, boolean first) {
    var pieces = new ArrayList<Piece>();
    int done = 0;
    int at = 0;
    while (at < text.length() && !index.isEmpty()) {
      Match match = longest(text, at, index);
      if (match == null) {
        at++;
        continue;
      }
      int from = at;
      int to = at + match.text.length();
      at = to;
      if (match.token.singleWord && (wordBefore(text, from) || wordAt(text, to))) {
        continue;
      }
      while (match.token.lstrip && from > done && Character.isWhitespace(text.charAt(from - 1))) {
        from--;
      }
      while (match.token.rstrip && to < text.length() && Character.isWhitespace(text.charAt(to))) {
        to++;
      }
      if (from > done) {
        pieces.add(new Piece(-1, text.substring(done, from), first && done == 0));
      }
      pieces.add(new Piece(match.token.id, null, false));
      done = to;
      at = to;
    }
    if (done < text.length()) {
      pieces.add(new Piece(-1, text.substring(done), first && done == 0));
    }
    return pieces;
  }

  private static Match longest(String text, int at, Map<Character, List<Match>> index) {
    for (Match match : index.getOrDefault(text.charAt(at), List.of())) {
      if (text.startsWith(match.text, at)) {
        return match;
      }
    }
    return null;
  }

  private static boolean wordBefore(String text, int at) {
    return at > 0 && isWord(text.codePointBefore(at));
  }

  private static boolean wordAt(String text, int at) {
    return at < text.length() && isWord(text.codePointAt(at));
  }

  private static boolean isWord(int c) {
    return Character.isLetterOrDigit(c)
        || c == '_'
        || Character.getType(c) == Character.NON_SPACING_MARK
        || Character.getType(c) == Character.CONNECTOR_PUNCTUATION;
  }
}
