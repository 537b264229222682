package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.checkpoint.SafetensorsTest.Refusal;
import starling.image.SmartResize;

class QwenConfigTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String TEXT =
      """
      "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 3,
      "num_key_value_heads": 1, "rms_norm_eps": 1e-06, "vocab_size": 96, "hidden_act": "silu",
      "max_position_embeddings": 4096, "max_window_layers": 2, "use_sliding_window": false
      """;

  private static final String VISION =
      """
      "depth": 4, "hidden_size": 32, "intermediate_size": 44, "num_heads": 2, "patch_size": 14,
      "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112, "tokens_per_second": 2,
      "out_hidden_size": 48, "fullatt_block_indexes": [1, 3], "hidden_act": "silu"
      """;

  private static final String IDS =
      "\"image_token_id\": 90, \"video_token_id\": 95, \"vision_start_token_id\": 91,"
          + " \"vision_end_token_id\": 92";

  /** 4.49 and the published files: the decoder's fields at the top. */
  private static final String FLAT =
      "{\"model_type\": \"qwen2_5_vl\", \"torch_dtype\": \"bfloat16\", \"tie_word_embeddings\": true,"
          + " \"sliding_window\": 32768, \"rope_theta\": 1000000.0, \"vision_token_id\": 93,"
          + " \"rope_scaling\": {\"type\": \"mrope\", \"mrope_section\": [2, 3, 3]}, "
          + IDS
          + ","
          + TEXT
          + ", \"vision_config\": {\"in_chans\": 3, \"spatial_patch_size\": 14,"
          + VISION
          + "}}";

  /** 4.57: nested, and the tie flag is left out where it is true. */
  private static final String NESTED =
      "{\"model_type\": \"qwen2_5_vl\", \"dtype\": \"bfloat16\", "
          + IDS
          + ", \"text_config\": {\"model_type\": \"qwen2_5_vl_text\", \"rope_theta\": 1000000.0,"
          + " \"tie_word_embeddings\": true, \"sliding_window\": null,"
          + " \"layer_types\": [\"full_attention\", \"full_attention\", \"full_attention\"],"
          + " \"rope_scaling\": {\"type\": \"default\", \"rope_type\": \"default\", \"mrope_section\": [2, 3, 3]}, "
          + TEXT
          + "}, \"vision_config\": {\"model_type\": \"qwen2_5_vl\", \"in_channels\": 3, \"in_chans\": 3,"
          + VISION
          + "}}";

  /** 5.x: one object for all that is rotary. */
  private static final String FIVE =
      "{\"model_type\": \"qwen2_5_vl\", \"dtype\": \"bfloat16\", \"tie_word_embeddings\": true, "
          + IDS
          + ", \"text_config\": {\"model_type\": \"qwen2_5_vl_text\", \"sliding_window\": null,"
          + " \"layer_types\": [\"full_attention\"], \"rope_parameters\": {\"mrope_section\": [2, 3, 3],"
          + " \"rope_theta\": 1000000.0, \"rope_type\": \"default\", \"type\": \"mrope\"}, "
          + TEXT
          + "}, \"vision_config\": {\"model_type\": \"qwen2_5_vl_vision\","
          + " \"rope_parameters\": {\"rope_theta\": 10000.0, \"rope_type\": \"axial\"},"
          + VISION
          + "}}";

  @TempDir Path dir;

  private QwenConfig read(String json) throws IOException {
    Files.writeString(dir.resolve("config.json"), json);
    return QwenConfig.read(dir);
  }

  private static ObjectNode object(String json) throws IOException {
    return (ObjectNode) JSON.readTree(json);
  }

  @Test
  void everyLayoutSaysTheSame() throws IOException {
    QwenConfig flat = read(FLAT);
    assertEquals(
        new TextConfig(48, 64, 3, 3, 1, 16, 1e-6f, 1e6, 4096, 96, true, false), flat.text());
    assertEquals(
        new QwenVisionConfig(32, 44, 4, 2, 14, 2, 2, 112, List.of(1, 3), 48), flat.vision());
    assertEquals(List.of(2, 3, 3), flat.mropeSection());
    assertEquals(90, flat.imageTokenId());
    assertEquals("bfloat16", flat.dtype());
    assertTrue(flat.tieWordEmbeddings());
    assertEquals(List.of(), flat.unknownKeys());
    assertEquals(flat, read(NESTED));
    assertEquals(flat, read(FIVE));
  }

  /** 4.49 wrote "default" over the published "mrope", beside a second name of the same field. */
  @Test
  void theKindOfRotaryEmbeddingHasManyNames() throws IOException {
    for (String kind :
        List.of("'type': 'default'", "'rope_type': 'default'", "'rope_type': 'mrope'")) {
      ObjectNode other = object(FLAT);
      String rope = "{'mrope_section': [2, 3, 3], " + kind + "}";
      other.set("rope_scaling", JSON.readTree(rope.replace('\'', '"')));
      assertEquals(read(FLAT), read(other.toString()), kind);
    }
  }

  /** What 5.18 and 4.57.6 wrote themselves. */
  @ParameterizedTest
  @ValueSource(strings = {"qwen-free", "qwen-tied", "qwen-saved457"})
  void savedConfigurationsHaveNoUnknownKey(String name) {
    Path folder = Checkout.path("src/test/resources/starling/model").resolve(name);
    QwenConfig saved = QwenConfig.read(folder);
    assertEquals(List.of(), saved.unknownKeys());
    assertEquals(90, saved.imageTokenId());
    assertEquals(List.of(2, 3, 3), saved.mropeSection());
    assertEquals(List.of(1, 3), saved.vision().fullattBlockIndexes());
    assertEquals(List.of(94), saved.eosTokenIds());
    assertEquals(name.equals("qwen-tied"), saved.tieWordEmbeddings());
  }

  /** Keys of training, of videos and of other classes, in either place and at any value. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "attention_dropout",
        "initializer_range",
        "use_cache",
        "pad_token_id",
        "_name_or_path",
        "transformers_version",
        "architectures",
        "bos_token_id",
        "video_token_id",
        "vision_start_token_id",
        "vision_end_token_id",
        "vision_token_id",
        "max_window_layers"
      })
  void harmlessKeysAreAccepted(String key) throws IOException {
    for (String layout : List.of(FLAT, NESTED, FIVE)) {
      ObjectNode other = object(layout);
      other.put(key, 7);
      if (other.has("text_config")) {
        ((ObjectNode) other.get("text_config")).put(key, 7);
      }
      assertEquals(read(layout), read(other.toString()), key);
    }
  }

  /** 4.52 to 4.54 wrote both copies; the inner one counts. */
  @Test
  void ofTwoCopiesTheInnerOneCounts() throws IOException {
    ObjectNode both = object(FLAT);
    both.set("text_config", object(NESTED).get("text_config"));
    assertEquals(read(FLAT), read(both.toString()));
    both.put("num_hidden_layers", 99);
    assertEquals(3, read(both.toString()).text().numHiddenLayers());
  }

  @Test
  void anUntiedHeadIsTheDefault() throws IOException {
    ObjectNode free = object(FIVE);
    free.remove("tie_word_embeddings");
    assertFalse(read(free.toString()).tieWordEmbeddings());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "rms_norm_eps",
        "vocab_size",
        "rope_theta"
      })
  void sizesOfTheDecoderMustBeThere(String field) throws IOException {
    ObjectNode less = object(FLAT);
    less.remove(field);
    Refusal.of(() -> read(less.toString()), "config.json: " + field + " is missing");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "depth",
        "hidden_size",
        "intermediate_size",
        "num_heads",
        "patch_size",
        "out_hidden_size"
      })
  void sizesOfTheTowerMustBeThere(String field) throws IOException {
    ObjectNode less = object(FIVE);
    ((ObjectNode) less.get("vision_config")).remove(field);
    Refusal.of(() -> read(less.toString()), "config.json: vision_config." + field + " is missing");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "use_sliding_window | true | use_sliding_window is true, which is not supported",
        "layer_types | [\"full_attention\", \"sliding_attention\"] | layer_types holds \"sliding_attention\"",
        "hidden_act | \"gelu\" | hidden_act is 'gelu'; supported is silu",
        "rope_scaling | {\"type\": \"yarn\", \"mrope_section\": [2, 3, 3]} | rope_scaling.type is 'yarn'",
        "rope_scaling | {\"factor\": 4, \"mrope_section\": [2, 3, 3]} | rope_scaling.factor is 4",
        "rope_scaling | {\"mrope_section\": [2, 3, 4]} | rope_scaling.mrope_section is [2, 3, 4]; three numbers",
        "rope_scaling | {\"mrope_section\": [4, 4]} | rope_scaling.mrope_section is [4, 4]; three numbers",
        "num_key_value_heads | 2 | num_attention_heads is 3, not a multiple of num_key_value_heads 2",
        "num_attention_heads | 16 | hidden_size is 48 for num_attention_heads 16",
        "head_dim | 32 | head_dim is 32; hidden_size 48 for num_attention_heads 3 makes 16",
        "num_hidden_layers | 4096 | num_attention_heads is 3 in 4096 layers",
        "partial_rotary_factor | 0.5 | partial_rotary_factor is 0.5, which is not supported",
        "attn_logit_softcapping | 30.0 | attn_logit_softcapping is 30.0, which is not supported",
        "num_experts | 8 | num_experts is 8, which is not supported",
        "use_qk_norm | true | use_qk_norm is true, which is not supported",
        "quantization_config | {\"quant_method\": \"awq\"} | quantization_config (awq) is not supported",
        "model_type | \"qwen2_vl\" | model_type is 'qwen2_vl'; supported is qwen2_5_vl"
      })
  void whatWouldChangeTheAnswerIsRefused(String field, String value, String sentence)
      throws IOException {
    ObjectNode other = object(FLAT);
    other.set(field, JSON.readTree(value));
    Refusal.of(() -> read(other.toString()), sentence);
    ObjectNode nested = object(NESTED);
    boolean top = field.equals("model_type");
    (top ? nested : (ObjectNode) nested.get("text_config")).set(field, JSON.readTree(value));
    Refusal.of(() -> read(nested.toString()), (top ? "" : "text_config.") + sentence);
  }

  @Test
  void twoBasesOfTheAnglesAreRefused() throws IOException {
    ObjectNode other = object(FIVE);
    ((ObjectNode) other.get("text_config")).put("rope_theta", 5.0);
    Refusal.of(
        () -> read(other.toString()),
        "text_config.rope_theta is 5.0, but rope_parameters.rope_theta is 1000000.0");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "hidden_act | \"quick_gelu\" | vision_config.hidden_act is 'quick_gelu'",
        "in_channels | 1 | vision_config.in_channels is 1; 3 is supported",
        "spatial_merge_size | 3 | vision_config.spatial_merge_size is 3; 2 is supported",
        "window_size | 27 | vision_config.window_size is 27 with patch_size 14",
        "num_heads | 3 | vision_config.hidden_size is 32 for num_heads 3",
        "num_heads | 16 | vision_config.hidden_size is 32 for num_heads 16; a head must be a multiple of four",
        "hidden_act | 3 | vision_config.hidden_act is 3; it must be a text",
        "temporal_patch_size | 17 | vision_config.temporal_patch_size is 17; at most 16",
        "in_chans | 4 | vision_config.in_chans is 4; 3 is supported",
        "rope_parameters | {\"rope_type\": \"default\"} | vision_config.rope_parameters.rope_type is 'default'",
        "fullatt_block_indexes | [1, 2] | vision_config.fullatt_block_indexes is [1, 2] for 4 blocks; the last, 3,",
        "fullatt_block_indexes | [3, 4] | vision_config.fullatt_block_indexes is [3, 4] for 4 blocks",
        "out_hidden_size | 32 | vision_config.out_hidden_size is 32, but the decoder's hidden_size is 48",
        "model_type | \"qwen2_vl\" | vision_config.model_type is 'qwen2_vl'",
        "rope_parameters | {\"rope_theta\": 5} | vision_config.rope_parameters.rope_theta is 5.0; 10000"
      })
  void aTowerThatWouldSeeOtherwiseIsRefused(String field, String value, String sentence)
      throws IOException {
    ObjectNode other = object(FIVE);
    ((ObjectNode) other.get("vision_config")).set(field, JSON.readTree(value));
    Refusal.of(() -> read(other.toString()), sentence);
  }

  /** Heads cost nothing in a file, and their attention scores do. */
  @Test
  void moreAttentionThanAnyModelHasIsRefused() throws IOException {
    ObjectNode other = object(FIVE);
    ((ObjectNode) other.get("vision_config")).put("hidden_size", 4096).put("num_heads", 1024);
    Refusal.of(
        () -> read(other.toString()),
        "text_config.num_attention_heads is 3 in 3 layers, with vision_config num_heads 1024 in 4 blocks;"
            + " for an image of 16384 visual tokens that is more than 2199023255552 attention scores");
  }

  @Test
  void unknownKeysAreReportedByName() throws IOException {
    ObjectNode other = object(FIVE);
    other.put("shiny", 1);
    ((ObjectNode) other.get("text_config")).put("deepstack", 2);
    ((ObjectNode) other.get("vision_config")).put("gloss", 3);
    assertEquals(
        List.of("shiny", "text_config.deepstack", "vision_config.gloss"),
        read(other.toString()).unknownKeys());
  }

  @Test
  void endTokensAreThoseOfTheGeneration() throws IOException {
    ObjectNode own = object(FLAT);
    own.put("eos_token_id", 7);
    assertEquals(List.of(7), read(own.toString()).eosTokenIds());
    Files.writeString(dir.resolve("generation_config.json"), "{\"eos_token_id\": [8, 9]}");
    assertEquals(List.of(8, 9), read(own.toString()).eosTokenIds());
  }

  // ---- how images are prepared ----

  private SmartResize prepared(String json) throws IOException {
    Files.writeString(dir.resolve("preprocessor_config.json"), json);
    return QwenPreprocessorConfig.read(dir, read(FLAT).vision());
  }

  @Test
  void limitsOfPixelsHaveTwoNames() throws IOException {
    SmartResize old =
        prepared("{\"min_pixels\": 3136, \"max_pixels\": 12845056, \"patch_size\": 14}");
    assertEquals(3136, old.minPixels());
    assertEquals(12_845_056, old.maxPixels());
    assertEquals(28, old.factor());
    assertEquals(
        old, prepared("{\"size\": {\"shortest_edge\": 3136, \"longest_edge\": 12845056}}"));
    assertEquals(1_003_520, prepared("{}").maxPixels());
    assertEquals(3136, prepared("{}").minPixels());
    Files.delete(dir.resolve("preprocessor_config.json"));
    Files.writeString(
        dir.resolve("processor_config.json"), "{\"image_processor\": {\"max_pixels\": 7840}}");
    assertEquals(7840, QwenPreprocessorConfig.read(dir, read(FLAT).vision()).maxPixels());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"max_pixels\": 100} | max_pixels is 100, for 0 visual tokens; at least min_pixels, 3136, and 1 to 16384",
        "{\"max_pixels\": 12845840} | max_pixels is 12845840, for 16385 visual tokens",
        "{\"size\": {\"longest_edge\": 3000}} | size.longest_edge is 3000, for 3 visual tokens",
        "{\"max_pixels\": 1.5} | max_pixels is 1.5; a number of pixels is needed",
        "{\"size\": {\"height\": 448}} | size.height is 448, which is not supported",
        "{\"patch_size\": 16} | patch_size is 16, but config.json (vision_config) says 14",
        "{\"merge_size\": 1} | merge_size is 1, but config.json (vision_config) says 2",
        "{\"do_resize\": false} | do_resize is false, which is not supported",
        "{\"rescale_factor\": 0.5} | rescale_factor is 0.5; 1/255 is supported",
        "{\"resample\": 6} | resample is 6; Pillow's filters are 0 to 5",
        "{\"image_processor_type\": \"CLIPImageProcessor\"} | image_processor_type is 'CLIPImageProcessor'",
        "{\"sharpen\": 1} | sharpen is not known, and may change the pixels"
      })
  void aPreparationThatIsNotOursIsRefused(String json, String sentence) {
    Refusal.of(() -> prepared(json), sentence);
  }
}
