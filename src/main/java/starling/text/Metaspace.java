package starling.text;

import java.util.ArrayList;
import java.util.List;

/**
 * The Metaspace pre-tokenizer: spaces become a visible character, and words begin with it.
 *
 * @param split whether words are merged one by one
 */
record Metaspace(String replacement, Scheme scheme, boolean split) {
  /** Where a text without a space in front gets one. */
  enum Scheme {
    ALWAYS,
    NEVER,
    FIRST
  }

  List<String> words(String text, boolean first) {
    String t = text.replace(" ", replacement);
    boolean prepend = scheme == Scheme.ALWAYS || (scheme == Scheme.FIRST && first);
    if (prepend && !t.startsWith(replacement)) {
      t = replacement + t;
    }
    if (!split) {
      return List.of(t);
    }
    var words = new ArrayList<String>();
    int from = 0;
    for (int at = t.indexOf(replacement, 1); at >= 0; at = t.indexOf(replacement, at + 1)) {
      words.add(t.substring(from, at));
      from = at;
    }
    words.add(t.substring(from));
    return words;
  }
}
