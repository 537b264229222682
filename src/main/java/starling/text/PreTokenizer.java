package starling.text;

import java.util.List;

/** Cuts a text into the words that are merged one by one. */
interface PreTokenizer {
  /**
   * Words of a text in order, as the model's vocabulary writes them.
   *
   * @param first whether the text stands at the very beginning
   */
  List<String> words(String text, boolean first);

  /** The pre-tokenizer of a file; without one a text is one word. */
  static PreTokenizer read(Section section) {
    if (section.absent()) {
      return (text, first) -> List.of(text);
    }
    return switch (section.type()) {
      case "Metaspace" -> Metaspace.read(section);
      case "Sequence" -> ByteWords.read(section);
      default -> throw section.unsupported();
    };
  }
}
