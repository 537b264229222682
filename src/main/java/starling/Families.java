package starling;

import java.nio.file.Path;
import java.util.Map;
import java.util.function.Function;
import starling.checkpoint.CheckpointFolder;
import starling.input.InputException;
import starling.model.VisionLanguageModel;
import starling.model.llava.Llava;
import starling.model.next.LlavaNext;
import starling.model.qwen.Qwen25Vl;

/** The families of models, by the {@code model_type} of a checkpoint. */
public final class Families {
  private static final Map<String, Function<Path, VisionLanguageModel>> READERS =
      Map.of("llava", Llava::read, "llava_next", LlavaNext::read, "qwen2_5_vl", Qwen25Vl::read);

  private Families() {}

  /**
   * Reads what a checkpoint says of itself; no weights.
   *
   * @throws InputException if it is none, or of no family that is known
   */
  public static VisionLanguageModel read(Path dir) {
    // Any other model_type is refused by LLaVA's reader, which says what to use instead.
    return READERS.getOrDefault(CheckpointFolder.modelType(dir), Llava::read).apply(dir);
  }
}
