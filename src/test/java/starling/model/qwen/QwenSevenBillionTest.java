package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import starling.Checkout;
import starling.checkpoint.Safetensors;
import starling.checkpoint.ZeroCheckpoint;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.Sampling;
import starling.image.Image;
import starling.model.Generation;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.LoadedModel;
import starling.model.Mode;
import starling.model.Request;
import starling.prune.Methods;

/**
 * A checkpoint in the shapes of Qwen2.5-VL-7B, 17 GB of zeros that take no room on the disk: it
 * loads, an image is pruned twice, and a step is taken; the process holds only what the question
 * needs, since weights are mapped.
 */
class QwenSevenBillionTest {
  private final ZeroCheckpoint zeros = new ZeroCheckpoint("BF16");

  private void vision() {
    zeros.tensor("visual.patch_embed.proj.weight", 1280, 3, 2, 14, 14);
    for (int i = 0; i < 32; i++) {
      String b = "visual.blocks." + i + ".";
      zeros.tensor(b + "norm1.weight", 1280);
      zeros.tensor(b + "norm2.weight", 1280);
      zeros.linear(b + "attn.qkv", 3840, 1280);
      zeros.linear(b + "attn.proj", 1280, 1280);
      zeros.linear(b + "mlp.gate_proj", 3420, 1280);
      zeros.linear(b + "mlp.up_proj", 3420, 1280);
      zeros.linear(b + "mlp.down_proj", 1280, 3420);
    }
    zeros.tensor("visual.merger.ln_q.weight", 1280);
    zeros.linear("visual.merger.mlp.0", 5120, 5120);
    zeros.linear("visual.merger.mlp.2", 3584, 5120);
  }

  private void decoder() {
    zeros.tensor("model.embed_tokens.weight", 152064, 3584);
    for (int i = 0; i < 28; i++) {
      String b = "model.layers." + i + ".";
      zeros.linear(b + "self_attn.q_proj", 3584, 3584);
      zeros.linear(b + "self_attn.k_proj", 512, 3584);
      zeros.linear(b + "self_attn.v_proj", 512, 3584);
      zeros.tensor(b + "self_attn.o_proj.weight", 3584, 3584);
      zeros.tensor(b + "input_layernorm.weight", 3584);
      zeros.tensor(b + "post_attention_layernorm.weight", 3584);
      zeros.tensor(b + "mlp.gate_proj.weight", 18944, 3584);
      zeros.tensor(b + "mlp.up_proj.weight", 18944, 3584);
      zeros.tensor(b + "mlp.down_proj.weight", 3584, 18944);
    }
    zeros.tensor("model.norm.weight", 3584);
    zeros.tensor("lm_head.weight", 152064, 3584);
  }

  /** In the build folder: where temporary files live in memory, holes would become pages. */
  private Path checkpoint() throws IOException {
    Path dir = Files.createDirectories(Checkout.path("target/qwen-seven-billion"));
    PublishedQwen.seven(dir);
    vision();
    decoder();
    zeros.write(dir);
    return dir;
  }

  @Test
  void aStepOfTheWholeShapeIsTaken() throws IOException {
    Path dir = checkpoint();
    Qwen25Vl family = Qwen25Vl.read(dir);
    var image = new Image(140, 84, new byte[3 * 140 * 84]);
    ImageInput input = family.images(dir).prepare(image, ImageOptions.DEFAULT, "image");
    int[] ids = {151644, 872, 198, 151652, family.imageToken(), 151653, 3838, 151645};
    var request =
        new Request(
            ids,
            List.of(input),
            Methods.parse("star:R=0.4,P=0.8"),
            Mode.COMPACT,
            Sampling.GREEDY,
            2,
            (phase, done, of) -> {});
    try (Device device = CpuDevice.open();
        var files = Safetensors.open(dir);
        var model = new LoadedModel(device, family, family.weights(files), DType.F32);
        Generation generation = model.prefill(request)) {
      assertEquals(0, generation.next());
      assertEquals(0, generation.next());
      assertEquals(15, input.tokens().candidates());
      assertArrayEquals(new int[] {15, 9, 3}, generation.plan().visualTokens());
      assertTrue(model.decoderBytes() > 14_000_000_000L, "weights " + model.decoderBytes());
      assertTrue(generation.reservedBytes() < 8 << 20, "caches " + generation.reservedBytes());
    } finally {
      Files.deleteIfExists(dir.resolve("model.safetensors"));
    }
  }
}
