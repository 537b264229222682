package starling.text;

import java.text.Normalizer;
import java.text.Normalizer.Form;
import starling.input.InputException;
import starling.input.Limits;

/**
 * Unicode's normal form C. Java sorts marks behind a letter by insertion: a megabyte of them would
 * take hours, so a row of more marks than any writing has is refused.
 */
final class Composition {
  private Composition() {}

  /**
   * A text in form C.
   *
   * @throws InputException if more than {@link Limits#MARKS} combining marks stand in a row
   */
  static String of(String text) {
    checkMarks(text);
    return Normalizer.normalize(text, Form.NFC);
  }

  private static void checkMarks(String text) {
    int marks = 0;
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      marks = isMark(c) ? marks + 1 : 0;
      if (marks > Limits.MARKS) {
        throw new InputException(
            "the text has more than "
                + Limits.MARKS
                + " combining marks in a row, up to index "
                + i);
      }
    }
  }

  private static boolean isMark(int c) {
    return switch (Character.getType(c)) {
      case Character.NON_SPACING_MARK, Character.COMBINING_SPACING_MARK, Character.ENCLOSING_MARK ->
          true;
      default -> false;
    };
  }
}
