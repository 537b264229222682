package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.checkpoint.SafetensorsFile.Raw;
import starling.checkpoint.SafetensorsTest.Refusal;
import starling.device.StoredTensor;

/**
 * A decoder of width 6 with 4 query heads and 2 key heads of 2 channels, so that no two sizes
 * agree.
 */
class LlavaWeightsTest {
  static final String TEXT =
      "\"hidden_size\":6,\"intermediate_size\":5,\"num_hidden_layers\":2,\"num_attention_heads\":4,"
          + "\"num_key_value_heads\":2,\"head_dim\":2,\"vocab_size\":9";
  static final String VISION =
      "\"hidden_size\":4,\"intermediate_size\":7,\"num_hidden_layers\":3,\"num_attention_heads\":2,"
          + "\"image_size\":6,\"patch_size\":3";

  @TempDir Path dir;

  @Test
  void everyNamingReadsTheSame() throws IOException {
    String first = describe(read("", "", tensors(false)));
    assertEquals(first, describe(read("", "", SafetensorsFile.originalNames(tensors(false)))));
    for (String prefix : List.of("", "model.")) {
      for (String tower : List.of("vision_tower.vision_model.", "vision_tower.")) {
        for (String[] decoder : DECODERS) {
          Map<String, Raw> renamed = renamed(tensors(false), prefix, prefix + tower, decoder);
          assertEquals(first, describe(read("", "", renamed)), prefix + tower + " " + decoder[0]);
        }
      }
    }
  }

  /** Prefixes of the decoder's tensors, and of its head. */
  private static final String[][] DECODERS = {
    {"language_model.model.", "language_model."},
    {"model.language_model.", ""},
    {"model.language_model.model.", "model.language_model."}
  };

  @Test
  void anOriginalCheckpointWithoutItsTowerIsSentToTheRightOne() {
    Map<String, Raw> towerless = SafetensorsFile.originalNames(tensors(false));
    towerless.keySet().removeIf(name -> name.startsWith("model.vision_tower."));
    Refusal.of(
        () -> read("", "", towerless),
        "tensor model.vision_tower.vision_tower.vision_model.embeddings.class_embedding is missing",
        "use the llava-hf checkpoint of this model");
  }

  @Test
  void readsOnlyTheBlocksThatRun() throws IOException {
    assertEquals(2, read("", "", tensors(false)).vision().blocks().size());
    assertEquals(
        3, read(",\"vision_feature_layer\":-1", "", tensors(false)).vision().blocks().size());
  }

  @Test
  void flattensThePatchEmbedding() throws IOException {
    assertEquals(List.of(4, 27), read("", "", tensors(false)).vision().patchEmbedding().shape());
  }

  @Test
  void biasesAreNullWithoutTheirFlagAndNeededWithIt() throws IOException {
    var plain = read("", "", tensors(false)).decoder().layers().get(1);
    assertNull(plain.qBias());
    assertNull(plain.downBias());
    String flags = ",\"attention_bias\":true,\"mlp_bias\":true";
    var biased = read("", flags, tensors(true)).decoder().layers().get(1);
    assertEquals(List.of(4), biased.kBias().shape());
    assertEquals(List.of(6), biased.oBias().shape());
    assertNotNull(biased.gateBias());
    Refusal.of(() -> read("", flags, tensors(false)), "q_proj.bias");
    assertNull(
        read(",\"multimodal_projector_bias\":false", "", tensors(false)).projector().linear1Bias());
  }

  @Test
  void onlyATiedHeadMayBeAbsent() throws IOException {
    Map<String, Raw> headless = tensors(false);
    headless.remove("language_model.lm_head.weight");
    Refusal.of(() -> read("", "", headless), "language_model.lm_head.weight");
    for (LlavaWeights tied :
        List.of(
            read(",\"tie_word_embeddings\":true", "", headless),
            read("", ",\"tie_word_embeddings\":true", headless))) {
      assertEquals("language_model.model.embed_tokens.weight", tied.decoder().lmHead().name());
    }
  }

  @Test
  void everyTensorIsNeeded() throws IOException {
    for (String name : tensors(true).keySet()) {
      Map<String, Raw> without = tensors(true);
      without.remove(name);
      if (!name.contains("encoder.layers.2")) {
        String flags = ",\"attention_bias\":true,\"mlp_bias\":true";
        Refusal.of(() -> read("", flags, without), "tensor " + name + " is missing");
      }
    }
  }

  @Test
  void refusesAnotherVocabulary() throws IOException {
    Map<String, Raw> tensors = tensors(false);
    tensors.put("language_model.model.embed_tokens.weight", Raw.f32(0, 10, 6));
    Refusal.of(() -> read("", "", tensors), "embed_tokens", "vocab_size", "[10, 6]", "[9, 6]");
  }

