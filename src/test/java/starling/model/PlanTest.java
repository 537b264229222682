package starling.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.checkpoint.ClipConfig;
import starling.checkpoint.LlavaConfig;
import starling.checkpoint.TextConfig;
import starling.device.DType;
import starling.device.PositionRule;
import starling.device.Sampling;
import starling.device.Span;
import starling.input.InputException;
import starling.model.llava.Llava;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Selection;
import starling.prune.VlmShape;
import starling.text.Template;

/**
 * Counts and FLOPs as absolute figures: the published ones where there are any, else worked out by
 * hand. The models are named by their shapes; no weights are needed.
 */
class PlanTest {
  private static final int IMAGE = 32000;

  /** LLaVA-1.5-7B's shapes; the tower runs {@code blocks} blocks. */
  private static Llava seven(int blocks, boolean cls, int context) {
    return new Llava(
        new LlavaConfig(
            new ClipConfig(1024, 4096, blocks, 16, 336, 14, "quick_gelu", 1e-5f),
            new TextConfig(
                4096, 11008, 32, 32, 32, 128, 1e-5f, 10000, context, 32064, false, false),
            IMAGE,
            blocks,
            cls,
            true,
            "float16",
            List.of(2),
            false,
            List.of()));
  }

  private static Plan plan(
      Llava config, Method method, Mode mode, int images, int text, int maxTokens) {
    int[] ids = new int[images + text];
    Arrays.fill(ids, 0, images, IMAGE);
    Arrays.fill(ids, images, ids.length, 1);
    var request =
        new Request(
            ids,
            Collections.nCopies(images, new ImageInput(config.typicalImage(), List.of())),
            method,
            mode,
            Sampling.GREEDY,
            maxTokens,
            (phase, done, of) -> {});
    return Plan.of(config, request);
  }

  private static Plan plan(Llava config, String spec, int images, int text) {
    return plan(config, Methods.parse(spec), Mode.COMPACT, images, text, 1);
  }

  // ---- FLOPs ----

  /**
   * The efficiency table of FasterVLM and VisPruner: LLaVA-NeXT-7B with five crops of 576, all 24
   * blocks of the tower counted, no text. It counts the projector's first matrix alone; F3 counts
   * both.
   */
  @ParameterizedTest
  @CsvSource({
    "none, 43.58",
    "fastervlm:keep=432, 32.35",
    "fastervlm:keep=288, 21.66",
    "fastervlm:keep=144, 11.51",
    "fastervlm:keep=58, 5.71",
    "fastervlm:keep=29, 3.80",
    "'fastv:K=2,keep=432', 33.05",
    "'fastv:K=2,keep=288', 23.04",
    "'fastv:K=2,keep=144', 13.53",
    "'fastv:K=2,keep=58', 8.10",
    "'fastv:K=2,keep=29', 6.30",
  })
  void flopsAreThoseOfThePublishedTable(String spec, double published) {
    Llava config = seven(24, false, 4096);
    Plan plan = plan(config, spec, 5, 0);
    Flops flops = Flops.of(config, plan, Collections.nCopies(5, config.typicalImage()));
    double secondMatrix = 2.0 * 4096 * 4096;
    // The table has two digits behind the point.
    assertEquals(published, (flops.pruned() - secondMatrix * plan.projectedRows()) / 1e12, 0.005);
    assertEquals(43.58, (flops.dense() - secondMatrix * 2880) / 1e12, 0.005);
  }

  /** LLaVA-1.5-7B reading 576 visual tokens and nothing else: the 7.63 TFLOPs of the papers. */
  @Test
  void flopsOfOneImageAreTowerAndProjectorAndDecoder() {
    Llava config = seven(23, false, 4096);
    Flops flops = Flops.of(config, plan(config, "none", 1, 0), List.of(config.typicalImage()));
    double block = 8.0 * 577 * 1024 * 1024 + 4.0 * 577 * 577 * 1024 + 4.0 * 577 * 1024 * 4096;
    double projector = 2.0 * 576 * (1024 * 4096 + 4096 * 4096);
    assertEquals(15.884e9, block, 1e6);
    assertEquals(7.634e12, flops.dense() - 23 * block - projector, 5e8);
    assertEquals(flops.dense(), flops.pruned());
    assertEquals(0, flops.reduction());
  }

