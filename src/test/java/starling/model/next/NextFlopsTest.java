package starling.model.next;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.checkpoint.TextConfig;
import starling.model.Flops;
import starling.model.ImageOptions;
import starling.model.ImagePlan;
import starling.model.Plan;
import starling.prune.ImageTokens;

/** FLOPs and cache of the published sizes of LLaVA-NeXT, as absolute numbers. */
class NextFlopsTest {
  private static final String LLAMA_7B =
      "{\"model_type\":\"llama\",\"vocab_size\":32064,\"max_position_embeddings\":4096}";
  private static final String LLAMA_13B =
      """
      {"model_type":"llama","vocab_size":32064,"max_position_embeddings":4096,"hidden_size":5120,
       "intermediate_size":13824,"num_hidden_layers":40,"num_attention_heads":40}
      """;
  private static final String MISTRAL_7B =
      """
      {"model_type":"mistral","vocab_size":32064,"max_position_embeddings":32768,"sliding_window":null,
       "rope_theta":1000000.0,"rms_norm_eps":1e-5}
      """;

  @TempDir Path dir;

  /**
   * @param layer {@code vision_feature_layer}: −1 runs all 24 blocks of the tower, −2 all but one
   */
  private LlavaNext model(String text, int layer) throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"model_type":"llava_next","image_token_index":32000,"vision_feature_layer":%d,
         "text_config":%s,
         "vision_config":{"hidden_size":1024,"image_size":336,"patch_size":14,
           "num_hidden_layers":24,"num_attention_heads":16,"intermediate_size":4096}}
        """
            .formatted(layer, text));
    return LlavaNext.read(dir);
  }

  /**
   * Stock tiles, 60 text tokens; height, width, TFLOP. Transformers projects the padding too, which
   * is left out before the projector here: up to 0.05 TFLOP.
   */
  @ParameterizedTest
  @CsvSource({
    "480, 640, 36.05",
    "427, 640, 33.04",
    "333, 500, 22.13",
    "1080, 1920, 30.07",
    "336, 336, 17.98",
    "672, 672, 45.33"
  })
  void anImageOfAnySizeCosts(int height, int width, double tera) throws IOException {
    LlavaNext model = model(LLAMA_7B, -2);
    ImageTokens image = model.tokens(height, width, ImageOptions.DEFAULT);
    Flops flops = Flops.of(model, ImagePlan.of(model, image, "none", 60), List.of(image));
    int padding = 576 * image.crops().size() - image.candidates();
    assertEquals(tera, (flops.dense() + model.projectorFlops(padding)) / 1e12, 0.0055);
    // Every crop is 577 rows through 23 blocks, whatever is unpadded behind them.
    double block = 8.0 * 577 * 1024 * 1024 + 4.0 * 577 * 577 * 1024 + 4.0 * 577 * 1024 * 4096;
    assertEquals(23 * block * image.crops().size(), flops.vision());
  }

  /**
   * The published budgets of 2880, five crops of 576, with all blocks of the tower, no text and, as
   * the papers count, the projector's first matrix alone.
   */
  @ParameterizedTest
  @CsvSource({
    "576, 43.58, 81.81, 46.48, 1440, 2250, 360",
    "128, 10.42, 18.49, 11.06, 320, 500, 80",
    "64, 6.11, 10.11, 6.43, 160, 250, 40",
    "32, 3.99, 5.99, 4.15, 80, 125, 20"
  })
  void thePublishedBudgetsCost(
      int crop,
      double seven,
      double thirteen,
      double mistral,
      double cacheOfSeven,
      double cacheOfThirteen,
      double cacheOfMistral)
      throws IOException {
    assertBudget(model(LLAMA_7B, -1), crop, seven, cacheOfSeven);
    assertBudget(model(LLAMA_13B, -1), crop, thirteen, cacheOfThirteen);
    assertBudget(model(MISTRAL_7B, -1), crop, mistral, cacheOfMistral);
  }

  private static void assertBudget(LlavaNext model, int crop, double tera, double mebibytes) {
    ImageOptions papers =
        ImageOptions.DEFAULT
            .anyres(ImageOptions.Anyres.TWO_BY_TWO)
            .newline(ImageOptions.Newline.DROP)
            .unpad(false);
    ImageTokens image = model.tokens(480, 640, papers);
    Plan plan = ImagePlan.of(model, image, "fastervlm:budget=crop,keep=" + crop, 0);
    assertEquals(5 * crop, plan.visualTokens()[1]);
    TextConfig text = model.text();
    double d = text.hiddenSize();
    double counted =
        Flops.of(model, plan, List.of(image)).pruned() - 2 * d * d * plan.projectedRows();
    assertEquals(tera, counted / 1e12, 0.0055);
    long row = 2L * 2 * text.numKeyValueHeads() * text.headDim() * text.numHiddenLayers();
    assertEquals(mebibytes, row * plan.cachedRows()[0] / 1048576.0);
  }

  // ---- DivPrune's table ----

  private static final int[] VISUAL = {
    2225, 1922, 2239, 1927, 2108, 1882, 2292, 2249, 2250, 1598, 2116
  };
  private static final int[] TEXT = {15, 15, 23, 83, 25, 113, 15, 39, 21, 91, 57};

  /**
   * DivPrune's means over eleven data sets: F1, {@code 4nd² + 2n²d + 2ndm}, of the decoder alone,
   * 0.098 of the visual tokens before it. TFLOP with all and with those, and the mean of ratios.
   */
  @Test
  void divPrunesMeansAreReproduced() throws IOException {
    assertDivPrune(model(LLAMA_7B, -2), new int[] {576}, 3.2280, 0.5122, 15.63);
    assertDivPrune(model(LLAMA_13B, -2), new int[] {576}, 6.2813, 1.0020, 15.71);
    assertDivPrune(model(LLAMA_7B, -2), VISUAL, 11.8489, 1.2659, 10.80);
  }

  private static void assertDivPrune(
      LlavaNext model, int[] visual, double full, double left, double percent) {
    double sumOfFull = 0;
    double sumOfLeft = 0;
    double ratios = 0;
    for (int i = 0; i < TEXT.length; i++) {
      ImageTokens image = ImageTokens.grid(1, visual[i % visual.length], 1, false);
      double all = f1(model, ImagePlan.of(model, image, "none", TEXT[i]));
      double pruned = f1(model, ImagePlan.of(model, image, "uniform:keep=0.098", TEXT[i]));
      sumOfFull += all / TEXT.length;
      sumOfLeft += pruned / TEXT.length;
      ratios += pruned / all / TEXT.length;
    }
    // Half a visual token more or less is 0.1 %.
    assertEquals(full, sumOfFull / 1e12, 0.00006);
    assertEquals(left, sumOfLeft / 1e12, 0.002 * left);
    assertEquals(percent, 100 * ratios, 0.002 * percent);
  }

  private static double f1(LlavaNext model, Plan plan) {
    double d = model.text().hiddenSize();
    double m = model.text().intermediateSize();
    return Arrays.stream(plan.tokensPerLayer())
        .mapToDouble(n -> 4 * n * d * d + 2.0 * n * n * d + 2 * n * d * m)
        .sum();
  }
}
