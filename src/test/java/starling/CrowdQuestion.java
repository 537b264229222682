package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import starling.device.Sampling;
import starling.model.EncodedImage;
import starling.model.Mode;

/**
 * A question of {@link ManyClientsTest} whose answers are known: it was asked before, alone.
 *
 * @param encoded whether it is about an encoded image: its prompt may then begin with rows that
 *     another question has left, and both ways to read it are right
 * @param right what it may be answered with, each a list of its answers
 */
record CrowdQuestion(
    String text,
    int image,
    boolean encoded,
    String spec,
    Mode mode,
    int maxTokens,
    int answers,
    Sampling sampling,
    List<List<Answer>> right) {
  static final List<String> TEXTS =
      List.of(
          "What color is the heart?",
          "How many red objects are there?",
          "Describe the image.",
          "Is there a star?",
          "What is left of the circle?");
  private static final List<String> SPECS =
      List.of(
          "none",
          "star:R=0.1,K=4,P=0.9",
          "star:R=0.9,P=0",
          "star:R=0.1,K=4,P=0.9,kv=compact",
          "fastv:K=2,keep=144",
          "fastervlm:keep=64",
          "vispruner:keep=58",
          "random:keep=64,seed=7");

  /** Some question: images, methods, modes, lengths and numbers of answers in a mixture. */
  static CrowdQuestion some(Random random, int images) {
    boolean drawn = random.nextInt(3) == 0;
    return new CrowdQuestion(
        TEXTS.get(random.nextInt(TEXTS.size())),
        random.nextInt(images),
        random.nextInt(3) == 0,
        SPECS.get(random.nextInt(SPECS.size())),
        random.nextInt(8) == 0 ? Mode.MASK : Mode.COMPACT,
        1 + random.nextInt(16),
        random.nextInt(4) == 0 ? 2 + random.nextInt(2) : 1,
        drawn ? new Sampling(1.2f, 0, 0.95f, random.nextInt(1000)) : Sampling.GREEDY,
        new ArrayList<>());
  }

  /** The question without its image. */
  Question asked() {
    return Question.of(text)
        .prune(spec)
        .mode(mode)
        .maxTokens(maxTokens)
        .answers(answers)
        .sampling(sampling)
        .logprobs(2);
  }

  /** The question as it is asked. */
  Question asked(List<EncodedImage> images) {
    return encoded
        ? asked().image(images.get(image))
        : asked().image(Demo.read("scene-0" + image + ".png"));
  }

  /** Asks it alone: as a whole, and behind what the first asking has left of its prompt. */
  void learn(Model model) {
    right.add(answers(model, asked().image(Demo.read("scene-0" + image + ".png"))));
    if (encoded) {
      try (EncodedImage own = model.encode(Demo.read("scene-0" + image + ".png"))) {
        answers(model, asked().image(own));
        right.add(answers(model, asked().image(own)));
      }
    }
  }

  private static List<Answer> answers(Model model, Question question) {
    try (AnswerStream stream = model.stream(question)) {
      return stream.answers();
    }
  }

  /** These are the answers that it got alone, or the first of them. */
  void assertAnswered(List<Answer> found, String what) {
    for (List<Answer> whole : right) {
      if (facts(whole.subList(0, found.size())).equals(facts(found))) {
        return;
      }
    }
    assertEquals(facts(right.getFirst().subList(0, found.size())), facts(found), what);
  }

  private static List<List<Object>> facts(List<Answer> answers) {
    return answers.stream()
        .map(
            a ->
                List.<Object>of(
                    a.promptTokens(),
                    a.outputTokens(),
                    a.logprobs(),
                    a.text(),
                    a.stages(),
                    a.tokensPerLayer(),
                    a.finishReason(),
                    a.kvBytes()))
        .toList();
  }
}
