package starling.text;

/**
 * A token that is cut out of the text whole, with its flags as {@code tokenizer.json} has them.
 *
 * @param singleWord only where no word character touches it
 * @param lstrip takes the white space before it along
 * @param rstrip takes the white space behind it along
 * @param normalized looked for, in its normalised form, in the normalised text
 * @param special left out when an answer is decoded
 */
record AddedToken(
    int id,
    String content,
    boolean singleWord,
    boolean lstrip,
    boolean rstrip,
    boolean normalized,
    boolean special) {
  static AddedToken read(Section section) {
    boolean special = section.at("special").flag(false);
    return new AddedToken(
        section.at("id").number(),
        section.at("content").token(),
        section.at("single_word").flag(false),
        section.at("lstrip").flag(false),
        section.at("rstrip").flag(false),
        section.at("normalized").flag(!special),
        special);
  }

  /** Whether only a template may write it. */
  boolean isMark() {
    return special || Template.MARKS.contains(content);
  }
}
