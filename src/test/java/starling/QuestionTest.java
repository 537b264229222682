package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import starling.device.Sampling;
import starling.image.Image;
import starling.image.ImageMode;
import starling.input.InputException;
import starling.model.ImageOptions;
import starling.model.Mode;
import starling.prune.Method;
import starling.text.Template;

/** What no question can have is refused when it is said, not when the question is asked. */
class QuestionTest {
  @Test
  void nothingIsNamed() {
    Map<String, Consumer<Question>> setters =
        Map.ofEntries(
            Map.entry("image", q -> q.image((Image) null)),
            Map.entry("prune", q -> q.prune((String) null)),
            Map.entry("mode", q -> q.mode((Mode) null)),
            Map.entry("system", q -> q.system(null)),
            Map.entry("question", q -> q.turn(null, "yes")),
            Map.entry("answer", q -> q.turn("is it?", null)),
            Map.entry("template", q -> q.template((Template) null)),
            Map.entry("imageMode", q -> q.imageMode((ImageMode) null)),
            Map.entry("imageOptions", q -> q.imageOptions((ImageOptions) null)),
            Map.entry("sampling", q -> q.sampling((Sampling) null)),
            Map.entry("progress", q -> q.progress(null)));
    setters.forEach(
        (name, setter) -> {
          var question = Question.of("x");
          var e = assertThrows(NullPointerException.class, () -> setter.accept(question), name);
          assertEquals(name, e.getMessage());
        });
    assertEquals(
        "prompt",
        assertThrows(NullPointerException.class, () -> Question.of((String) null)).getMessage());
    assertEquals(
        "prune",
        assertThrows(NullPointerException.class, () -> Question.of("x").prune((Method) null))
            .getMessage());
    assertThrows(NullPointerException.class, () -> Question.of("x").stop("a", null));
  }

  @Test
  void aSpecThatIsNoneIsRefusedWhenItIsSaid() {
    var question = Question.of("x").prune("fastv:K=2,keep=10");
    for (String spec : List.of("stars", "fastv:K=x", "star:R=2")) {
      assertThrows(InputException.class, () -> question.prune(spec), spec);
    }
    assertEquals("fastv:K=2,keep=10", question.prune, "what was said before still holds");
  }

  @Test
  void numbersHaveTheirBorders() {
    var question = Question.of("x").maxTokens(1).repetitionPenalty(0.1f);
    assertThrows(IllegalArgumentException.class, () -> question.maxTokens(0));
    for (float wrong : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
      assertThrows(IllegalArgumentException.class, () -> question.repetitionPenalty(wrong));
    }
  }
}
