package starling.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What {@code generation_config.json} says of how tokens are drawn, as far as it is followed: its
 * temperature, top-k and top-p are not.
 *
 * @param repetitionPenalty 1 is none
 */
public record GenerationConfig(float repetitionPenalty) {
  /**
   * Reads a checkpoint's; without the file or the field there is no penalty.
   *
   * @throws starling.input.InputException if the penalty is not above 0
   */
  public static GenerationConfig read(Path dir) {
    Path file = dir.resolve("generation_config.json");
    if (!Files.exists(file)) {
      return new GenerationConfig(1);
    }
    return new GenerationConfig((float) Fields.read(file).positive("repetition_penalty", 1));
  }
}
