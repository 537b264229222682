package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.input.InputException;
import starling.model.next.PublishedNext;

/** What {@code config.json} of a LLaVA-NeXT checkpoint says, and leaves to its class. */
class LlavaNextConfigTest {
  private static final String VISION =
      "{\"hidden_size\":1024,\"image_size\":336,\"patch_size\":14,\"num_hidden_layers\":24,"
          + "\"num_attention_heads\":16,\"intermediate_size\":4096}";

  @TempDir private Path dir;

  private LlavaNextConfig read(String top, String text) throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        "{\"model_type\":\"llava_next\""
            + top
            + ",\"text_config\":"
            + text
            + ",\"vision_config\":"
            + VISION
            + "}");
    return LlavaNextConfig.read(dir);
  }

  private String refusal(String top, String text) {
    return assertThrows(InputException.class, () -> read(top, text)).getMessage();
  }

  @Test
  void thePublishedFilesSayNothingUnknown() throws IOException {
    LlavaNextConfig vicuna = LlavaNextConfig.read(PublishedNext.vicunaSeven(dir));
    assertFalse(vicuna.mistral());
    assertEquals(List.of(), vicuna.llava().unknownKeys());
    assertEquals(10000, vicuna.llava().text().ropeTheta());
    assertEquals(1e-5f, vicuna.llava().text().rmsNormEps());
    assertEquals(32000, vicuna.llava().imageTokenIndex());
    assertEquals(23, vicuna.llava().visionBlocks());
    LlavaNextConfig mistral = LlavaNextConfig.read(PublishedNext.mistralSeven(dir));
    assertTrue(mistral.mistral());
    assertEquals(List.of(), mistral.llava().unknownKeys());
    assertEquals(1e6, mistral.llava().text().ropeTheta());
    assertEquals(8, mistral.llava().text().numKeyValueHeads());
    assertFalse(mistral.llava().text().attentionBias());
  }

  @Test
  void whatAMistralLeavesOutIsItsClasss() throws IOException {
    TextConfig mistral =
        read("", "{\"model_type\":\"mistral\",\"sliding_window\":null,\"head_dim\":null}")
            .llava()
            .text();
    assertEquals(
        List.of(8, 14336, 32, 128),
        List.of(
            mistral.numKeyValueHeads(),
            mistral.intermediateSize(),
            mistral.numHiddenLayers(),
            mistral.headDim()));
    assertEquals(1e-6f, mistral.rmsNormEps());
    TextConfig llama = read("", "{\"model_type\":\"llama\"}").llava().text();
    assertEquals(
        List.of(32, 11008, 32, 128),
        List.of(
            llama.numKeyValueHeads(),
            llama.intermediateSize(),
            llama.numHiddenLayers(),
            llama.headDim()));
    assertFalse(read("", "{\"vocab_size\":32064}").mistral(), "a Llama unless named");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"model_type\":\"mistral\"} | sliding_window is missing, which means 4096",
        "{\"model_type\":\"mistral\",\"sliding_window\":4096} | sliding_window is 4096",
        "{\"model_type\":\"qwen2\"} | model_type is",
        "{\"model_type\":\"llama\",\"hidden_act\":\"gelu\"} | hidden_act is"
      })
  void anotherDecoderIsRefused(String text, String sentence) {
    String message = refusal("", text);
    assertTrue(message.contains("text_config") && message.contains(sentence), message);
  }

  @Test
  void newerLayoutsOfTheDecoderSayTheSame() throws IOException {
    TextConfig older = read("", "{\"rope_theta\":500000.0,\"rope_scaling\":null}").llava().text();
    LlavaNextConfig newer =
        read(
            ",\"dtype\":\"bfloat16\"",
            "{\"rope_parameters\":{\"rope_theta\":500000.0,\"rope_type\":\"default\"},"
                + "\"layer_types\":[\"full_attention\",\"full_attention\"]}");
    assertEquals(older, newer.llava().text());
    assertEquals("bfloat16", newer.llava().dtype());
    assertEquals(List.of(), newer.llava().unknownKeys());
  }

  // ---- sizes ----

  @Test
  void sizesKeepTheirOrder() throws IOException {
    List<List<Integer>> published =
        List.of(
            List.of(336, 672),
            List.of(672, 336),
            List.of(672, 672),
            List.of(1008, 336),
            List.of(336, 1008));
    assertEquals(published, read("", "{}").imageGridPinpoints());
    assertEquals(
        published, LlavaNextConfig.read(PublishedNext.vicunaSeven(dir)).imageGridPinpoints());
    assertEquals(
        List.of(List.of(1008, 336), List.of(336, 672)),
        read(",\"image_grid_pinpoints\":[[1008,336],[336,672]]", "{}").imageGridPinpoints());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[[336]] | holds [336]; a height and a width are needed",
        "[[336,672,336]] | a height and a width are needed",
        "[[336,\"672\"]] | a height and a width are needed",
        "[[336,672.0]] | a height and a width are needed",
        "[336,672] | a height and a width are needed",
        "[] | a list of 1 to 64 sizes is needed",
        "\"336\" | a list of 1 to 64 sizes is needed",
        "null | a list of 1 to 64 sizes is needed",
        "[[336,350]] | holds 350, which is no multiple of vision_config image_size 336",
        "[[0,336]] | holds 0, which is no multiple",
        "[[-336,336]] | holds -336, which is no multiple",
        "[[336,33600000]] | holds 33600000, which is no multiple",
        "[[3024,3024]] | holds [3024, 3024], more than 64 tiles"
      })
  void sizesThatAreNoTilesAreRefused(String list, String sentence) {
    String message = refusal(",\"image_grid_pinpoints\":" + list, "{}");
    assertTrue(message.contains(sentence), message);
    assertTrue(message.contains("config.json: image_grid_pinpoints"), message);
  }

  @Test
  void manyTilesAreAllowedToTheLast() throws IOException {
    assertEquals(
        List.of(List.of(2688, 2688)),
        read(",\"image_grid_pinpoints\":[[2688,2688]]", "{}").imageGridPinpoints());
    String many = "[336,672],".repeat(64);
    assertEquals(
        64,
        read(",\"image_grid_pinpoints\":[" + many.substring(0, many.length() - 1) + "]", "{}")
            .imageGridPinpoints()
            .size());
    String message = refusal(",\"image_grid_pinpoints\":[" + many + "[336,672]]", "{}");
    assertTrue(message.contains("a list of 1 to 64 sizes is needed"), message);
  }

  /** The longest side, and one tile more; both are of fewer tiles than are allowed. */
  @Test
  void aSideIsAsLongAsAnImageMayBe() throws IOException {
    String config =
        "{\"model_type\":\"llava_next\",\"text_config\":{},\"vision_config\":"
            + VISION.replace("336", "2048").replace(":14", ":128")
            + ",\"image_grid_pinpoints\":[[2048,%d]]}";
    Path file = dir.resolve("config.json");
    Files.writeString(file, config.formatted(65_536));
    assertEquals(List.of(List.of(2048, 65_536)), LlavaNextConfig.read(dir).imageGridPinpoints());
    Files.writeString(file, config.formatted(65_536 + 2048));
    var e = assertThrows(InputException.class, () -> LlavaNextConfig.read(dir));
    assertEquals(
        file
            + ": image_grid_pinpoints holds 67584, which is no multiple of vision_config image_size"
            + " 2048 up to 65536",
        e.getMessage());
  }

  // ---- the top level ----

  @Test
  void aFolderThatIsNotThereIsNamedAsOne() {
    Path missing = dir.resolve("next");
    var e = assertThrows(InputException.class, () -> LlavaNextConfig.read(missing));
    assertEquals(missing + ": there is no such folder", e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"text_config", "vision_config"})
  void bothPartsAreNeeded(String part) throws IOException {
    String other =
        part.equals("text_config") ? "\"vision_config\":" + VISION : "\"text_config\":{}";
    Files.writeString(dir.resolve("config.json"), "{\"model_type\":\"llava_next\"," + other + "}");
    var e = assertThrows(InputException.class, () -> LlavaNextConfig.read(dir));
    assertTrue(e.getMessage().endsWith("config.json: " + part + " is missing"), e.getMessage());
  }

  @Test
  void aFeatureWithClsIsRefused() throws IOException {
    String message = refusal(",\"vision_feature_select_strategy\":\"full\"", "{}");
    assertTrue(message.contains("vision_feature_select_strategy is"), message);
    read(
        ",\"use_image_newline_parameter\":true,\"image_seq_length\":576,"
            + "\"vision_feature_select_strategy\":\"default\"",
        "{}");
  }

  @Test
  void anotherTypeIsRefused() throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        "{\"model_type\":\"llava\",\"text_config\":{},\"vision_config\":" + VISION + "}");
    var e = assertThrows(InputException.class, () -> LlavaNextConfig.read(dir));
    assertTrue(e.getMessage().contains("model_type is"), e.getMessage());
  }
}
