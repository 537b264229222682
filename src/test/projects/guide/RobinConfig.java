package starling.checkpoint;

import java.nio.file.Path;
import java.util.List;

/**
 * {@code config.json} of a Robin checkpoint, whose fields have names of their own.
 *
 * @param imageId id of an image's placeholder
 * @param endId id that ends an answer
 * @param dtype {@code float16}, {@code bfloat16} or {@code float32}
 */
public record RobinConfig(
    ClipConfig tower, TextConfig decoder, int imageId, int endId, String dtype) {

  /** Reads {@code config.json}. */
  public static RobinConfig read(Path dir) {
    CheckpointFolder.check(dir);
    Fields top = Fields.read(dir.resolve("config.json"));
    top.oneOf("model_type", "robin", List.of("robin"));
    return new RobinConfig(
        ClipConfig.read(top.object("tower")),
        TextConfig.read(top.object("decoder")),
        top.integer("image_id", 1, 0),
        top.integer("end_id", 2, 0),
        top.oneOf("dtype", "float16", List.of("float16", "bfloat16", "float32")));
  }

  /** The last block of the tower is not run. */
  public int visionBlocks() {
    return tower.numHiddenLayers() - 1;
  }

  /** Patches per side. */
  public int grid() {
    return tower.grid();
  }
}
