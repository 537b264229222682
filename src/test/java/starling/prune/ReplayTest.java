package starling.prune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.device.PositionRule;
import starling.input.InputException;

/** A trace that anybody may have written becomes the same cuts, or a sentence with its file. */
class ReplayTest {
  @TempDir Path dir;
  private Path trace;

  @BeforeEach
  void file() {
    trace = dir.resolve("trace.json");
  }

  /** One image, or more, of eight candidates each. */
  private static VlmShape shape(int images) {
    return new VlmShape(
        IntStream.range(0, images).mapToObj(i -> ImageTokens.grid(2, 4, 1, false)).toList(),
        Budget.IMAGE,
        23,
        8,
        0);
  }

  private List<FixedCut> cuts(int images, String... stages) throws IOException {
    Files.writeString(trace, "{\"stages\":[" + String.join(",", stages) + "],\"other\":1}");
    return Methods.parse("replay:" + trace).cuts(shape(images)).stream()
        .map(cut -> assertInstanceOf(FixedCut.class, cut))
        .toList();
  }

  private static String stage(int stage, int image, int layer, String kept) {
    return "{\"stage\":"
        + stage
        + ",\"image\":"
        + image
        + ",\"layer\":"
        + layer
        + ",\"kept\":"
        + kept
        + "}";
  }

  private String refusal(int images, String... stages) {
    String sentence = assertThrows(InputException.class, () -> cuts(images, stages)).getMessage();
    assertEquals(trace + ": ", sentence.substring(0, trace.toString().length() + 2));
    return sentence.substring(trace.toString().length() + 2);
  }

  @Test
  void stage1CutsBeforeTheProjectorAndLaterOnesInTheDecoder() throws IOException {
    List<FixedCut> cuts =
        cuts(1, stage(2, 0, 3, "[2,7]"), stage(1, 0, 23, "[0,2,5,7]"), stage(3, 0, 7, "[7]"));
    assertEquals(3, cuts.size());
    assertEquals(CutSite.PROJECTOR_INPUT, cuts.get(0).where());
    assertEquals(23, cuts.get(0).layer());
    assertEquals(PositionRule.CONTIGUOUS, cuts.get(0).positions());
    assertArrayEquals(new int[] {0, 2, 5, 7}, cuts.get(0).keep().getFirst());
    assertEquals(CutSite.DECODER, cuts.get(1).where());
    assertEquals(3, cuts.get(1).layer());
    assertEquals(PositionRule.KEEP, cuts.get(1).positions());
    assertArrayEquals(new int[] {1, 3}, cuts.get(1).keep().getFirst(), "among the survivors");
    assertEquals(7, cuts.get(2).layer());
    assertArrayEquals(new int[] {1}, cuts.get(2).keep().getFirst());
  }

  @Test
  void aTraceNeedsNoStage1() throws IOException {
    FixedCut cut = cuts(1, stage(2, 0, 1, "[0,7]")).getFirst();
    assertEquals(1, cut.layer());
    assertArrayEquals(new int[] {0, 7}, cut.keep().getFirst());
  }

  @Test
  void everyImageHasItsOwnSet() throws IOException {
    FixedCut cut = cuts(2, stage(1, 1, 23, "[1]"), stage(1, 0, 23, "[4,6]")).getFirst();
    assertArrayEquals(new int[] {4, 6}, cut.keep().get(0));
    assertArrayEquals(new int[] {1}, cut.keep().get(1));
  }

  @Test
  void entriesOfTheCropsOfAnImageAreTakenTogether() throws IOException {
    String second = stage(1, 0, 23, "[3,6]").replace("\"kept\"", "\"crop\":1,\"kept\"");
    FixedCut cut = cuts(1, second, stage(1, 0, 23, "[1,6]")).getFirst();
    assertArrayEquals(new int[] {1, 3, 6}, cut.keep().getFirst());
    assertEquals(
        "stage 1 must have one entry per image, all with the same layer",
        refusal(1, second, second));
  }

