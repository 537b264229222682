package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;

/** {@link Model#warmUp()} leaves a model as it was. */
class WarmUpTest {
  private static Answer ask(Model model) {
    return model.ask(
        Question.of("What color is the heart?")
            .image(Demo.read("scene-00.png"))
            .prune("star:R=0.1,K=4,P=0.9")
            .logits(true));
  }

  @Test
  void answersAreTheSameAfterIt() {
    Answer expected;
    try (Model cold = Model.open(Demo.MODEL)) {
      expected = ask(cold);
    }
    try (Model model = Model.open(Demo.MODEL)) {
      model.warmUp();
      Load after = model.load();
      assertEquals(0, after.running() + after.waiting());
      for (int time = 0; time < 2; time++) {
        Answer found = ask(model);
        assertEquals(expected.firstLogits(), found.firstLogits());
        assertEquals(expected.text(), found.text());
        model.warmUp();
      }
      assertEquals(after, model.load());
    }
  }

  @Test
  void aClosedModelAndAnInterruptEndIt() {
    Model model = Model.open(Demo.MODEL);
    Thread.currentThread().interrupt();
    assertThrows(CancellationException.class, model::warmUp);
    assertTrue(Thread.interrupted());
    model.close();
    assertThrows(IllegalStateException.class, model::warmUp);
  }
}
