package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.checkpoint.SafetensorsTest.Refusal;

class LlavaConfigTest {
  @TempDir Path dir;

  @Test
  void absentFieldsHaveTheDefaultsOfTransformers() throws IOException {
    LlavaConfig config = read("", "", "");
    assertEquals(new ClipConfig(768, 3072, 12, 12, 224, 32, "quick_gelu", 1e-5f), config.vision());
    assertEquals(
        new TextConfig(4096, 11008, 32, 32, 32, 128, 1e-6f, 10000, 2048, 32000, false, false),
        config.text());
    assertEquals(32000, config.imageTokenIndex());
    assertEquals(11, config.visionBlocks());
    assertEquals(49, config.patches());
    assertTrue(config.projectorBias());
    assertFalse(config.keepsCls());
    assertEquals(List.of(), config.eosTokenIds());
  }

  @Test
  void anAbsentPartIsRefusedByName() {
    Refusal.of(() -> read("", null, ""), "config.json: text_config is missing");
    Refusal.of(() -> read("", "", null), "config.json: vision_config is missing");
    Refusal.of(
        () -> read(",\"mm_vision_tower\":\"openai/clip-vit-large-patch14-336\"", null, null),
        "text_config is missing: this is the original LLaVA layout; use the llava-hf checkpoint");
  }

