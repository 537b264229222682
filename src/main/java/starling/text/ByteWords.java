package starling.text;

import java.util.ArrayList;
import java.util.List;

/**
 * Qwen's pre-tokenizer: {@code Split} by Qwen's own regular expression, which {@link WordSplitter}
 * is, then {@code ByteLevel} without a space in front and without an expression of its own.
 */
final class ByteWords implements PreTokenizer {
  private ByteWords() {}

  static ByteWords read(Section section) {
    List<Section> steps = section.at("pretokenizers").list();
    if (steps.size() != 2) {
      throw section.wrong(
          "of type 'Sequence' has "
              + steps.size()
              + " pretokenizers; the two of Qwen are supported, Split and ByteLevel");
    }
    checkSplit(steps.get(0));
    checkBytes(steps.get(1));
    return new ByteWords();
  }

  private static void checkSplit(Section split) {
    if (!split.type().equals("Split")) {
      throw split.unsupported();
    }
    Section regex = split.at("pattern").at("Regex");
    if (!regex.token().equals(WordSplitter.PATTERN)) {
      throw regex.wrong("is not Qwen's, the only one that is supported: " + WordSplitter.PATTERN);
    }
    Section behavior = split.at("behavior");
    if (!behavior.text().equals("Isolated")) {
      throw behavior.wrong("is '" + behavior.text() + "'; only 'Isolated' is supported");
    }
    mustBeFalse(split.at("invert"), false);
  }

  private static void checkBytes(Section bytes) {
    if (!bytes.type().equals("ByteLevel")) {
      throw bytes.unsupported();
    }
    mustBeFalse(bytes.at("add_prefix_space"), true);
    mustBeFalse(bytes.at("use_regex"), true);
  }

  private static void mustBeFalse(Section field, boolean otherwise) {
    if (field.flag(otherwise)) {
      throw field.wrong("is true, which is not supported");
    }
  }

  @Override
  public List<String> words(String text, boolean first) {
    var words = new ArrayList<String>();
    for (int from = 0; from < text.length(); ) {
      int to = WordSplitter.end(text, from);
      words.add(ByteCharacters.written(text.substring(from, to)));
      from = to;
    }
    return words;
  }
}