  /** The author's "95 % of the tokens, 58 % of the FLOPs", and the other rows: decoder alone. */
  @ParameterizedTest
  @CsvSource({"0.5, 33.1, 28.5", "0.8, 49.8, 45.3", "0.9, 55.3, 50.7", "0.95, 58.0, 53.5"})
  void starSavesThePublishedShare(double p, double both, double second) {
    // Published with two matrices in the MLP; with three it differs by up to 0.2 points.
    assertEquals(both, decoderReduction("star:R=0.1,K=14,queries=last,P=" + p), 0.2);
    assertEquals(second, decoderReduction("star:R=0,K=14,queries=last,P=" + p), 0.2);
  }

  /** VisPruner's, FasterVLM's and CDPruner's rows for LLaVA-1.5-7B, decoder alone. */
  @ParameterizedTest
  @CsvSource({"192, 67.2", "128, 78.2", "64, 89.1", "32, 94.6", "29, 95.1"})
  void droppingBeforeTheDecoderSavesThePublishedShare(int keep, double percent) {
    assertEquals(percent, decoderReduction("fastervlm:keep=" + keep), 0.05);
  }

  private static double decoderReduction(String spec) {
    Llava config = seven(23, false, 4096);
    Plan plan = plan(config, spec, 1, 0);
    Flops flops = Flops.of(config, plan, List.of(config.typicalImage()));
    double tower =
        23 * (8.0 * 577 * 1024 * 1024 + 4.0 * 577 * 577 * 1024 + 4.0 * 577 * 1024 * 4096);
    double row = 2.0 * (1024 * 4096 + 4096 * 4096);
    double dense = flops.dense() - tower - row * 576;
    return 100 * (1 - (flops.pruned() - tower - row * plan.projectedRows()) / dense);
  }

  /** Fewer heads for keys and values than for queries, and a head that is not width over heads. */
  @Test
  void flopsCountKeysAndQueriesAtTheirOwnWidth() {
    Llava config =
        new Llava(
            new LlavaConfig(
                new ClipConfig(6, 10, 2, 2, 28, 14, "gelu", 1e-5f),
                new TextConfig(8, 12, 3, 4, 2, 6, 1e-5f, 10000, 64, 40, false, false),
                39,
                2,
                false,
                true,
                "float32",
                List.of(2),
                false,
                List.of()));
    int[] ids = {39, 1};
    var request =
        new Request(
            ids,
            List.of(new ImageInput(config.typicalImage(), List.of())),
            Methods.parse("none"),
            Mode.COMPACT,
            Sampling.GREEDY,
            1,
            (p, d, o) -> {});
    double dense =
        Flops.of(config, Plan.of(config, request), List.of(config.typicalImage())).dense();
    // Five rows; queries 24 wide, keys 12: q and o, k and v, scores and values, three MLP matrices.
    long layer = 2 * 5 * 8 * 24 * 2 + 2 * 5 * 8 * 12 * 2 + 2 * 5 * 5 * 24 * 2 + 2 * 5 * 8 * 12 * 3;
    long block = 2 * 5 * 6 * 6 * 4 + 2 * 5 * 5 * 6 * 2 + 2 * 5 * 6 * 10 * 2;
    long projector = 2 * 4 * (6 * 8 + 8 * 8);
    assertEquals((double) (3 * layer + 2 * block + projector), dense);
  }

  // ---- tokens ----

  @Test
  void everyLayerIsCounted() {
    Plan plan = plan(seven(23, false, 4096), "star:R=0.1,K=14,P=0.95", 1, 60);
    int[] expected = new int[32];
    Arrays.fill(expected, 0, 14, 578);
    Arrays.fill(expected, 14, 32, 89);
    assertArrayEquals(expected, plan.tokensPerLayer());
    assertArrayEquals(new int[] {576, 518, 29}, plan.visualTokens());
    assertEquals(636, plan.denseTokens());
    assertEquals(242.9375, plan.visualTokensPerLayer(), "(14 · 518 + 18 · 29) / 32");
    assertEquals(518, plan.projectedRows());
    // Survivors keep their positions, so the first token follows the length before the second cut.
    int[] next = new int[32];
    Arrays.fill(next, 578);
    assertArrayEquals(next, plan.nextPosition());
  }

