package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.cli.CommandLineTest.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.cli.CommandLineTest.Result;
import starling.model.next.PublishedNext;

/**
 * The published LLaVA-NeXT models as {@code inspect} counts them, from their configurations alone.
 */
class NextInspectTest {
  @TempDir private Path dir;

  @BeforeEach
  void sevenBillion() throws IOException {
    PublishedNext.vicunaSeven(dir);
  }

  private Result inspect(String... more) {
    var args = new ArrayList<>(List.of("inspect", dir.toString()));
    args.addAll(Arrays.asList(more));
    return CommandLineTest.run(new byte[0], args.toArray(String[]::new));
  }

  private JsonNode report(String size, String options, String spec) {
    var args = new ArrayList<>(List.of("--image-size", size, "--prune", spec, "--json"));
    for (String option : options.isEmpty() ? new String[0] : options.split(" ")) {
      int equals = option.indexOf('=');
      args.addAll(List.of("--" + option.substring(0, equals), option.substring(equals + 1)));
    }
    return inspect(args.toArray(String[]::new)).json();
  }

  private static List<Integer> counts(JsonNode report) {
    JsonNode tokens = report.get("visual_tokens");
    return List.of(
        tokens.get("input").intValue(),
        tokens.get("after_stage1").intValue(),
        tokens.get("after_stage2").intValue());
  }

  // ---- configurations ----

  @Test
  void everyPublishedConfigurationIsCountedWithoutWeights() throws IOException {
    String tower =
        "23 of 24 blocks run, width 1024, 16 heads, the image and its tiles of 336x336 pixels,"
            + " patch 14: 576 patches each";
    String seven = "32 layers, width 4096, 32 heads (32 for keys) of 128, MLP 11008";
    assertSays(tower, seven, "vocabulary 32064, context 4096", "no weight files in this folder");
    PublishedNext.vicunaThirteen(dir);
    assertSays(tower, "40 layers, width 5120, 40 heads (40 for keys) of 128, MLP 13824");
    PublishedNext.mistralSeven(dir);
    assertSays(tower, "32 layers, width 4096, 32 heads (8 for keys) of 128, MLP 14336");
    assertSays("vocabulary 32064, context 32768");
  }

  private void assertSays(String... parts) {
    String text = inspect().out();
    for (String part : parts) {
      assertTrue(text.contains(part), part + " is not in " + text);
    }
  }

  /**
   * Text of 60 tokens; tower, projector and the decoder's formula, in 10^12 operations: as counted
   * where every patch goes through the projector, less those of the border, which do not here.
   */
  @ParameterizedTest
  @CsvSource({
    "640x480,36.05,576",
    "640x427,33.04,768",
    "500x333,22.13,288",
    "1920x1080,30.07,960",
    "336x336,17.98,576",
    "672x672,45.33,0"
  })
  void operationsAreThoseOfTheFormula(String size, double tera, int border) {
    JsonNode report = inspect("--image-size", size, "--text-tokens", "60", "--json").json();
    double projector = 2.0 * border * (1024 * 4096 + 4096 * 4096);
    double all = report.at("/flops/dense").doubleValue() + projector;
    assertEquals(tera, all / 1e12, 0.005);
  }

  @Test
  void keysAndValuesOfTheWholeImageAreThePublishedBytes() throws IOException {
    String options = "anyres=672 newline=drop unpad=off";
    assertEquals(1440, mebibytes(options));
    PublishedNext.vicunaThirteen(dir);
    assertEquals(2250, mebibytes(options));
    PublishedNext.mistralSeven(dir);
    assertEquals(360, mebibytes(options));
  }

  /** Of 2880 visual tokens, without the text's. */
  private double mebibytes(String options) {
    JsonNode report = report("640x480", options, "none");
    int rows = report.at("/tokens_per_layer/0").intValue();
    return report.at("/kv_bytes/dense").doubleValue() * 2880 / rows / (1 << 20);
  }

  // ---- published tables ----

