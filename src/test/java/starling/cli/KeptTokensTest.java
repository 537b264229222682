package starling.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import starling.Answer;
import starling.image.Overlay.Fate;
import starling.prune.ImageTokens;

/** What is drawn of an image of several crops. */
class KeptTokensTest {
  /** A crop of one row of two tokens, and one of two rows of one, the last of which is a border. */
  private static final ImageTokens TOKENS =
      new ImageTokens(
          List.of(new ImageTokens.Crop(1, 2, 0, 0, 2), new ImageTokens.Crop(2, 1, 2, 0, 2)),
          4,
          new int[] {0, 1, 3},
          new int[] {0, 0, 1},
          new int[] {0, 1, 0},
          new int[] {0, 1, 2},
          new int[0]);

  private static Answer.Stage stage(int stage, int image, Integer crop, Integer... kept) {
    return new Answer.Stage(stage, image, crop, "x", 1, List.of(kept), List.of(), null);
  }

  @Test
  void everyCropHasThePlacesOfItsOwnTokens() {
    Fate[] fates = {Fate.KEPT, Fate.DROPPED_LATER, Fate.DROPPED_BY_STAGE_1};
    assertArrayEquals(
        new Fate[] {Fate.KEPT, Fate.DROPPED_LATER}, KeptTokens.ofCrop(TOKENS, 0, fates));
    assertArrayEquals(
        new Fate[] {Fate.DROPPED_BY_STAGE_1, Fate.NO_TOKEN}, KeptTokens.ofCrop(TOKENS, 1, fates));
  }

  @Test
  void aStageOfSeveralCropsIsTakenTogether() {
    var stages =
        List.of(stage(1, 0, 0, 1), stage(1, 0, 1, 2), stage(2, 0, null, 2), stage(1, 1, 0, 0));
    assertArrayEquals(
        new Fate[] {Fate.DROPPED_BY_STAGE_1, Fate.DROPPED_LATER, Fate.KEPT},
        KeptTokens.fates(3, 0, stages));
  }
}