  @Test
  void renumberingBehindTheCutChangesTheNextPositionThere() {
    Plan plan = plan(seven(23, false, 4096), "star:R=0.1,K=14,P=0.95,positions=compact", 1, 60);
    assertEquals(578, plan.nextPosition()[13]);
    assertEquals(89, plan.nextPosition()[14]);
  }

  /** Three cuts in the decoder and one before: each stage's number is that of its own cut. */
  private record Staged(CutSite where, int layer, int count) implements CutPoint {
    @Override
    public int kept(int group) {
      return count;
    }

    @Override
    public PositionRule positions() {
      return PositionRule.KEEP;
    }

    @Override
    public void select(CutContext context, Selection out) {
      throw new AssertionError("a plan runs nothing");
    }
  }

  private static Method staged(Staged... cuts) {
    return new Method() {
      @Override
      public String spec(VlmShape shape) {
        return "staged";
      }

      @Override
      public List<CutPoint> cuts(VlmShape shape) {
        return List.of(cuts);
      }
    };
  }

  @Test
  void afterStage2IsTheFirstCutInTheDecoderNotTheLast() {
    Llava config = seven(23, false, 4096);
    var eight = new Staged(CutSite.DECODER, 8, 288);
    var sixteen = new Staged(CutSite.DECODER, 16, 144);
    var last = new Staged(CutSite.DECODER, 24, 72);
    Plan plan = plan(config, staged(eight, sixteen, last), Mode.COMPACT, 1, 60, 1);
    assertArrayEquals(new int[] {576, 576, 288}, plan.visualTokens());
    int[] tokens = plan.tokensPerLayer();
    assertArrayEquals(
        new int[] {636, 636, 348, 348, 204, 204, 132, 132},
        new int[] {
          tokens[0],
          tokens[7],
          tokens[8],
          tokens[15],
          tokens[16],
          tokens[23],
          tokens[24],
          tokens[31]
        });
    assertEquals(270, plan.visualTokensPerLayer(), "PyramidDrop's published average");

    var before = new Staged(CutSite.PROJECTOR_INPUT, 23, 400);
    Plan four = plan(config, staged(before, eight, sixteen, last), Mode.COMPACT, 1, 60, 1);
    assertArrayEquals(new int[] {576, 400, 288}, four.visualTokens());
    assertEquals(400, four.projectedRows());

    Plan without = plan(config, staged(before), Mode.COMPACT, 1, 60, 1);
    assertArrayEquals(new int[] {576, 400, 400}, without.visualTokens());
  }

  @Test
  void imagesAddUpAndClsIsCountedWhereItGoesAlong() {
    Plan two = plan(seven(23, false, 4096), "star:R=0.1,K=14,P=0.95", 2, 60);
    assertArrayEquals(new int[] {1152, 1036, 58}, two.visualTokens());
    assertEquals(1036, two.projectedRows());
    Plan full = plan(seven(23, true, 4096), "star:R=0.1,K=14,P=0.95", 2, 60);
    assertArrayEquals(new int[] {1154, 1038, 60}, full.visualTokens());
    assertEquals(1038, full.projectedRows());
    assertEquals(1154 + 60, full.denseTokens());
    assertEquals(1038 + 60, full.tokensPerLayer()[0]);
  }

  @Test
  void aMaskMovesNothingButCountsWhatIsLeft() {
    Llava config = seven(23, false, 4096);
    Method star = Methods.parse("star:R=0.1,K=14,P=0.95");
    Plan plan = plan(config, star, Mode.MASK, 1, 60, 1);
    int[] all = new int[32];
    Arrays.fill(all, 636);
    assertArrayEquals(all, plan.tokensPerLayer());
    assertArrayEquals(new int[] {576, 518, 29}, plan.visualTokens());
    assertEquals(576, plan.projectedRows());
    assertEquals(578, plan.nextPosition()[0]);
  }

  // ---- the end of the context ----

