package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.checkpoint.ZeroCheckpoint;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Sampling;
import starling.input.InputException;
import starling.prune.Methods;

/** Prompts longer than the tables that a model begins with, or than memory can hold. */
class LongPromptTest {
  /** One layer with one head of 128 channels; rotary angles begin with 4,096 positions of it. */
  private static void checkpoint(Path dir) throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"model_type": "llava", "image_token_index": 15, "eos_token_id": 2,
         "text_config": {"model_type": "llama", "vocab_size": 16, "hidden_size": 128,
          "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
          "max_position_embeddings": 1048576, "rms_norm_eps": 1e-5},
         "vision_config": {"model_type": "clip_vision_model", "hidden_size": 8,
          "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 1,
          "image_size": 28, "patch_size": 14}}
        """);
    var zeros = new ZeroCheckpoint("F16");
    String v = "vision_tower.vision_model.";
    zeros.tensor(v + "embeddings.class_embedding", 8);
    zeros.tensor(v + "embeddings.patch_embedding.weight", 8, 3, 14, 14);
    zeros.tensor(v + "embeddings.position_embedding.weight", 5, 8);
    for (String norm : List.of("pre_layrnorm", "post_layernorm")) {
      zeros.tensor(v + norm + ".weight", 8).tensor(v + norm + ".bias", 8);
    }
    for (int i = 0; i < 2; i++) {
      String b = v + "encoder.layers." + i + ".";
      for (String part : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        zeros.linear(b + "self_attn." + part, 8, 8);
      }
      for (String norm : List.of("layer_norm1", "layer_norm2")) {
        zeros.tensor(b + norm + ".weight", 8).tensor(b + norm + ".bias", 8);
      }
      zeros.linear(b + "mlp.fc1", 8, 8);
      zeros.linear(b + "mlp.fc2", 8, 8);
    }
    zeros.linear("multi_modal_projector.linear_1", 128, 8);
    zeros.linear("multi_modal_projector.linear_2", 128, 128);
    String t = "language_model.model.";
    zeros.tensor(t + "embed_tokens.weight", 16, 128).tensor(t + "norm.weight", 128);
    String l = t + "layers.0.";
    for (String part : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
      zeros.tensor(l + "self_attn." + part + ".weight", 128, 128);
    }
    zeros.tensor(l + "mlp.gate_proj.weight", 8, 128).tensor(l + "mlp.up_proj.weight", 8, 128);
    zeros.tensor(l + "mlp.down_proj.weight", 128, 8);
    zeros.tensor(l + "input_layernorm.weight", 128);
    zeros.tensor(l + "post_attention_layernorm.weight", 128);
    zeros.tensor("language_model.lm_head.weight", 16, 128);
    zeros.write(dir);
  }

  private static Request request(int prompt, int tokens) {
    int[] ids = new int[prompt];
    Arrays.fill(ids, 3);
    return new Request(
        ids,
        List.of(),
        Methods.parse("none"),
        Mode.COMPACT,
        Sampling.GREEDY,
        tokens,
        (phase, done, of) -> {});
  }

  private static void on(Path dir, Consumer<LoadedModel> use) throws IOException {
    checkpoint(dir);
    VisionLanguageModel family = Families.read(dir);
    try (var device = CpuDevice.open();
        var files = Safetensors.open(dir);
        var model = new LoadedModel(device, family, family.weights(files), DType.F32)) {
      use.accept(model);
    }
  }

  @Test
  void rotaryAnglesReachAsFarAsThePromptAndItsAnswer(@TempDir Path dir) throws IOException {
    on(
        dir,
        model -> {
          try (Generation generation = model.prefill(request(4095, 4))) {
            for (int token = 0; token < 4; token++) {
              assertEquals(0, generation.next(), "all logits are 0 at position " + (4095 + token));
            }
          }
        });
  }

  /** A kilobyte of keys and values for each token, and room for more than half a million. */
  @Test
  void whatTakesTooMuchMemoryIsRefusedBeforeAnyIsTaken(@TempDir Path dir) throws IOException {
    on(
        dir,
        model -> {
          String why =
              assertThrows(InputException.class, () -> model.prefill(request(4, 600_000)))
                  .getMessage();
          assertTrue(why.startsWith("the question would take 0.6 GB of keys, values"), why);
        });
  }
}