  /** The hub's own files: transformers' defaults fill what the first leaves out. */
  @Test
  void theRealConfigurationsAreRead() throws IOException {
    String vision =
        "\"hidden_size\":1024,\"image_size\":336,\"intermediate_size\":4096,\"model_type\":\"clip_vision_model\","
            + "\"num_attention_heads\":16,\"num_hidden_layers\":24,\"patch_size\":14,\"projection_dim\":768,\"vocab_size\":32000";
    String common =
        ",\"architectures\":[\"LlamaForCausalLM\"],\"max_position_embeddings\":4096,\"model_type\":\"llama\","
            + "\"rms_norm_eps\":1e-05,\"torch_dtype\":\"float16\",\"vocab_size\":32064";
    String top =
        ",\"architectures\":[\"LlavaForConditionalGeneration\"],\"ignore_index\":-100,\"image_token_index\":32000,"
            + "\"pad_token_id\":32001,\"projector_hidden_act\":\"gelu\",\"tie_word_embeddings\":false,"
            + "\"torch_dtype\":\"float16\",\"transformers_version\":\"4.36.0.dev0\",\"vision_feature_layer\":-2,"
            + "\"vision_feature_select_strategy\":\"default\",\"vocab_size\":32064";
    LlavaConfig seven = read(top, "\"_name_or_path\":\"lmsys/vicuna-7b-v1.5\"" + common, vision);
    assertEquals(new ClipConfig(1024, 4096, 24, 16, 336, 14, "quick_gelu", 1e-5f), seven.vision());
    assertEquals(
        new TextConfig(4096, 11008, 32, 32, 32, 128, 1e-5f, 10000, 4096, 32064, false, false),
        seven.text());
    assertEquals(23, seven.visionBlocks());
    assertEquals(576, seven.patches());
    assertEquals("float16", seven.dtype());
    assertEquals(List.of(), seven.unknownKeys());
    LlavaConfig thirteen =
        read(
            top,
            "\"_name_or_path\":\"lmsys/vicuna-13b-v1.5\",\"hidden_size\":5120,\"intermediate_size\":13824,"
                + "\"num_attention_heads\":40,\"num_hidden_layers\":40,\"num_key_value_heads\":40"
                + common,
            vision);
    assertEquals(
        new TextConfig(5120, 13824, 40, 40, 40, 128, 1e-5f, 10000, 4096, 32064, false, false),
        thirteen.text());
    assertEquals(List.of(), thirteen.unknownKeys());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        ",\"image_token_index\":7 | ,\"image_token_id\":7",
        ",\"torch_dtype\":\"bfloat16\" | ,\"dtype\":\"bfloat16\"",
      })
  void everySpellingReadsTheSame(String old, String recent) throws IOException {
    assertEquals(read(old, "", ""), read(recent, "", ""));
  }

  @Test
  void everySpellingOfRopeReadsTheSame() throws IOException {
    LlavaConfig old = read("", "\"rope_theta\":5000", "");
    assertEquals(5000, old.text().ropeTheta());
    assertEquals(
        old, read("", "\"rope_parameters\":{\"rope_theta\":5000,\"rope_type\":\"default\"}", ""));
    assertEquals(old, read("", "\"rope_theta\":5000,\"rope_scaling\":null", ""));
    assertEquals(old, read("", "\"rope_theta\":5000,\"rope_scaling\":{\"type\":\"default\"}", ""));
  }

  @ParameterizedTest
  @CsvSource({"-2,23", "-1,24", "0,0", "24,24", "-25,0", "5,5"})
  void layersCountHiddenStates(int layer, int blocks) throws IOException {
    assertEquals(
        blocks,
        read(",\"vision_feature_layer\":" + layer, "", "\"num_hidden_layers\":24").visionBlocks());
  }

  @Test
  void anImageIsAGridOfPatches() throws IOException {
    LlavaConfig config = read("", "", "\"image_size\":336,\"patch_size\":14");
    assertEquals(24, config.grid());
    assertEquals(576, config.patches());
  }

  @Test
  void endTokensComeFromTheFirstFileThatHasThem() throws IOException {
    String top = ",\"eos_token_id\":[2,5]";
    assertEquals(List.of(9), read("", "\"eos_token_id\":9", "").eosTokenIds());
    assertEquals(List.of(2, 5), read(top, "\"eos_token_id\":9", "").eosTokenIds());
    Files.writeString(
        dir.resolve("generation_config.json"),
        "{\"eos_token_id\":7,\"do_sample\":true,\"temperature\":0.9}");
    assertEquals(List.of(7), read(top, "\"eos_token_id\":9", "").eosTokenIds());
    Files.writeString(dir.resolve("generation_config.json"), "{\"do_sample\":true}");
    assertEquals(List.of(2, 5), read(top, "\"eos_token_id\":9", "").eosTokenIds());
  }

  @Test
  void unknownKeysAreCollectedAndKnownOnesAreNot() throws IOException {
    LlavaConfig config =
        read(",\"use_cache\":true,\"new_a\":1", "\"new_b\":1", "\"projection_dim\":5,\"new_c\":0");
    assertEquals(
        List.of("new_a", "text_config.new_b", "vision_config.new_c"), config.unknownKeys());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"hidden_act\":\"relu\" | text_config.hidden_act | relu",
        "\"model_type\":\"mistral\" | text_config.model_type | mistral",
        "\"sliding_window\":16 | text_config.sliding_window | 16",
        "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2} | text_config.rope_scaling | linear",
        "\"rope_parameters\":{\"rope_type\":\"yarn\"} | rope_parameters.rope_type | yarn",
        "\"partial_rotary_factor\":0.5 | text_config.partial_rotary_factor | 0.5",
        "\"hidden_size\":0 | text_config.hidden_size | 0",
        "\"num_hidden_layers\":-1 | text_config.num_hidden_layers | -1",
        "\"vocab_size\":4294967296 | text_config.vocab_size | 4294967296",
        "\"num_attention_heads\":3 | num_attention_heads | 3",
        "\"num_key_value_heads\":5 | num_key_value_heads | 5",
        "\"head_dim\":33 | text_config.head_dim | 33",
        "\"rms_norm_eps\":\"x\" | text_config.rms_norm_eps | x",
        "\"attention_bias\":1 | text_config.attention_bias | 1",
        "\"eos_token_id\":[-1] | eos_token_id | -1",
      })
  void refusesWhatTheDecoderCannotDo(String field, String name, String value) {
    Refusal.of(() -> read("", field, ""), "config.json", name, value);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"hidden_act\":\"relu\" | vision_config.hidden_act | relu",
        "\"model_type\":\"siglip\" | vision_config.model_type | siglip",
        "\"num_channels\":1 | vision_config.num_channels | 1",
        "\"num_attention_heads\":7 | num_attention_heads | 7",
        "\"patch_size\":500 | patch_size | 500",
      })
  void refusesWhatTheTowerCannotDo(String field, String name, String value) {
    Refusal.of(() -> read("", "", field), "config.json", name, value);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        ",\"projector_hidden_act\":\"silu\" | projector_hidden_act | silu",
        ",\"vision_feature_select_strategy\":\"cls_patch\" | select_strategy | cls_patch",
        ",\"vision_feature_layer\":[-2,-5] | vision_feature_layer | [-2,-5]",
        ",\"vision_feature_layer\":40 | vision_feature_layer | 40",
        ",\"quantization_config\":{\"quant_method\":\"awq\"} | quantization_config | awq",
      })
  void refusesWhatTheModelCannotDo(String field, String name, String value) {
    Refusal.of(() -> read(field, "", ""), "config.json", name, value);
  }

  @Test
  void refusesAnotherModel() throws IOException {
    Files.writeString(dir.resolve("config.json"), "{\"model_type\":\"llava_next\"}");
    Refusal.of(() -> LlavaConfig.read(dir), "config.json", "model_type", "llava_next");
  }

  @Test
  void saysWhereJsonIsBroken() throws IOException {
    Files.writeString(dir.resolve("config.json"), "{\n  \"model_type\": llava}");
    Refusal.of(() -> LlavaConfig.read(dir), "config.json", "line 2", "column");
    Files.delete(dir.resolve("config.json"));
    Refusal.of(() -> LlavaConfig.read(dir), "config.json");
  }

  /** Fields of the three parts; null leaves a part out. */
  private LlavaConfig read(String top, String text, String vision) throws IOException {
    Files.writeString(dir.resolve("config.json"), json(top, text, vision));
    return LlavaConfig.read(dir);
  }

  static String json(String top, String text, String vision) {
    return "{\"model_type\":\"llava\""
        + top
        + (text == null ? "" : ",\"text_config\":{" + text + "}")
        + (vision == null ? "" : ",\"vision_config\":{" + vision + "}")
        + "}";
  }
}
