package starling.model.next;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.checkpoint.SafetensorsFile;
import starling.cpu.CpuDevice;
import starling.model.ImageOptions;
import starling.model.Mode;

/**
 * The same weights under every name that files of LLaVA-NeXT have, and a folder as 4.57 saves it.
 */
class NextNamesTest {
  private static final Path OLDER = NextCheckpoint.folder("saved-by-4.57.6");

  /** As far as the tiny checkpoint's own golden is from transformers. */
  private static final double BOUND = 2e-5;

  /** With the configuration of the older version, whose fields have other names, too. */
  @ParameterizedTest
  @CsvSource({
    "'', vision_tower.vision_model., language_model.model., language_model.",
    "'', vision_tower.vision_model., model.language_model., ''",
    "'', vision_tower.vision_model., model.language_model.model., model.language_model.",
    "'', vision_tower., language_model.model., language_model.",
    "'', vision_tower., model.language_model., ''",
    "'', vision_tower., model.language_model.model., model.language_model.",
    "model., model.vision_tower.vision_model., language_model.model., language_model.",
    "model., model.vision_tower.vision_model., model.language_model., ''",
    "model., model.vision_tower.vision_model., model.language_model.model., model.language_model.",
    "model., model.vision_tower., language_model.model., language_model.",
    "model., model.vision_tower., model.language_model., ''",
    "model., model.vision_tower., model.language_model.model., model.language_model."
  })
  void everyNamingGivesTheLogitsOfTransformers(
      String prefix, String tower, String decoder, String head, @TempDir Path dir)
      throws IOException {
    var renamed = new LinkedHashMap<String, SafetensorsFile.Raw>();
    SafetensorsFile.read(NextCheckpoint.folder("llama").resolve("model.safetensors"))
        .forEach(
            (name, tensor) ->
                renamed.put(
                    name.replaceFirst("^vision_tower\\.", tower)
                        .replaceFirst("^(multi_modal|image_newline)", prefix + "$1")
                        .replaceFirst("^language_model\\.model\\.", decoder)
                        .replaceFirst("^language_model\\.lm_head", head + "lm_head"),
                    tensor));
    assertTrue(renamed.containsKey(prefix + "image_newline"));
    assertTrue(renamed.containsKey(tower + "embeddings.class_embedding"));
    assertTrue(renamed.containsKey(head + "lm_head.weight"));
    assertEquals(81, renamed.size());
    SafetensorsFile.write(dir.resolve("model.safetensors"), renamed);
    Files.copy(OLDER.resolve("config.json"), dir.resolve("config.json"));
    JsonNode golden = NextCheckpoint.cases("llama").get(1);
    try (var at = NextCheckpoint.open(dir, CpuDevice.open(1))) {
      var images = List.of(at.image(golden, ImageOptions.DEFAULT));
      NextCheckpoint.isTheGolden(golden, at.run(images, "none", Mode.COMPACT), BOUND);
    }
  }

  /** Its weights are others; the image is the first of the tiny Llama's. */
  @Test
  void aFolderOfTheOlderVersionGivesTheLogitsOfTransformers() throws IOException {
    JsonNode golden = NextCheckpoint.cases("saved-by-4.57.6").get(0);
    try (var at = NextCheckpoint.open(OLDER, CpuDevice.open())) {
      var images = List.of(at.image(NextCheckpoint.cases("llama").get(0), ImageOptions.DEFAULT));
      NextCheckpoint.isTheGolden(golden, at.run(images, "none", Mode.COMPACT), BOUND);
    }
  }
}
