package starling.model;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import starling.input.InputException;
import starling.prune.CutSite;

/** What is said of a score that is no number. */
class StageTest {
  @Test
  void theFirstScoreThatIsNotFiniteIsNamed() {
    var stage = new Stage(3, 1, -1, CutSite.DECODER, 5, null, null, false);
    assertDoesNotThrow(() -> stage.checkFinite(new float[] {1, -2, 0}));
    assertDoesNotThrow(() -> stage.checkFinite(new float[0]));
    for (float wrong : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
      assertEquals(
          "the score of candidate 2 in stage 3 (image 1, decoder block 5) is not finite; the"
              + " weights are damaged",
          assertThrows(
                  InputException.class,
                  () -> stage.checkFinite(new float[] {1, 2, wrong, Float.NaN}))
              .getMessage());
    }
  }
}
