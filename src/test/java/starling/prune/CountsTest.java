package starling.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.input.InputException;

/** How many tokens a spec keeps: every rounding at its half, and every border of a number. */
class CountsTest {
  private static VlmShape shape(int patches, int layers) {
    return shape(patches, layers, 10);
  }

  private static VlmShape shape(int patches, int layers, int textRows) {
    return new VlmShape(
        List.of(ImageTokens.grid(1, patches, 1, false)), Budget.IMAGE, 23, layers, textRows);
  }

  private static int[] kept(String spec, VlmShape shape) {
    return Methods.parse(spec).cuts(shape).stream().mapToInt(cut -> cut.kept(0)).toArray();
  }

  private static String refusal(String spec, VlmShape shape) {
    return assertThrows(InputException.class, () -> kept(spec, shape)).getMessage();
  }

  /** Halves go up, not to the even neighbour; all the shares here are exact in binary. */
  @ParameterizedTest
  @CsvSource({
    "5, 0.5, nearest, 3", // 2.5
    "7, 0.5, nearest, 4", // 3.5
    "10, 0.75, nearest, 3", // 2.5
    "9, 0.5, nearest, 5", // 4.5
    "9, 0.5, floor, 4",
    "9, 0.5, ceil, 5",
    "9, 0.75, nearest, 2", // 2.25
    "9, 0.75, floor, 2",
    "9, 0.75, ceil, 3",
    "11, 0.75, nearest, 3", // 2.75
    "11, 0.75, floor, 2",
    "8, 0.75, ceil, 2", // a whole number stays
    "8, 0.75, floor, 2",
    "1, 0.5, nearest, 1", // 0.5
    "576, 0.1, nearest, 518", // 518.4
    "576, 0.95, nearest, 29", // 28.8
  })
  void starRoundsHalvesUp(int patches, String share, String round, int kept) {
    VlmShape shape = shape(patches, 32);
    assertArrayEquals(new int[] {kept}, kept("star:R=" + share + ",P=0,round=" + round, shape));
    assertArrayEquals(new int[] {kept}, kept("star:R=0,P=" + share + ",round=" + round, shape));
  }

  @ParameterizedTest
  @CsvSource({
    "5, 0.5, 3", // 2.5
    "9, 0.5, 5", // 4.5
    "10, 0.25, 3", // 2.5
    "9, 0.25, 2", // 2.25
    "11, 0.25, 3", // 2.75
    "1, 0.5, 1",
    "576, 1.0, 576",
    "576, 1., 576",
    "576, .25, 144",
  })
  void aShareIsRoundedHalfUpForEveryMethodThatTakesOne(int patches, String share, int kept) {
    for (String method : new String[] {"random", "uniform", "fastervlm", "vispruner", "fastv"}) {
      assertArrayEquals(
          new int[] {kept}, kept(method + ":keep=" + share, shape(patches, 32)), method);
    }
  }

  @Test
  void aCountIsAtLeastOneAndAtMostWhatThereIs() {
    VlmShape shape = shape(6, 32);
    for (String method : new String[] {"random", "uniform", "fastervlm", "vispruner", "fastv"}) {
      assertArrayEquals(new int[] {1}, kept(method + ":keep=1", shape));
      assertArrayEquals(new int[] {6}, kept(method + ":keep=6", shape));
      assertTrue(refusal(method + ":keep=7", shape).contains("is 7 of the 6"), method);
      assertTrue(refusal(method + ":keep=0.05", shape).contains("is 0 of the 6"), method);
    }
    assertTrue(refusal("star:R=0.95,P=0", shape).contains("keeps 0 of 6"));
    assertTrue(refusal("star:R=0.1,P=0.95", shape).contains("P=0.95 keeps 0 of 6"));
  }