  /**
   * The token drawn last is not fed back, so a prompt of n rows leaves {@code context − n + 1}
   * tokens; a prompt that fills the context leaves one.
   */
  @ParameterizedTest
  @CsvSource({"60, 637, 2", "60, 636, 1", "59, 636, 2", "60, 700, 65", "60, 4096, 3461"})
  void tokensGoAsFarAsTheContextReaches(int text, int context, int room) {
    Method none = Methods.parse("none");
    Llava config = seven(23, false, context);
    Plan unbounded = plan(config, none, Mode.COMPACT, 1, text, Integer.MAX_VALUE);
    assertEquals(room, unbounded.tokenBudget());
    assertEquals(context, unbounded.capacity(0), "the cache reaches to the context's end");
    assertEquals(room, plan(config, none, Mode.COMPACT, 1, text, room).tokenBudget());
    if (room > 1) {
      Plan asked = plan(config, none, Mode.COMPACT, 1, text, room - 1);
      assertEquals(room - 1, asked.tokenBudget());
      assertEquals(context - 1, asked.capacity(31));
    }
    assertEquals(1, plan(config, none, Mode.COMPACT, 1, text, 1).tokenBudget());
  }

  @Test
  void aPromptBeyondTheContextIsRefusedWithBothNumbers() {
    Method none = Methods.parse("none");
    Llava config = seven(23, false, 635);
    String message =
        assertThrows(InputException.class, () -> plan(config, none, Mode.COMPACT, 1, 60, 1))
            .getMessage();
    assertTrue(message.contains("636 tokens") && message.endsWith("is 635"), message);
    // What stage 1 leaves fits; what it hides in mask mode does not.
    Method half = Methods.parse("star:R=0.5,P=0");
    assertEquals(635 - 348 + 1, plan(config, half, Mode.COMPACT, 1, 60, 9999).tokenBudget());
    assertThrows(InputException.class, () -> plan(config, half, Mode.MASK, 1, 60, 1));
    // Stage 2 comes too late for that: all rows enter the first layers.
    Method second = Methods.parse("star:R=0,K=14,P=0.95");
    assertThrows(InputException.class, () -> plan(config, second, Mode.COMPACT, 1, 60, 1));
    Llava enough = seven(23, false, 640);
    Plan plan = plan(enough, second, Mode.COMPACT, 1, 60, 9999);
    assertEquals(5, plan.tokenBudget());
    assertEquals(640, plan.capacity(0));
    assertEquals(60 + 29 + 4, plan.capacity(31));
  }

  // ---- the memory of a question ----

  private static void footprint(Mode mode, long weights) {
    Llava config = seven(23, false, 4096);
    int[] ids = new int[61];
    Arrays.fill(ids, 1);
    ids[0] = IMAGE;
    var request =
        new Request(
            ids,
            List.of(new ImageInput(config.typicalImage(), List.of())),
            Methods.parse("fastv:K=2,keep=76"),
            mode,
            Sampling.GREEDY,
            1001,
            (phase, done, of) -> {});
    Footprint.check(config, Planner.of(config, request), DType.F16, weights);
  }

  /** 636 rows enter, 136 go on behind layer 2; eight times the weights are allowed. */
  @Test
  void aQuestionTakesRowsCachesAndTheTowerAndMayTakeEightTimesTheWeights() {
    long row = 4096 + 3 * 4096 + 2 * 4096 + 11008;
    long cached = 2 * 4096 * (2 * (636 + 1000) + 30 * (136 + 1000));
    long tower = 2 * 3 * 336 * 336 + (5 * 1024 + 4096 + 4096) * 577;
    long bytes = 2 * (row * 636 + cached + tower);
    assertEquals(0, bytes % 8);
    footprint(Mode.COMPACT, bytes / 8);
    assertEquals(
        "the question would take 0.7 GB of keys, values and activations beside the decoder's 0.084"
            + " GB of weights; ask for fewer tokens or use a checkpoint whose config.json has sane"
            + " sizes",
        assertThrows(InputException.class, () -> footprint(Mode.COMPACT, bytes / 8 - 1))
            .getMessage());
  }

  /** A prompt without an image, of few rows, is answered however small the weights are. */
  @Test
  void halfAGigabyteIsAllowedToEveryQuestion() {
    Llava config = seven(23, false, 4096);
    for (int tokens : new int[] {900, 1100}) {
      var request =
          new Request(
              new int[] {1},
              List.of(),
              Methods.parse("none"),
              Mode.COMPACT,
              Sampling.GREEDY,
              tokens,
              (phase, done, of) -> {});
      Planner planner = Planner.of(config, request);
      // 2 · 32 · 4096 numbers of 2 bytes for each token, 512 KiB: 1024 of them are 512 MiB.
      if (tokens == 900) {
        Footprint.check(config, planner, DType.F16, 0);
      } else {
        assertThrows(
            InputException.class, () -> Footprint.check(config, planner, DType.F16, 1 << 20));
      }
    }
  }

