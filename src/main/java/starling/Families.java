package starling;

import java.nio.file.Path;
import java.util.Map;
import java.util.function.Function;
import starling.checkpoint.CheckpointFolder;
import starling.input.InputException;
import starling.model.VisionLanguageModel;
import starling.model.llava.Llava;

/** The families of models, by the {@code model_type} of a checkpoint. */
public final class Families {
  private static final Map<String, Function<Path, VisionLanguageModel>> READERS =
      Map.of("llava", Llava::read);

  private Families() {}

  /**
   * Reads what a checkpoint says of itself; no weights.
   *
   * @throws InputException if it is none, or of no family that is known
   */
  public static VisionLanguageModel read(Path dir) {
    // Whoever is of no family is refused by LLaVA's reader, in words that say where the way goes
    // on.
    return READERS.getOrDefault(CheckpointFolder.modelType(dir), Llava::read).apply(dir);
  }
}
