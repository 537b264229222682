package starling.model.next;

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
 * A checkpoint in the shapes of llava-v1.6-vicuna-7b, 14 GB of zeros that take no room on the disk:
 * it loads, an image of three crops is pruned twice, and a step is taken; the process holds only
 * what the question needs, since weights are mapped.
 */
class NextSevenBillionTest {
  /** In the build folder: where temporary files live in memory, holes would become pages. */
  private static Path checkpoint() throws IOException {
    Path dir = Files.createDirectories(Checkout.path("target/next-seven-billion"));
    PublishedNext.vicunaSeven(dir);
    new ZeroCheckpoint("F16").tower().decoder().tensor("image_newline", 4096).write(dir);
    return dir;
  }

  @Test
  void aStepOfTheWholeShapeIsTaken() throws IOException {
    Path dir = checkpoint();
    LlavaNext family = LlavaNext.read(dir);
    var image = new Image(336, 336, new byte[3 * 336 * 336]);
    ImageInput input = family.images(dir).prepare(image, ImageOptions.DEFAULT, "image");
    int[] ids = {1, 3148, family.imageToken(), 13, 5618, 338};
    var request =
        new Request(
            ids,
            List.of(input),
            Methods.parse("star:R=0.97,P=0.99"),
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
      assertEquals(3, input.crops().size());
      assertEquals(1152, input.tokens().candidates());
      // 35 of 1152 and 12 of them, and always 24 newlines.
      assertArrayEquals(new int[] {1176, 59, 36}, generation.plan().visualTokens());
      assertTrue(model.decoderBytes() > 13_000_000_000L, "weights " + model.decoderBytes());
      // 64 rows of 32 layers at most, 16 KB of keys and 16 KB of values each.
      assertTrue(generation.reservedBytes() < 80 << 20, "caches " + generation.reservedBytes());
    } finally {
      Files.deleteIfExists(dir.resolve("model.safetensors"));
    }
  }
}
