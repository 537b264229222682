package starling.text;

import starling.input.Limits;

/**
 * How much longer the steps of a normalizer or a decoder may make a text. Thirty steps that each
 * double it would fill any memory.
 *
 * @param section the field that is to blame
 */
record Growth(Section section) {
  /**
   * Checks what steps have made of a text, or what one is about to make of it.
   *
   * @param given characters of the text before
   * @param made characters behind
   */
  void check(long given, long made) {
    long most = Limits.GROWTH * given + Limits.FREE_GROWTH;
    if (made > most) {
      throw section.wrong("makes more than " + most + " characters of " + given);
    }
  }

  /** {@code text.replace(pattern, content)}, unless that alone makes too much. */
  String replace(String text, String pattern, String content) {
    checkReplacing(text, pattern, content);
    return text.replace(pattern, content);
  }

  /** The same where what was said is known. */
  MarkedText replace(MarkedText text, String pattern, String content) {
    checkReplacing(text.toString(), pattern, content);
    return text.replaced(pattern, content);
  }

  private void checkReplacing(String text, String pattern, String content) {
    long found = 0;
    int at = text.indexOf(pattern);
    while (at >= 0) {
      found++;
      at = text.indexOf(pattern, at + pattern.length());
    }
    check(text.length(), text.length() + found * (content.length() - pattern.length()));
  }

  /** Refuses more steps than any tokenizer has. */
  void checkSteps(int steps) {
    if (steps > Limits.STEPS) {
      throw section.wrong("has more than " + Limits.STEPS + " steps");
    }
  }
}