  private LlavaWeights read(String top, String text, Map<String, Raw> tensors) throws IOException {
    Files.writeString(dir.resolve("config.json"), LlavaConfigTest.json(top, TEXT + text, VISION));
    SafetensorsFile.write(dir.resolve("model.safetensors"), tensors);
    // Left open: the records are views of it.
    return LlavaWeights.read(LlavaConfig.read(dir), Safetensors.open(dir));
  }

  /** Shapes and first elements of everything, which are all different. */
  private static String describe(LlavaWeights w) {
    StringBuilder text = new StringBuilder();
    describe(w, text);
    return text.toString();
  }

  private static void describe(Object value, StringBuilder text) {
    switch (value) {
      case null -> text.append("none ");
      case StoredTensor s -> text.append(s.shape()).append(s.get(0)).append(' ');
      case List<?> list -> list.forEach(item -> describe(item, text));
      case Record record -> {
        for (var component : record.getClass().getRecordComponents()) {
          try {
            describe(component.getAccessor().invoke(record), text);
          } catch (ReflectiveOperationException e) {
            throw new LinkageError("record component", e);
          }
        }
      }
      default -> text.append(value).append(' ');
    }
  }

  private static Map<String, Raw> renamed(
      Map<String, Raw> tensors, String prefix, String tower, String[] decoder) {
    Map<String, Raw> renamed = new LinkedHashMap<>();
    tensors.forEach(
        (name, t) ->
            renamed.put(
                name.replaceFirst("^vision_tower\\.vision_model\\.", tower)
                    .replaceFirst("^multi_modal", prefix + "multi_modal")
                    .replaceFirst("^language_model\\.model\\.", decoder[0])
                    .replaceFirst("^language_model\\.lm_head", decoder[1] + "lm_head"),
                t));
    return renamed;
  }

  static Map<String, Raw> tensors(boolean decoderBiases) {
    Map<String, Raw> all = new LinkedHashMap<>();
    String v = "vision_tower.vision_model.";
    put(all, v + "embeddings.class_embedding", 4);
    put(all, v + "embeddings.patch_embedding.weight", 4, 3, 3, 3);
    put(all, v + "embeddings.position_embedding.weight", 5, 4);
    linear(all, v + "pre_layrnorm", true, 4);
    for (int i = 0; i < 3; i++) {
      String b = v + "encoder.layers." + i + ".";
      for (String part : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        linear(all, b + "self_attn." + part, true, 4, 4);
      }
      linear(all, b + "layer_norm1", true, 4);
      linear(all, b + "layer_norm2", true, 4);
      linear(all, b + "mlp.fc1", true, 7, 4);
      linear(all, b + "mlp.fc2", true, 4, 7);
    }
    linear(all, "multi_modal_projector.linear_1", true, 6, 4);
    linear(all, "multi_modal_projector.linear_2", true, 6, 6);
    String l = "language_model.model.";
    put(all, l + "embed_tokens.weight", 9, 6);
    for (int i = 0; i < 2; i++) {
      String b = l + "layers." + i + ".";
      put(all, b + "input_layernorm.weight", 6);
      linear(all, b + "self_attn.q_proj", decoderBiases, 8, 6);
      linear(all, b + "self_attn.k_proj", decoderBiases, 4, 6);
      linear(all, b + "self_attn.v_proj", decoderBiases, 4, 6);
      linear(all, b + "self_attn.o_proj", decoderBiases, 6, 8);
      put(all, b + "post_attention_layernorm.weight", 6);
      linear(all, b + "mlp.gate_proj", decoderBiases, 5, 6);
      linear(all, b + "mlp.up_proj", decoderBiases, 5, 6);
      linear(all, b + "mlp.down_proj", decoderBiases, 6, 5);
    }
    put(all, l + "norm.weight", 6);
    put(all, "language_model.lm_head.weight", 9, 6);
    return all;
  }

  private static void linear(Map<String, Raw> all, String name, boolean bias, Integer... shape) {
    put(all, name + ".weight", shape);
    if (bias) {
      put(all, name + ".bias", shape[0]);
    }
  }

  private static void put(Map<String, Raw> all, String name, Integer... shape) {
    all.put(name, Raw.f32(1000 * all.size(), shape));
  }

  @Test
  void theTowerHasItsTensors() throws IOException {
    ClipWeights tower = read("", "", tensors(false)).vision();
    assertEquals(List.of(4), tower.preNormWeight().shape());
    assertEquals(List.of(4), tower.preNormBias().shape());
    assertEquals(List.of(5, 4), tower.positionEmbedding().shape());
    for (ClipWeights.Block block : tower.blocks()) {
      assertEquals(List.of(4, 4), block.qWeight().shape());
      assertEquals(List.of(4), block.outBias().shape());
      assertEquals(List.of(7, 4), block.fc1Weight().shape());
      assertEquals(List.of(4), block.norm2Bias().shape());
    }
  }
}
