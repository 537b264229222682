package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.checkpoint.QwenConfig;
import starling.checkpoint.QwenVisionConfig;
import starling.checkpoint.TextConfig;
import starling.model.Flops;
import starling.model.ImagePlan;
import starling.model.Plan;
import starling.prune.ImageTokens;

/** FLOPs and cache of the two published sizes of Qwen2.5-VL with 30 text tokens. */
class QwenFlopsTest {
  private static final String SHARE = "uniform:keep=";

  @TempDir Path dir;

  private Qwen25Vl model(String size) throws IOException {
    return Qwen25Vl.read(size.equals("3B") ? PublishedQwen.three(dir) : PublishedQwen.seven(dir));
  }

  private static double decoder(Qwen25Vl model, ImageTokens image, String spec) {
    Plan plan = ImagePlan.of(model, image, spec, 30);
    double pruned = Flops.of(model, plan, List.of(image)).pruned();
    return pruned - model.towerFlops(image) - model.projectorFlops(plan.projectedRows());
  }

  /**
   * Patches down and across, visual tokens, TFLOP of tower and merger, of the decoder with all and
   * with 1/3, 2/9 and 1/9 of the tokens, KiB of keys and values for a token.
   */
  @ParameterizedTest
  @CsvSource({
    "7B, 34, 46, 391, 2.073, 5.565, 2.098, 1.532, 0.955, 56",
    "7B, 72, 72, 1296, 7.261, 18.01, 6.115, 4.191, 2.283, 56",
    "7B, 74, 138, 2553, 15.35, 36.39, 11.81, 7.934, 4.124, 56",
    "3B, 34, 46, 391, 2.067, 2.388, 0.895, 0.653, 0.407, 36",
    "3B, 72, 72, 1296, 7.240, 7.877, 2.627, 1.794, 0.974, 36"
  })
  void anImageCosts(
      String size,
      int down,
      int across,
      int tokens,
      double tower,
      double whole,
      double third,
      double twoNinths,
      double ninth,
      double cache)
      throws IOException {
    Qwen25Vl model = model(size);
    ImageTokens image = model.tokens(down / 2, across / 2);
    assertEquals(tokens, image.rows());
    double vision = model.towerFlops(image) + model.projectorFlops(tokens);
    assertEquals(tower, vision / 1e12, 0.0005 * tower);
    // Four digits, and a share of the tokens is a whole number of them.
    assertEquals(whole, decoder(model, image, "none") / 1e12, 0.0005 * whole);
    assertEquals(third, decoder(model, image, SHARE + "0.333") / 1e12, 0.0025 * third);
    assertEquals(twoNinths, decoder(model, image, SHARE + "0.222") / 1e12, 0.0025 * twoNinths);
    assertEquals(ninth, decoder(model, image, SHARE + "0.111") / 1e12, 0.0025 * ninth);
    TextConfig text = model.text();
    assertEquals(
        cache, 2 * 2 * text.numKeyValueHeads() * text.headDim() * text.numHiddenLayers() / 1024.0);
  }

  /** What windows save: TFLOP of the 7B model's blocks if each of them saw the whole image. */
  @ParameterizedTest
  @CsvSource({"34, 46, 2.371", "72, 72, 10.93", "74, 138, 29.95"})
  void windowsSave(int down, int across, double tera) throws IOException {
    QwenConfig c = model("7B").config();
    QwenVisionConfig v = c.vision();
    // Made here, for a file that says so is refused: one image could ask for too many scores.
    var all =
        new QwenVisionConfig(
            v.hiddenSize(),
            v.intermediateSize(),
            v.depth(),
            v.numHeads(),
            v.patchSize(),
            v.spatialMergeSize(),
            v.temporalPatchSize(),
            v.windowSize(),
            IntStream.range(0, v.depth()).boxed().toList(),
            v.outHiddenSize());
    var model =
        new Qwen25Vl(
            new QwenConfig(
                all,
                c.text(),
                c.mropeSection(),
                c.imageTokenId(),
                c.dtype(),
                c.eosTokenIds(),
                c.tieWordEmbeddings(),
                c.unknownKeys()));
    ImageTokens image = model.tokens(down / 2, across / 2);
    double patches = 2.0 * down * across * 1176 * 1280;
    assertEquals(tera, (model.towerFlops(image) - patches) / 1e12, 0.0005 * tera);
  }

  /** On 3B nearly half of everything is the tower: a ninth of the tokens saves 45 percent. */
  @Test
  void halfOfTheSmallModelsWorkIsTheTowers() throws IOException {
    Qwen25Vl model = model("3B");
    ImageTokens image = model.tokens(17, 23);
    Flops dense = Flops.of(model, ImagePlan.of(model, image, "none", 30), List.of(image));
    assertEquals(0.46, dense.vision() / dense.dense(), 0.01);
    Flops few = Flops.of(model, ImagePlan.of(model, image, SHARE + "0.111", 30), List.of(image));
    assertEquals(0.45, few.reduction(), 0.01);
    assertEquals(0.83, few.vision() / few.pruned(), 0.01);
  }
}
