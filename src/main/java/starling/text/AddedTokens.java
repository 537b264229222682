package starling.text;

import java.util.ArrayList;
import java.util.List;
import starling.input.Limits;

/**
 * Added tokens, which are cut out of a text before anything else, leftmost and then longest. Those
 * that are not normalised are looked for in the text as given; the others afterwards, in the
 * normalised rest.
 */
final class AddedTokens {
  /**
   * A piece of a text: an added token, or text between them.
   *
   * @param id the token, or -1
   * @param text normalised text if {@code id} is -1
   * @param first whether the text stands at the very beginning
   */
  record Piece(int id, MarkedText text, boolean first) {}

  private final TokenTrie raw = new TokenTrie();
  private final TokenTrie normalized = new TokenTrie();
  private final Normalizer normalizer;

  AddedTokens(Section section, List<AddedToken> tokens, Normalizer normalizer) {
    this.normalizer = normalizer;
    long characters = 0;
    for (AddedToken token : tokens) {
      String text = token.normalized() ? normalizer.apply(token.content()) : token.content();
      characters += text.length();
      if (characters > Limits.ADDED_TOKENS) {
        throw section.wrong("has more than " + Limits.ADDED_TOKENS + " characters in all");
      }
      TokenTrie trie = token.normalized() ? normalized : raw;
      if (text.isEmpty()) {
        throw section.wrong(
            "holds '" + token.content() + "', of which the normalizer leaves nothing");
      }
      if (!trie.add(new TokenTrie.Pattern(text, token))) {
        throw section.wrong("holds '" + token.content() + "', which reads like another one");
      }
    }
  }

  /** Pieces of a text in order; none of them is empty. */
  List<Piece> split(MarkedText text) {
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

  /**
   * The search goes on behind the bare token, before white space that it took along: a token that
   * begins with that white space is found as well, as the reference does.
   */
  private static List<Piece> cut(MarkedText marked, TokenTrie trie, boolean first) {
    String text = marked.toString();
    var pieces = new ArrayList<Piece>();
    int done = 0;
    int at = 0;
    while (at < text.length()) {
      TokenTrie.Pattern match = trie.longest(marked, at);
      if (match == null) {
        at++;
        continue;
      }
      int from = at;
      int to = at + match.text().length();
      at = to;
      if (match.token().singleWord() && touchesWord(text, from, to)) {
        continue;
      }
      if (match.token().lstrip()) {
        from = Math.max(spacesBefore(text, from, done), done);
      }
      if (match.token().rstrip()) {
        to = spacesBehind(text, Math.max(to, done)); // up to done it was seen before
      }
      if (from > done) {
        pieces.add(new Piece(-1, marked.part(done, from), first && done == 0));
      }
      if (from < to) { // otherwise the token before took all of it along
        pieces.add(new Piece(match.token().id(), null, false));
      }
      done = to;
    }
    if (done < text.length()) {
      pieces.add(new Piece(-1, marked.part(done, text.length()), first && done == 0));
    }
    return pieces;
  }

  private static boolean touchesWord(String text, int from, int to) {
    return (from > 0 && Unicode.isWord(text.codePointBefore(from)))
        || (to < text.length() && Unicode.isWord(text.codePointAt(to)));
  }

  private static int spacesBefore(String text, int at, int done) {
    int from = at;
    while (from > done && Unicode.isSpace(text.charAt(from - 1))) {
      from--;
    }
    return from;
  }

  private static int spacesBehind(String text, int at) {
    int to = at;
    while (to < text.length() && Unicode.isSpace(text.charAt(to))) {
      to++;
    }
    return to;
  }
}
