package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.checkpoint.SafetensorsFile.Raw;
import starling.checkpoint.SafetensorsTest.Refusal;

class QwenWeightsTest {
  private static final Path MODELS = Checkout.path("src/test/resources/starling/model");

  @TempDir Path dir;

  private static Map<String, Raw> tensors(String checkpoint) throws IOException {
    byte[] all = Files.readAllBytes(MODELS.resolve(checkpoint).resolve("model.safetensors"));
    int length = (int) ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).getLong();
    JsonNode header =
        new ObjectMapper().readTree(new String(all, 8, length, StandardCharsets.UTF_8));
    var tensors = new LinkedHashMap<String, Raw>();
    for (var entry : header.properties()) {
      if (!entry.getKey().equals("__metadata__")) {
        JsonNode at = entry.getValue().get("data_offsets");
        var shape = new ArrayList<Integer>();
        entry.getValue().get("shape").forEach(n -> shape.add(n.intValue()));
        byte[] bytes =
            Arrays.copyOfRange(
                all, 8 + length + at.get(0).intValue(), 8 + length + at.get(1).intValue());
        String dtype = entry.getValue().get("dtype").textValue();
        tensors.put(entry.getKey(), new Raw(dtype, shape, bytes));
      }
    }
    return tensors;
  }

  private QwenWeights read(String checkpoint, Map<String, Raw> tensors) throws IOException {
    SafetensorsFile.write(dir.resolve("model.safetensors"), tensors);
    try (var files = Safetensors.open(dir)) {
      return QwenWeights.read(QwenConfig.read(MODELS.resolve(checkpoint)), files);
    }
  }

  @Test
  void filesOfBothNamingsAreRead() throws IOException {
    Map<String, Raw> published = tensors("qwen-free");
    assertEquals("lm_head.weight", read("qwen-free", published).decoder().lmHead().name());
    var inMemory = new LinkedHashMap<String, Raw>();
    published.forEach(
        (name, raw) ->
            inMemory.put(
                name.startsWith("visual.")
                    ? "model." + name
                    : name.replaceFirst("^model\\.", "model.language_model."),
                raw));
    QwenWeights weights = read("qwen-free", inMemory);
    assertEquals("model.visual.merger.ln_q.weight", weights.vision().mergerNorm().name());
    assertEquals(
        "model.language_model.embed_tokens.weight", weights.decoder().embedTokens().name());
    assertNotNull(weights.decoder().layers().get(0).qBias());
    assertNull(weights.decoder().layers().get(0).oBias());
  }

  @Test
  void theHeadIsItsOwnTensorWhereThereIsOne() throws IOException {
    Map<String, Raw> tied = tensors("qwen-tied");
    assertFalse(tied.containsKey("lm_head.weight"));
    assertEquals("model.embed_tokens.weight", read("qwen-tied", tied).decoder().lmHead().name());
    tied.put("lm_head.weight", tied.get("model.embed_tokens.weight"));
    assertEquals("lm_head.weight", read("qwen-tied", tied).decoder().lmHead().name());
    Map<String, Raw> free = tensors("qwen-free");
    free.remove("lm_head.weight");
    Refusal.of(() -> read("qwen-free", free), "lm_head.weight");
  }

  @Test
  void framesOfAPatchAreSummed() throws IOException {
    Map<String, Raw> tensors = tensors("qwen-free");
    tensors.put("visual.patch_embed.proj.weight", Raw.f32(0, 32, 3, 2, 14, 14));
    float[] sums = new float[2];
    SafetensorsFile.write(dir.resolve("model.safetensors"), tensors);
    try (var files = Safetensors.open(dir)) {
      var read = QwenWeights.read(QwenConfig.read(MODELS.resolve("qwen-free")), files);
      assertEquals(List.of(32, 588), read.vision().patchEmbedding().shape());
      read.vision().patchEmbedding().load(195, 2, sums, 0);
    }
    // The last pixel of the first colour, and the first of the second.
    assertEquals(195 + 391, sums[0]);
    assertEquals(392 + 588, sums[1]);
  }

  /** A block of 32 channels with 44 inside its MLP. */
  @Test
  void everyMatrixOfABlockIsRead() throws IOException {
    Map<String, Raw> tensors = tensors("qwen-free");
    for (QwenVisionWeights.Block block : read("qwen-free", tensors).vision().blocks()) {
      assertEquals(List.of(96, 32), block.qkvWeight().shape());
      assertEquals(List.of(32, 32), block.projWeight().shape());
      assertEquals(List.of(44, 32), block.gateWeight().shape());
      assertEquals(List.of(44, 32), block.upWeight().shape());
      assertEquals(List.of(32, 44), block.downWeight().shape());
    }
  }

  @Test
  void aMissingBiasOfTheTowerIsRefusedByName() throws IOException {
    Map<String, Raw> tensors = tensors("qwen-free");
    tensors.remove("visual.blocks.2.mlp.gate_proj.bias");
    Refusal.of(() -> read("qwen-free", tensors), "visual.blocks.2.mlp.gate_proj.bias");
  }
}