  /** The paper's code, its settings as options, and its counts. */
  @ParameterizedTest
  @CsvSource({
    // VisPruner and CDPruner: five crops of every image, T of each.
    "640x480,anyres=672 newline=drop unpad=off,none,2880,2880,2880",
    "1000x200,anyres=672 newline=drop unpad=off,none,2880,2880,2880",
    "640x480,anyres=672 newline=drop unpad=off,'vispruner:keep=29,budget=crop',2880,145,145",
    "640x480,anyres=672 newline=drop unpad=off,'vispruner:keep=32,budget=crop',2880,160,160",
    "640x480,anyres=672 newline=drop unpad=off,'vispruner:keep=58,budget=crop',2880,290,290",
    "336x336,anyres=672 newline=drop unpad=off,'vispruner:keep=64,budget=crop',2880,320,320",
    "336x336,anyres=672 newline=drop unpad=off,'vispruner:keep=128,budget=crop',2880,640,640",
    "200x1000,anyres=672 newline=drop unpad=off,'vispruner:keep=144,budget=crop',2880,720,720",
    // FasterVLM: the checkpoint's sizes, T of each of 3 to 5 crops.
    "336x336,newline=drop unpad=off,'fastervlm:keep=58,budget=crop',1728,174,174",
    "1000x200,newline=drop unpad=off,'fastervlm:keep=58,budget=crop',2304,232,232",
    "640x480,newline=drop unpad=off,'fastervlm:keep=58,budget=crop',2880,290,290",
    // VisionZip, counts alone: dominant and contextual tokens of each crop.
    "640x480,newline=drop unpad=off,'fastervlm:keep=128,budget=crop',2880,640,640",
    "640x480,newline=drop unpad=off,'fastervlm:keep=64,budget=crop',2880,320,320",
    "640x480,newline=drop unpad=off,'fastervlm:keep=32,budget=crop',2880,160,160",
    // HiRED, counts alone: one budget for the unpadded image without newlines.
    "640x480,newline=drop,none,2304,2304,2304",
    "640x480,newline=drop,fastervlm:keep=576,2304,576,576",
    // FastV and SparseVLM: one budget over all rows, newlines among them.
    "640x480,newline=compete,'fastv:K=2,keep=0.5',2340,2340,1170",
    "640x427,newline=compete,'fastv:K=3,keep=640',2144,2144,640",
    // LightCompress: VisPruner and FasterVLM for each crop, and all 36 newlines.
    "640x480,'','vispruner:keep=29,budget=crop',2340,181,181",
    "640x480,newline=keep unpad=on,'fastervlm:keep=58,budget=crop',2340,326,326"
  })
  void aPublishedTableIsACombinationOfOptions(
      String size, String options, String spec, int input, int afterStage1, int afterStage2) {
    JsonNode report = report(size, options, spec);
    assertEquals(List.of(input, afterStage1, afterStage2), counts(report));
    int text = report.get("text_tokens").intValue();
    assertEquals(afterStage1 + text, report.at("/tokens_per_layer/0").intValue());
    assertEquals(afterStage2 + text, report.at("/tokens_per_layer/31").intValue());
  }

  // ---- options ----

  @Test
  void optionsAreNamedInTheReport() {
    String all = "anyres=672 newline=compete unpad=off pinpoints=wh";
    JsonNode report = report("640x480", all, "fastv:K=2,keep=100");
    assertEquals(all.replace(' ', ','), report.get("image_options").textValue());
    assertEquals("640x480", report.get("image_size").textValue());
    JsonNode plain = inspect("--json").json();
    assertFalse(plain.has("image_options") || plain.has("image_size"), plain.toString());
    String text = inspect("--image-size", "640x480", "--newline", "drop").out();
    assertTrue(text.contains("images     1 of 640x480 pixels; newline=drop\n"), text);
    assertFalse(inspect().out().contains("images "), "nothing was said");
  }

  @Test
  void newlinesThatCompeteAreNoChoiceBeforeTheDecoder() {
    Result refused =
        inspect("--image-size", "640x480", "--newline", "compete", "--prune", "fastervlm:keep=64");
    assertRefused(1, "fastervlm:keep=64: a cut before the decoder", refused);
    Result crop =
        inspect(
            "--image-size",
            "640x480",
            "--newline",
            "compete",
            "--prune",
            "fastv:K=2,keep=64,budget=crop");
    assertRefused(1, "newline rows belong to no crop", crop);
    assertRefused(
        2,
        "--newline is 'stay'; it must be one of keep, drop, compete",
        inspect("--image-size", "640x480", "--newline", "stay"));
  }

  /** Nothing that the tower makes is spared by newlines, which are made without it. */
  @Test
  void newlinesCostInTheDecoderAlone() {
    double keep = operations("keep");
    assertEquals(keep, operations("compete"), 0);
    double d = 4096;
    double n = 2340 + 40;
    double fewer = 2304 + 40;
    double decoder = 32 * (8 * d * d * 36 + 4 * d * (n * n - fewer * fewer) + 6 * d * 11008 * 36);
    assertEquals(decoder, keep - operations("drop"), 1e-6 * keep);
  }

  private double operations(String newline) {
    JsonNode flops = report("640x480", "newline=" + newline, "none").get("flops");
    assertEquals(0, flops.get("reduction").doubleValue(), "nothing is dropped");
    return flops.get("dense").doubleValue();
  }
}
