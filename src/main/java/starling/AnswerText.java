package starling;

import java.util.ArrayList;
import java.util.List;

/** The tokens of an answer as they are drawn, and what ends it: a token, a text or the limit. */
final class AnswerText {
  private final TextStream stream;
  private final List<Integer> endTokens;
  private final int limit;
  private final List<Integer> tokens = new ArrayList<>();
  private String finishReason = "length";

  /**
   * @param stream takes the text
   * @param endTokens ids that end the answer
   * @param limit tokens at the most
   */
  AnswerText(TextStream stream, List<Integer> endTokens, int limit) {
    this.stream = stream;
    this.endTokens = endTokens;
    this.limit = limit;
  }

  /** Takes a token; whether another one is wanted. */
  boolean wantsMoreAfter(int id) {
    tokens.add(id);
    if (endTokens.contains(id) || stream.accept(id)) {
      finishReason = "stop";
      return false;
    }
    return tokens.size() < limit;
  }

  /** Ids drawn so far, the end token included if one ended the answer. */
  List<Integer> tokens() {
    return tokens;
  }

  /** {@code stop} or {@code length}. */
  String finishReason() {
    return finishReason;
  }

  /** Hands over the rest, and returns the text without space around it. */
  String finish() {
    return stream.finish().strip();
  }
}