  // ---- the family ----

  @Test
  void theFamilySaysWhatTheCheckpointSays() {
    Llava config = seven(23, true, 4096);
    assertEquals("float16", config.dtype());
    assertEquals(List.of(2), config.endTokens());
    assertEquals(List.of(), config.unknownKeys());
    assertEquals(Template.LLAVA_HF, config.template());
    String tower =
        "23 of 23 blocks run, width 1024, 16 heads, 336x336 pixels, patch 14: 576 visual";
    assertEquals(tower + " tokens and CLS", config.tower());
    assertEquals(tower + " tokens", seven(23, false, 4096).tower());
  }

  // ---- layouts and stages ----

  @Test
  void textStandsBetweenTheImagesItWasWrittenBetween() {
    Layout layout = Layout.of(new int[] {9, 1, 2, 9, 9, 3}, 9, new int[] {4, 5, 6});
    assertEquals(List.of(new Span(0, 4), new Span(6, 11), new Span(11, 17)), layout.images());
    assertEquals(
        List.of(new Layout.Text(1, new Span(4, 6)), new Layout.Text(5, new Span(17, 18))),
        layout.texts());
    assertEquals(18, layout.rows());
    assertEquals(new Span(17, 18), layout.lastText());
    Layout cut = layout.cut(new int[] {1, 5, 2});
    assertEquals(List.of(new Span(0, 1), new Span(3, 8), new Span(8, 10)), cut.images());
    assertEquals(11, cut.rows());
    Layout text = Layout.of(new int[] {1, 2}, 9, new int[0]);
    assertEquals(List.of(new Layout.Text(0, new Span(0, 2))), text.texts());
    assertEquals(new Span(0, 2), text.lastText());
  }

  @Test
  void stagesAreNumberedByTheirPlace() {
    Llava config = seven(23, false, 4096);
    var vision = new Staged(CutSite.VISION, 23, 400);
    var input = new Staged(CutSite.PROJECTOR_INPUT, 0, 300);
    var eight = new Staged(CutSite.DECODER, 8, 200);
    var sixteen = new Staged(CutSite.DECODER, 16, 100);
    Method method = staged(vision, input, eight, sixteen);
    Plan plan = plan(config, method, Mode.COMPACT, 1, 60, 1);
    assertEquals(300, plan.projectedRows());
    var request =
        new Request(
            new int[] {IMAGE, 1},
            List.of(new ImageInput(config.typicalImage(), List.of())),
            method,
            Mode.COMPACT,
            Sampling.GREEDY,
            1,
            (phase, done, of) -> {});
    Planner planner = Planner.of(config, request);
    assertEquals(1, planner.stageNumber(vision));
    assertEquals(1, planner.stageNumber(input));
    assertEquals(2, planner.stageNumber(eight));
    assertEquals(3, planner.stageNumber(sixteen));
    assertEquals(List.of(input), planner.cutsAt(CutSite.PROJECTOR_INPUT));
    assertEquals(sixteen, planner.cutBehind(16));
    assertEquals(32, planner.known(0), "nothing is counted on the device");
  }

  /** The end of a long answer is a position too, and so is a row that is dropped. */
  @Test
  void positionsReachToTheEndOfTheAnswer() {
    Llava config = seven(23, false, 4096);
    Method star = Methods.parse("star:R=0.1,K=14,P=0.95");
    assertEquals(578, plan(config, star, Mode.COMPACT, 1, 60, 1).positions());
    assertEquals(578 + 99, plan(config, star, Mode.COMPACT, 1, 60, 100).positions());
    assertEquals(636, plan(config, star, Mode.MASK, 1, 60, 1).positions());
  }

  @Test
  void imagesBeyondAllMeasureAreRefused() {
    Llava config = seven(23, false, 4096);
    int images = (1 << 24) / 577 + 1;
    String message =
        assertThrows(InputException.class, () -> plan(config, "none", images, 0)).getMessage();
    assertEquals(images + " images are more than 16777216 tokens, before any are dropped", message);
  }
}
