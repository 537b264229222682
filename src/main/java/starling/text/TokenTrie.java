package starling.text;

import java.util.HashMap;
import java.util.Map;

/** Finds the longest of many patterns at a place of a text. */
final class TokenTrie {
  /** A token and the text it is found by. */
  record Pattern(String text, AddedToken token) {}

  private final Map<Character, TokenTrie> next = new HashMap<>();
  private Pattern pattern;

  /** Adds a pattern; false if it is there already. */
  boolean add(Pattern added) {
    TokenTrie node = this;
    for (char c : added.text.toCharArray()) {
      node = node.next.computeIfAbsent(c, key -> new TokenTrie());
    }
    boolean isNew = node.pattern == null;
    node.pattern = added;
    return isNew;
  }

  /**
   * The longest pattern that begins at {@code at} and may be read there, or null. A mark is read
   * where a template has written it; white space of it may be somebody's, as long as not all is.
   */
  Pattern longest(MarkedText text, int at) {
    Pattern longest = null;
    TokenTrie node = this;
    boolean written = false;
    boolean said = false;
    for (int i = at; i < text.length(); i++) {
      node = node.next.get(text.charAt(i));
      if (node == null) {
        break;
      }
      written |= text.isWritten(i);
      said |= !text.isWritten(i) && !text.isSpace(i);
      if (node.pattern != null && (!node.pattern.token.isMark() || (written && !said))) {
        longest = node.pattern;
      }
    }
    return longest;
  }
}
