package starling.text;

import java.util.ArrayList;
import java.util.List;

/**
 * The Metaspace pre-tokenizer: spaces become a visible character, and words begin with it.
 *
 * @param split whether words are merged one by one
 */
record Metaspace(String replacement, Scheme scheme, boolean split) implements PreTokenizer {
  /** Where a text without a space in front gets one: at every piece, nowhere, at the very first. */
  enum Scheme {
    ALWAYS,
    NEVER,
    FIRST
  }

  static Metaspace read(Section section) {
    return new Metaspace(
        section.at("replacement").character(), scheme(section), section.at("split").flag(true));
  }

  /** {@code prepend_scheme} alone decides; only where it is missing does the older field speak. */
  static Scheme scheme(Section section) {
    boolean older = section.at("add_prefix_space").flag(true);
    Section scheme = section.at("prepend_scheme");
    if (scheme.absent()) {
      return older ? Scheme.ALWAYS : Scheme.NEVER;
    }
    return switch (scheme.text()) {
      case "always" -> Scheme.ALWAYS;
      case "never" -> Scheme.NEVER;
      case "first" -> Scheme.FIRST;
      default -> throw scheme.wrong("is '" + scheme.text() + "', not always, never or first");
    };
  }

  @Override
  public List<String> words(String text, boolean first) {
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
