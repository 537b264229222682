package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.checkpoint.SafetensorsFile.Raw;
import starling.checkpoint.SafetensorsTest.Refusal;

/** A LLaVA's tensors, which {@link LlavaWeightsTest} tells apart, and the row behind a line. */
class LlavaNextWeightsTest {
  @TempDir private Path dir;

  private LlavaNextWeights read(Map<String, Raw> tensors) throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        LlavaConfigTest.json(
                ",\"image_grid_pinpoints\":[[6,12]]",
                LlavaWeightsTest.TEXT,
                LlavaWeightsTest.VISION)
            .replace("\"llava\"", "\"llava_next\""));
    SafetensorsFile.write(dir.resolve("model.safetensors"), tensors);
    // Left open: the records are views of it.
    return LlavaNextWeights.read(LlavaNextConfig.read(dir), Safetensors.open(dir));
  }

  private static Map<String, Raw> with(String name, Integer... shape) {
    Map<String, Raw> tensors = LlavaWeightsTest.tensors(false);
    tensors.put(name, Raw.f32(7, shape));
    return tensors;
  }

  @Test
  void theRowBehindALineHasTwoNames() throws IOException {
    for (String name : List.of("image_newline", "model.image_newline")) {
      LlavaNextWeights weights = read(with(name, 6));
      assertEquals(name, weights.newline().name());
      assertEquals(List.of(1, 6), weights.newline().shape());
      assertEquals(7 + 5, weights.newline().get(5));
      assertEquals("language_model.lm_head.weight", weights.llava().decoder().lmHead().name());
    }
  }

  @Test
  void theRowIsAsWideAsTheDecoder() {
    Refusal.of(() -> read(LlavaWeightsTest.tensors(false)), "tensor image_newline is missing");
    Refusal.of(() -> read(with("image_newline", 5)), "image_newline", "hidden_size", "[5]", "[6]");
  }
}