  @Test
  void starNeedsRBelowPUnlessStage2CountsWhatIsLeft() {
    VlmShape shape = shape(576, 32);
    assertArrayEquals(new int[] {291, 288}, kept("star:R=0.495,P=0.5", shape));
    assertTrue(refusal("star:R=0.5,P=0.5", shape).contains("must be smaller than"));
    assertTrue(refusal("star:R=0.505,P=0.5", shape).contains("must be smaller than"));
    assertArrayEquals(new int[] {288, 144}, kept("star:R=0.5,P=0.5,base=remaining", shape));
    assertArrayEquals(new int[] {58, 29}, kept("star:R=0.9,P=0.5,base=remaining", shape));
    assertArrayEquals(new int[] {58}, kept("star:R=0.9,P=0", shape));
    assertArrayEquals(new int[] {}, kept("star:R=0,P=0", shape));
  }

  /** round(14/32 · layers), halves up. */
  @ParameterizedTest
  @CsvSource({"32, 14", "40, 18", "24, 11", "8, 4", "16, 7", "28, 12", "2, 1", "3, 1", "4, 2"})
  void starsLayerFollowsTheModelsDepth(int layers, int k) {
    var cuts = Methods.parse("star:R=0.1,P=0.9").cuts(shape(576, layers));
    assertEquals(k, cuts.get(1).layer());
  }

  @Test
  void aCutLiesBehindTheFirstLayerAndBeforeTheLast() {
    for (String method : new String[] {"star:R=0,P=0.5,K=", "fastv:keep=9,K="}) {
      assertEquals(1, Methods.parse(method + 1).cuts(shape(576, 8)).get(0).layer());
      assertEquals(7, Methods.parse(method + 7).cuts(shape(576, 8)).get(0).layer());
      assertTrue(refusal(method + 8, shape(576, 8)).contains("below the model's 8"));
    }
    assertTrue(refusal("star:P=0.5", shape(576, 1)).contains("below the model's 1"));
  }

  @Test
  void oneRowOfTextIsEnoughForStage2() {
    var one = shape(576, 32, 1);
    var none = shape(576, 32, 0);
    assertArrayEquals(new int[] {518, 58}, kept("star:R=0.1,P=0.9", one));
    assertTrue(refusal("star:R=0.1,P=0.9", none).contains("no text after its last image"));
    assertArrayEquals(new int[] {518}, kept("star:R=0.1,P=0", none));
    assertArrayEquals(new int[] {518, 58}, kept("star:R=0.1,P=0.9,queries=last", none));
  }

  /** floor((i + 0.5) · N / keep), each index by hand. */
  @Test
  void uniformTakesTheMiddleOfEachPart() {
    assertArrayEquals(new int[] {1, 4, 7}, uniform(9, 3));
    assertArrayEquals(new int[] {1, 3, 6, 8}, uniform(10, 4)); // 1.25, 3.75, 6.25, 8.75
    assertArrayEquals(new int[] {0, 2, 4}, uniform(5, 3)); // 0.83, 2.5, 4.17
    assertArrayEquals(new int[] {2}, uniform(5, 1));
    assertArrayEquals(new int[] {0, 1, 2, 3, 4}, uniform(5, 5));
  }

  private static int[] uniform(int patches, int keep) {
    var cuts = Methods.parse("uniform:keep=" + keep).cuts(shape(patches, 32));
    return ((FixedCut) cuts.get(0)).keep().get(0);
  }

  /** Who compares each two of them chooses among fewer. */
  @ParameterizedTest
  @CsvSource({
    "star:R=0.5;P=0, 16384",
    "star:R=0;P=0.5, 16384",
    "fastv:keep=9, 16384",
    "random:keep=9, 16384",
    "vispruner:keep=9, 4096"
  })
  void candidatesAreAsManyAsAnOperatorTakes(String spec, int most) {
    var cut = Methods.parse(spec.replace(';', ',')).cuts(shape(576, 32)).getFirst();
    assertEquals(most, cut.mostCandidates());
  }

  /** VisPruner's share of important tokens is cut off, not rounded. */
  @ParameterizedTest
  @CsvSource({"29, 0.5, 14", "5, 0.75, 3", "64, 0.5, 32", "3, 1, 3", "3, 0, 0", "7, 0.99, 6"})
  void visPrunersImportantCountIsCutOff(int keep, String important, int count) {
    var cut =
        Methods.parse("vispruner:keep=" + keep + ",important=" + important)
            .cuts(shape(576, 32))
            .get(0);
    assertTrue(cut.toString().contains("byAttention=[" + count + "]]"), cut.toString());
  }
}