  @ParameterizedTest
  @CsvSource({"0", "8", "9"})
  void aLaterStageLiesInsideTheDecoder(int layer) {
    assertEquals(
        "stage 2: layer " + layer + " must lie between 0 and the model's 8 decoder layers",
        refusal(1, stage(1, 0, 23, "[1]"), stage(2, 0, layer, "[1]")));
  }

  @Test
  void stagesGoDownTheDecoder() {
    assertEquals(
        "stage 3: layer 4 must lie between 4 and the model's 8 decoder layers",
        refusal(1, stage(2, 0, 4, "[1]"), stage(3, 0, 4, "[1]")));
  }

  @Test
  void everyImageHasAnEntryAndOneLayer() {
    String sentence = "stage 1 must have one entry per image, all with the same layer";
    assertEquals(sentence, refusal(2, stage(1, 0, 23, "[1]")));
    assertEquals(sentence, refusal(2, stage(1, 0, 23, "[1]"), stage(1, 1, 22, "[1]")));
    assertEquals(sentence, refusal(1, stage(1, 0, 23, "[1]"), stage(1, 0, 23, "[2]")));
  }

  @Test
  void whatWasDroppedDoesNotComeBack() {
    assertEquals(
        "stage 2 keeps patch 3, which is not there any more",
        refusal(1, stage(1, 0, 23, "[1,2,4]"), stage(2, 0, 3, "[1,3,4]")));
    assertEquals(
        "stage 2 keeps patch 0, which is not there any more",
        refusal(1, stage(1, 0, 23, "[1,2]"), stage(2, 0, 3, "[0]")));
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "1, -1", "1, 2"})
  void aStageOrAnImageThatIsNotThereIsRefused(int stage, int image) {
    assertEquals(
        "stage " + stage + " of image " + image + ", but the prompt has 2 image(s)",
        refusal(2, stage(stage, image, 23, "[1]")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          [] | stages[].kept must be a list of patches with at least one
          3 | stages[].kept must be a list of patches with at least one
          [1,"a"] | stages[].kept holds "a", which is not a whole number
          [1.5] | stages[].kept holds 1.5, which is not a whole number
          [-1] | stages[].kept must ascend from 0 to 7; it holds -1
          [0,8] | stages[].kept must ascend from 0 to 7; it holds 8
          [3,3] | stages[].kept must ascend from 0 to 7; it holds 3
          [3,2] | stages[].kept must ascend from 0 to 7; it holds 2
          """)
  void aListThatIsNoSetIsRefused(String kept, String sentence) {
    assertEquals(sentence, refusal(1, stage(1, 0, 23, kept)));
  }

  @Test
  void aFieldThatIsNoNumberIsNamed() {
    String whole = stage(1, 0, 23, "[1]");
    for (String field : List.of("stage", "image", "layer")) {
      assertEquals(
          "stages[]." + field + " must be a whole number",
          refusal(1, whole.replace("\"" + field + "\":", "\"" + field + "\":0.5,\"no\":")));
    }
    assertEquals(
        "stages[].crop must be a whole number",
        refusal(1, whole.replace("\"kept\"", "\"crop\":\"b\",\"kept\"")));
  }

  @Test
  void aFileWithoutStagesIsRefused() throws IOException {
    Files.writeString(trace, "{\"stages\":{}}");
    Method method = Methods.parse("replay:" + trace);
    assertEquals(
        trace + ": has no list 'stages'",
        assertThrows(InputException.class, () -> method.cuts(shape(1))).getMessage());
    assertEquals(List.of(), cuts(1));
  }

  @Test
  void everyCandidateMayStay() throws IOException {
    String all = IntStream.range(0, 8).mapToObj(i -> "" + i).collect(Collectors.joining(","));
    assertArrayEquals(
        IntStream.range(0, 8).toArray(),
        cuts(1, stage(1, 0, 23, "[" + all + "]")).getFirst().keep().getFirst());
  }
}
