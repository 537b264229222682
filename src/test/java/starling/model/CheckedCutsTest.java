package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import starling.device.PositionRule;
import starling.input.InputException;
import starling.prune.Budget;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.ImageTokens;
import starling.prune.Method;
import starling.prune.Selection;
import starling.prune.VlmShape;

/** Cuts that cannot be made are refused in a sentence that begins with the method. */
class CheckedCutsTest {
  /** Two images, 6 and 4 candidates, and four decoder layers. */
  private static VlmShape shape(int visionBlocks) {
    var images = List.of(ImageTokens.grid(3, 2, 1, false), ImageTokens.grid(2, 2, 1, false));
    return new VlmShape(images, Budget.IMAGE, visionBlocks, 4, 5);
  }

  private record At(
      CutSite where,
      int layer,
      List<Integer> counts,
      int sources,
      boolean scored,
      PositionRule positions)
      implements CutPoint {
    @Override
    public int kept(int group) {
      return counts.get(group);
    }

    @Override
    public void select(CutContext context, Selection out) {
      throw new AssertionError("nothing is run");
    }
  }

  private static At at(CutSite where, int layer) {
    return new At(where, layer, List.of(6, 1), 1, true, PositionRule.KEEP);
  }

  private static At keeping(Integer... counts) {
    return new At(CutSite.VISION, 0, List.of(counts), 1, true, PositionRule.KEEP);
  }

  private static List<CutPoint> checked(int visionBlocks, String spec, List<CutPoint> cuts) {
    return CheckedCuts.of(
        new Method() {
          @Override
          public String spec(VlmShape shape) {
            return spec;
          }

          @Override
          public List<CutPoint> cuts(VlmShape shape) {
            return cuts;
          }
        },
        shape(visionBlocks));
  }

  private static void accepted(CutPoint... cuts) {
    assertEquals(List.of(cuts), checked(1, "mine", List.of(cuts)));
  }

  private static void refused(String why, List<CutPoint> cuts) {
    assertEquals(
        "mine: " + why,
        assertThrows(InputException.class, () -> checked(1, "mine", cuts)).getMessage());
  }

  private static void refused(String why, CutPoint... cuts) {
    refused(why, List.of(cuts));
  }

  @Test
  void whatIsMissingIsNamed() {
    refused("a cut is null", (List<CutPoint>) null);
    refused("a cut is null", Arrays.asList(at(CutSite.VISION, 0), null));
    refused("a cut says no place or no positions", at(null, 0));
    refused(
        "a cut says no place or no positions",
        new At(CutSite.VISION, 0, List.of(1, 1), 1, true, null));
    String nameless =
        assertThrows(InputException.class, () -> checked(1, null, List.of())).getMessage();
    assertEquals(true, nameless.endsWith(": its spec is null"), nameless);
    accepted();
  }

  @Test
  void aCutInTheDecoderIsBehindItsFirstLayerAndBeforeItsLast() {
    accepted(at(CutSite.DECODER, 1));
    accepted(at(CutSite.DECODER, 3));
    for (int layer : new int[] {0, 4, 5}) {
      refused(
          "a cut in the decoder behind "
              + layer
              + " layers; it must be at least 1 and below the model's 4",
          at(CutSite.DECODER, layer));
    }
    accepted(at(CutSite.PROJECTOR_OUTPUT, 0));
  }

  @Test
  void cutsAreInOrderOfFlow() {
    String order = "; cuts are in order of flow, at most one behind each decoder layer";
    accepted(
        at(CutSite.VISION, 9),
        at(CutSite.VISION, 2),
        at(CutSite.PROJECTOR_INPUT, 0),
        at(CutSite.PROJECTOR_OUTPUT, 0),
        at(CutSite.DECODER, 1),
        at(CutSite.DECODER, 2));
    refused(
        "a cut at DECODER behind 2 comes after one at DECODER behind 2" + order,
        at(CutSite.DECODER, 2),
        at(CutSite.DECODER, 2));
    refused(
        "a cut at DECODER behind 1 comes after one at DECODER behind 3" + order,
        at(CutSite.DECODER, 3),
        at(CutSite.DECODER, 1));
    refused(
        "a cut at VISION comes after one at DECODER behind 2" + order,
        at(CutSite.DECODER, 2),
        at(CutSite.VISION, 3));
    refused(
        "a cut at VISION comes after one at PROJECTOR_INPUT" + order,
        at(CutSite.PROJECTOR_INPUT, 1),
        at(CutSite.VISION, 3));
    accepted(at(CutSite.VISION, 3), at(CutSite.DECODER, 2));
  }

  @Test
  void everyGroupKeepsOneOfItsTokensAtLeast() {
    accepted(keeping(1, 4));
    accepted(keeping(6, 1));
    refused("a cut at VISION keeps 0 of the 6 visual tokens of image 0", keeping(0, 1));
    refused("a cut at VISION keeps 5 of the 4 visual tokens of image 1", keeping(1, 5));
    refused("a cut at VISION has no count for group 1 of 2", keeping(1));
  }

  @Test
  void aRowIsMadeOfOneAtLeast() {
    refused(
        "a row is made of 0 others",
        new At(CutSite.VISION, 0, List.of(1, 1), 0, true, PositionRule.KEEP));
    accepted(new At(CutSite.VISION, 0, List.of(1, 1), 2, true, PositionRule.KEEP));
  }

  @Test
  void scoresBeforeTheDecoderNeedABlockOfTheTower() {
    var scored = List.<CutPoint>of(at(CutSite.VISION, 0));
    assertEquals(
        "mine: vision_feature_layer selects the embeddings, which have no attention",
        assertThrows(InputException.class, () -> checked(0, "mine", scored)).getMessage());
    var drawn =
        List.<CutPoint>of(
            new At(CutSite.VISION, 0, List.of(1, 1), 1, false, PositionRule.KEEP),
            at(CutSite.DECODER, 2));
    assertEquals(drawn, checked(0, "mine", drawn));
    assertEquals(scored, checked(1, "mine", scored));
  }

  /** Compares two; behind a cut that the device counts nobody knows whether more are left. */
  private record Two(CutSite where, int layer, int kept, boolean counted) implements CutPoint {
    @Override
    public int kept(int group) {
      return kept;
    }

    @Override
    public int mostCandidates() {
      return layer > 0 ? 2 : 16_384;
    }

    @Override
    public PositionRule positions() {
      return PositionRule.KEEP;
    }

    @Override
    public void select(CutContext context, Selection out) {
      throw new AssertionError("nothing is run");
    }
  }

  @Test
  void candidatesBehindACountedCutAreNotKnownYet() {
    var second = new Two(CutSite.DECODER, 1, 1, false);
    accepted(new Two(CutSite.VISION, 0, 2, false), second);
    accepted(new Two(CutSite.VISION, 0, 3, true), second);
    refused(
        "a cut at DECODER would choose among 3 visual tokens of image 0; at most 2 are compared",
        List.of(new Two(CutSite.VISION, 0, 3, false), second));
  }
}
