package starling.model;

import java.util.List;
import starling.device.Arguments;
import starling.input.InputException;
import starling.prune.CutPoint;
import starling.prune.CutSite;

/** Which cuts an answer's images and mode allow; others are refused before anything runs. */
final class CutLimits {
  private CutLimits() {}

  /**
   * Refuses a method that this prompt cannot be pruned by.
   *
   * @param tables of each image
   */
  static void check(Planner planner, List<TokenTables> tables) {
    List<CutPoint> cuts = planner.cuts();
    for (CutPoint cut : cuts) {
      if (cut.sources() > 1) {
        checkMerging(planner, cut, tables);
      }
    }
    boolean decoder = cuts.stream().anyMatch(cut -> cut.where() == CutSite.DECODER);
    boolean together = planner.masks() ? !cuts.isEmpty() : decoder;
    if (together && tables.size() > Arguments.MAX_CUTS) {
      throw new InputException(
          tables.size()
              + " images in one prompt; at most "
              + Arguments.MAX_CUTS
              + " can be pruned in the decoder or with mode=mask");
    }
  }

  private static void checkMerging(Planner planner, CutPoint cut, List<TokenTables> tables) {
    if (planner.masks()) {
      throw new InputException(
          "mode=mask: a method that merges tokens has no masked form; use mode=compact");
    }
    if (planner.shape().groups().stream().anyMatch(group -> group.crop() >= 0)) {
      throw new InputException(
          "budget=crop: a method that merges tokens counts over images; use budget=image");
    }
    if (cut.where() == CutSite.VISION && !tables.stream().allMatch(TokenTables::plain)) {
      throw new InputException(
          "a visual token of this image is more than one row in the tower; a method that merges tokens"
              + " has to do so before the projector or behind it");
    }
  }
}
