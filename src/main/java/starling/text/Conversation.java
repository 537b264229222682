package starling.text;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a model is told: who it is, what was said before, and the question.
 *
 * @param system what it is told first; null for the template's own words, if it has any
 * @param turns earlier questions and their answers, in order
 * @param question what is asked now
 */
public record Conversation(String system, List<Turn> turns, String question) {
  /**
   * An earlier question and its answer.
   *
   * @param question what was asked
   * @param answer what the model said
   */
  public record Turn(String question, String answer) {}

  /** Copies the turns. */
  public Conversation {
    turns = List.copyOf(turns);
  }

  /** A question alone. */
  public static Conversation of(String question) {
    return new Conversation(null, List.of(), question);
  }

  /** Whether nothing but the question was said. */
  public boolean isQuestionOnly() {
    return system == null && turns.isEmpty();
  }

  /** The same with {@code images} pictures before the first question. */
  Conversation withImages(String images) {
    if (turns.isEmpty()) {
      return new Conversation(system, turns, images + question);
    }
    var with = new ArrayList<>(turns);
    with.set(0, new Turn(images + with.getFirst().question, with.getFirst().answer));
    return new Conversation(system, with, question);
  }

  boolean contains(String text) {
    return texts().anyMatch(t -> t.contains(text));
  }

  private Stream<String> texts() {
    Stream<String> said = turns.stream().flatMap(t -> Stream.of(t.question, t.answer));
    return Stream.concat(
        said, Stream.of(question, system == null ? "" : system)); // the order does not matter
  }

  /** The same with a text in place of another, in questions. */
  Conversation replaced(String text, String by) {
    List<Turn> with =
        turns.stream().map(t -> new Turn(t.question.replace(text, by), t.answer)).toList();
    return new Conversation(system, with, question.replace(text, by));
  }
}
