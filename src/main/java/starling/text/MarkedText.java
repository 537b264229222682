package starling.text;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * A text on its way to the tokenizer, in which what people said is told from what a template writes
 * around it. No mark is read out of what they said: {@code </s>} is four characters there.
 */
final class MarkedText {
  private static final char VISIBLE_SPACE = '\u2581';

  private final StringBuilder text = new StringBuilder();
  private final BitSet said = new BitSet(); // one bit for each char

  /** A text that is all marks and words of a template. */
  static MarkedText of(String written) {
    return new MarkedText().written(written);
  }

  /** Appends what a template writes. */
  MarkedText written(String words) {
    text.append(words);
    return this;
  }

  /** Appends what somebody said. */
  MarkedText said(String words) {
    said.set(text.length(), text.length() + words.length());
    text.append(words);
    return this;
  }

  /** Appends another text as it is. */
  MarkedText append(MarkedText other) {
    other.said.stream().forEach(i -> said.set(text.length() + i));
    text.append(other.text);
    return this;
  }

  int length() {
    return text.length();
  }

  char charAt(int index) {
    return text.charAt(index);
  }

  /** From one index up to another. */
  MarkedText part(int from, int to) {
    var part = of(text.substring(from, to));
    part.said.or(said.get(from, to));
    return part;
  }

  /** The texts between the places where the template has written a mark. */
  List<MarkedText> split(String mark) {
    var parts = new ArrayList<MarkedText>();
    int from = 0;
    for (int at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at)) {
      int to = at + mark.length();
      if (isWritten(at, to)) {
        parts.add(part(from, at));
        from = to;
        at = to;
      } else {
        at++;
      }
    }
    parts.add(part(from, length()));
    return parts;
  }

  /** Whether a template has written the character of an index. */
  boolean isWritten(int index) {
    return !said.get(index);
  }

  private boolean isWritten(int from, int to) {
    return said.get(from, to).isEmpty();
  }

  /** Whether it is white space, or the character that stands for a space in a vocabulary. */
  boolean isSpace(int index) {
    char c = text.charAt(index);
    return c == VISIBLE_SPACE || Unicode.isSpace(c);
  }

  /** With a text in front of it that nobody said. */
  MarkedText behind(String words) {
    return of(words).append(this);
  }

  /** With {@code by} in place of every {@code pattern}; said where a part of the pattern was. */
  MarkedText replaced(String pattern, String by) {
    if (said.isEmpty()) {
      return of(text.toString().replace(pattern, by));
    }
    var replaced = new MarkedText();
    int from = 0;
    for (int at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, from)) {
      int to = at + pattern.length();
      replaced.append(part(from, at));
      if (isWritten(at, to)) {
        replaced.written(by);
      } else {
        replaced.said(by);
      }
      from = to;
    }
    return replaced.append(part(from, length()));
  }

  /**
   * In Unicode's normal form C. What was said is composed by itself: what templates write is ASCII,
   * and a space, a line end or a bracket stands where it meets what was said.
   */
  MarkedText composed() {
    var composed = new MarkedText();
    for (int from = 0, to; from < length(); from = to) {
      boolean isSaid = said.get(from);
      int other = isSaid ? said.nextClearBit(from) : said.nextSetBit(from);
      to = other == -1 ? length() : other;
      String run = Composition.of(text.substring(from, to));
      if (isSaid) {
        composed.said(run);
      } else {
        composed.written(run);
      }
    }
    return composed;
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
