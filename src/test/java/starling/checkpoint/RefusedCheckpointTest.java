package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.checkpoint.SafetensorsFile.tensor;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.checkpoint.SafetensorsTest.Refusal;
import starling.input.InputException;

/** Files and keys that are easily accepted by mistake. */
class RefusedCheckpointTest {
  @TempDir Path dir;

  @Test
  void offsetsThatAreNoListAreRefused() throws IOException {
    file("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":{\"x\":0,\"y\":8}}}", "tensor a");
  }

  @Test
  void offsetsBeyondSixtyFourBitsAreRefused() throws IOException {
    file("{" + tensor("a", "U8", "[8]", 0, "18446744073709551624") + "}", "tensor a");
  }

  @Test
  void aHeaderThatDoesNotBeginWithItsObjectIsRefused() throws IOException {
    file(" {" + tensor("a", "U8", "[8]", 0, 8) + "}", "header");
  }

  @Test
  void aNewerTypeThatNobodyUsesIsAccepted() throws IOException {
    SafetensorsFile.writeHeader(
        dir.resolve("model.safetensors"),
        "{" + tensor("a", "F9_NEW", "[8]", 0, 8) + "}",
        new byte[8]);
    try (Safetensors file = Safetensors.open(dir)) {
      assertEquals(1, file.entries().size());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"sliding_window\":1 | sliding_window",
        "\"attn_logit_softcapping\":1.0 | attn_logit_softcapping",
        "\"attention_multiplier\":1.0 | attention_multiplier",
        "\"quantization_config\":{\"quant_method\":\"gptq\"} | quantization_config",
        "\"pruned_heads\":{\"0\":[1]} | pruned_heads",
        "\"is_encoder_decoder\":true | is_encoder_decoder",
        "\"rms_norm_eps\":1e60 | rms_norm_eps",
        "\"num_attention_heads\":65536,\"head_dim\":65536 | head_dim",
        "\"num_hidden_layers\":2000000000 | num_hidden_layers",
        "\"rope_theta\":10000,\"rope_parameters\":{\"rope_theta\":500000} | rope_theta",
      })
  void theDecodersFieldIsRefused(String field, String name) {
    Refusal.of(() -> config(LlavaConfigTest.json("", field, "")), name);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"quantization_config\":{\"quant_method\":\"awq\"} | quantization_config",
      })
  void theTowersFieldIsRefused(String field, String name) {
    Refusal.of(() -> config(LlavaConfigTest.json("", "", field)), name);
  }

  @ParameterizedTest
  @CsvSource({"'',\"rms_norm_eps\":1e-3", "',\"rope_theta\":500000',''", "'',\"head_dim\":7"})
  void aKeyOfAnotherPartIsReported(String top, String vision) throws IOException {
    assertEquals(1, config(LlavaConfigTest.json(top, "", vision)).unknownKeys().size());
  }

  @Test
  void theBaseInsideRopeScalingIsApplied() throws IOException {
    String scaling = "\"rope_scaling\":{\"rope_type\":\"default\",\"rope_theta\":500000}";
    assertEquals(500000, config(LlavaConfigTest.json("", scaling, "")).text().ropeTheta());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"image_processor_type\":\"SiglipImageProcessor\" | image_processor_type",
        "\"image_processor_type\":\"LlavaNextImageProcessor\" | image_processor_type",
        "\"do_split_image\":true | do_split_image",
        "\"default_to_square\":true,\"size\":100 | default_to_square",
      })
  void thePreprocessorsFieldIsRefused(String field, String name) throws IOException {
    Files.writeString(dir.resolve("preprocessor_config.json"), "{" + field + "}");
    Refusal.of(() -> PreprocessorConfig.read(dir), name);
  }

  /** Found by fuzzing: what a file says went to the terminal as it was. */
  @Test
  void whatAFileSaysIsMadeFitForATerminal() throws IOException {
    Files.writeString(dir.resolve("preprocessor_config.json"), "{\"a\\r\\n\\u001b[2J\\u202e\": 1}");
    String sentence =
        assertThrows(InputException.class, () -> PreprocessorConfig.read(dir)).getMessage();
    assertTrue(sentence.contains(": a\\u000d\\u000a\\u001b[2J\\u202e is not known"), sentence);
    Files.writeString(
        dir.resolve("preprocessor_config.json"), "{\"" + "k".repeat(30_000) + "\": 1}");
    sentence = assertThrows(InputException.class, () -> PreprocessorConfig.read(dir)).getMessage();
    assertTrue(sentence.length() <= 1000 && sentence.endsWith(" …"), sentence);
  }

  private void file(String header, String part) throws IOException {
    SafetensorsFile.writeHeader(dir.resolve("model.safetensors"), header, new byte[8]);
    Refusal.of(() -> Safetensors.open(dir).close(), part);
  }

  private LlavaConfig config(String json) throws IOException {
    Files.writeString(dir.resolve("config.json"), json);
    return LlavaConfig.read(dir);
  }
}
