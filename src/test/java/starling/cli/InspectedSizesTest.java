package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.Demo;
import starling.cli.CommandLineTest.Result;
import starling.model.qwen.PublishedQwen;

/**
 * {@code inspect --image-size} of the published configurations, without weights or an image: as
 * many visual tokens as transformers makes.
 */
class InspectedSizesTest {
  @TempDir Path dir;

  private Path next() throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"model_type": "llava_next", "text_config": {"model_type": "llama", "vocab_size": 32064,
          "max_position_embeddings": 4096}, "image_token_index": 32000,
         "vision_config": {"hidden_size": 1024, "image_size": 336, "patch_size": 14,
          "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}}
        """);
    Files.writeString(
        dir.resolve("preprocessor_config.json"),
        """
        {"image_processor_type": "LlavaNextImageProcessor", "crop_size": {"height": 336, "width": 336},
         "size": {"shortest_edge": 336}, "resample": 3}
        """);
    return dir;
  }

  private static Result inspect(Path model, String... more) {
    var args = new ArrayList<>(List.of("inspect", model.toString()));
    args.addAll(Arrays.asList(more));
    return CommandLineTest.run(new byte[0], args.toArray(String[]::new));
  }

  private static int tokens(Path model, String... more) {
    var args = new ArrayList<>(Arrays.asList(more));
    args.add("--json");
    JsonNode json = inspect(model, args.toArray(String[]::new)).json();
    return json.at("/visual_tokens/input").intValue();
  }

  private static void assertSays(int status, String sentence, Result result) {
    CommandLineTest.assertRefused(status, sentence, result);
  }

  // ---- Qwen2.5-VL ----

  @ParameterizedTest
  @CsvSource({
    "336, 336, 144, 256",
    "480, 640, 391, 391",
    "427, 640, 345, 345",
    "1024, 768, 999, 999",
    "200, 1000, 252, 288",
    "333, 500, 216, 280",
    "100, 100, 16, 256",
    "1080, 1920, 2691, 1222",
    "28, 28, 4, 256",
    "20, 300, 11, 310",
    "4000, 6000, 16224, 1247",
    "70, 14, 5, 288"
  })
  void cellsAreAsManyAsInTransformers(int h, int w, int published, int evaluation)
      throws IOException {
    String size = w + "x" + h;
    Path model = PublishedQwen.three(dir);
    assertEquals(published, tokens(model, "--image-size", size));
    assertEquals(
        evaluation,
        tokens(
            model,
            "--image-size",
            size,
            "--min-image-tokens",
            "256",
            "--max-image-tokens",
            "1280"));
  }

  /** Operations and cache of 391 visual and 30 text tokens, and of one answer's text. */
  @Test
  void bothPublishedSizesAreInspectedWithoutWeights() throws IOException {
    Path three = Files.createDirectory(dir.resolve("3B"));
    Path seven = Files.createDirectory(dir.resolve("7B"));
    costs(PublishedQwen.three(three), 2.067 + 2.388, 36);
    costs(PublishedQwen.seven(seven), 2.073 + 5.565, 56);
    String text =
        inspect(seven, "--image-size", "640x480", "--prune", "star:R=0.1,K=3,P=0.9").out();
    assertTrue(text.contains("391 visual, 352 after stage 1, 39 after stage 2"), text);
    assertTrue(
        text.contains("28 layers, width 3584, 28 heads (4 for keys) of 128, MLP 18944"), text);
    assertTrue(text.contains("32 blocks, width 1280, 16 heads, patch 14"), text);
    assertTrue(text.contains("no weight files in this folder"), text);
    assertEquals(256, tokens(seven), "448x448 pixels");
    assertEquals(2 * 391, tokens(seven, "--image-size", "640x480", "--images", "2"));
  }

  private static void costs(Path model, double tera, int kib) {
    JsonNode json =
        inspect(model, "--image-size", "640x480", "--text-tokens", "30", "--json").json();
    assertEquals(tera, json.at("/flops/dense").doubleValue() / 1e12, tera * 5e-4);
    assertEquals(kib * 1024L * 421, json.at("/kv_bytes/dense").longValue());
    assertEquals(391, json.at("/visual_tokens/input").intValue());
    assertEquals(151655, json.at("/config/imageTokenId").intValue());
  }

  @Test
  void whatQwenCannotDoIsSaidInOneSentence() throws IOException {
    Path model = PublishedQwen.seven(dir);
    assertSays(
        1,
        "--anyres 672 does not apply to this model, which is Qwen2.5-VL; only LLaVA-NeXT has that"
            + " option",
        inspect(model, "--image-size", "640x480", "--anyres", "672"));
    assertSays(
        1,
        "the image: the image is 6000x28 pixels, and its longer side may be at most 200 times",
        inspect(model, "--image-size", "6000x28"));
    assertSays(
        1,
        "16385 visual tokens are asked for; an image may have at most 16384",
        inspect(model, "--image-size", "640x480", "--max-image-tokens", "16385"));
    assertSays(
        1,
        "at least 9 and at most 8 visual tokens are asked for",
        inspect(
            model, "--image-size", "9x9", "--min-image-tokens", "9", "--max-image-tokens", "8"));
    assertSays(
        1,
        "the image: the image would be 16485 visual tokens, and may be at most 16384",
        inspect(model, "--image-size", "300x200", "--min-image-tokens", "16384"));
    assertSays(
        1,
        "would choose among 16224 visual tokens of image 0; at most 4096 are compared",
        inspect(model, "--image-size", "6000x4000", "--prune", "vispruner:keep=64"));
    Files.delete(model.resolve("preprocessor_config.json"));
    assertSays(1, "preprocessor_config.json: ", inspect(model, "--image-size", "640x480"));
    assertEquals(256, tokens(model), "nobody asked");
  }

  // ---- LLaVA-NeXT ----

  @ParameterizedTest
  @CsvSource({
    "336, 336, 1176",
    "480, 640, 2340",
    "640, 480, 2352",
    "427, 640, 2144",
    "200, 1000, 1598",
    "1000, 200, 1656",
    "333, 500, 1464",
    "100, 100, 1176",
    "1080, 1920, 1948",
    "2000, 300, 1368",
    "672, 672, 2928",
    "37, 911, 722"
  })
  void rowsOfTilesAreAsManyAsInTransformers(int h, int w, int rows) throws IOException {
    assertEquals(rows, tokens(next(), "--image-size", w + "x" + h));
    String[] papers = {"--anyres", "672", "--newline", "drop", "--unpad", "off"};
    var all = new ArrayList<>(List.of("--image-size", w + "x" + h));
    all.addAll(List.of(papers));
    assertEquals(2880, tokens(dir, all.toArray(String[]::new)));
  }

  @Test
  void optionsOfTilesCount() throws IOException {
    Path model = next();
    String text = inspect(model, "--image-size", "640x480").out();
    assertTrue(text.contains("2340 visual, "), text);
    assertEquals(2304, tokens(model, "--image-size", "640x480", "--newline", "drop"));
    assertEquals(576 + 48 * 49, tokens(model, "--image-size", "640x480", "--unpad", "off"));
    assertEquals(576 + 14 * 73, tokens(model, "--image-size", "1000x200"));
    // A square fits a row of two tiles as well as a column; the list's first is taken.
    assertEquals(576 + 24 * 49, tokens(model, "--image-size", "336x336", "--unpad", "off"));
    assertEquals(
        576 + 48 * 25,
        tokens(model, "--image-size", "336x336", "--unpad", "off", "--pinpoints", "wh"));
    assertSays(
        1,
        "--max-image-tokens 64 does not apply to this model, which is LLaVA-NeXT; only Qwen2.5-VL"
            + " has that option",
        inspect(model, "--image-size", "640x480", "--max-image-tokens", "64"));
  }

  // ---- any family ----

  /** LLaVA-1.5 sees every image alike. */
  @Test
  void anImageOfLlavaIsItsTowersSize() {
    assertEquals(576, tokens(Demo.MODEL, "--image-size", "17x4000"));
    assertSays(
        1,
        "--newline drop does not apply to this model, which is LLaVA-1.5",
        inspect(Demo.MODEL, "--image-size", "640x480", "--newline", "drop"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "--image-size 0x4 | --image-size is '0x4'; it must be pixels across x pixels down, as 640x480",
        "--image-size 640 | --image-size is '640'; it must be",
        "--image-size 640x | --image-size is '640x'; it must be",
        "--image-size 640x480x3 | --image-size is '640x480x3'; it must be",
        "--image-size -1x2 | --image-size is '-1x2'; it must be",
        "--image-size 1000000x1 | --image-size is '1000000x1'; it must be",
        "--max-image-tokens 64 | --max-image-tokens needs --image-size",
        "--image-size 9x9 --max-image-tokens 0 | --max-image-tokens is 0; it must be at least 1",
        "--image-size 9x9 --min-image-tokens -3 | --min-image-tokens is -3; it must be at least 1",
        "--image-size 9x9 --min-image-tokens many | 'many'",
        "--image-size 9x9 --anyres 336 | --anyres is '336'; it must be one of stock, 672",
        "--image-size 9x9 --unpad maybe | --unpad is 'maybe'; it must be one of on, off"
      })
  void badValuesAreAQuestionOfUse(String options, String sentence) throws IOException {
    assertSays(2, sentence, inspect(PublishedQwen.three(dir), options.split(" ", -1)));
  }
}
