package starling.checkpoint;

import java.util.List;
import starling.input.InputException;

/**
 * The tensors of a LLaVA checkpoint, found by name and checked against the configuration. These
 * namings occur, and any mixture of them is read:
 *
 * <pre>
 *   transformers 4.36   language_model.model.…   language_model.lm_head   vision_tower.vision_model.…
 *   transformers 4.52   model.language_model.…   lm_head                  model.vision_tower.vision_model.…
 *   transformers 5      model.language_model.…   lm_head                  model.vision_tower.…
 *   its saved files     language_model.model.…   language_model.lm_head   vision_tower.…
 *   original LLaVA      model.…                  lm_head                  model.vision_tower.vision_tower.…
 * </pre>
 *
 * Tensors that the model does not use are left alone.
 *
 * @param vision the tower, as far as it runs
 * @param projector from the tower's rows to the decoder's
 * @param decoder the language model
 */
public record LlavaWeights(ClipWeights vision, ProjectorWeights projector, DecoderWeights decoder) {
  private static final List<String> TOWER =
      List.of(
          "vision_tower.vision_model.",
          "model.vision_tower.vision_model.",
          "model.vision_tower.",
          "vision_tower.",
          "model.vision_tower.vision_tower.vision_model.");
  private static final List<String> FIRST =
      List.of(
          "multi_modal_projector.linear_1.",
          "model.multi_modal_projector.linear_1.",
          "model.mm_projector.0.");
  private static final List<String> SECOND =
      List.of(
          "multi_modal_projector.linear_2.",
          "model.multi_modal_projector.linear_2.",
          "model.mm_projector.2.");
  private static final List<String> DECODER =
      List.of(
          "language_model.model.",
          "model.language_model.",
          "model.language_model.model.",
          "model.");
  private static final List<String> HEAD =
      List.of(
          "language_model.lm_head.", "lm_head.", "model.language_model.lm_head.", "model.lm_head.");

  /**
   * Finds every tensor that the model uses; none is read yet.
   *
   * @param config of the same checkpoint
   * @param files its weights, open
   * @throws starling.input.InputException if one is missing, or of another shape or type, with its
   *     name and the fields of {@code config.json} that the shape comes from
   */
  public static LlavaWeights read(LlavaConfig config, Safetensors files) {
    int d = config.text().hiddenSize();
    return new LlavaWeights(
        ClipWeights.read(config.vision(), config.visionBlocks(), files, tower(files)),
        ProjectorWeights.read(
            config.vision().hiddenSize(),
            d,
            config.projectorBias(),
            files,
            there(files, FIRST, "weight"),
            there(files, SECOND, "weight")),
        DecoderWeights.read(
            config.text(),
            config.tieWordEmbeddings(),
            files,
            there(files, DECODER, "embed_tokens.weight"),
            there(files, HEAD, "weight") + "weight"));
  }

  private static String tower(Safetensors files) {
    String tower = there(files, TOWER, "embeddings.class_embedding");
    boolean original = files.has("model.mm_projector.0.weight");
    if (original && !files.has(tower + "embeddings.class_embedding")) {
      throw new InputException(
          files.dir()
              + ": tensor "
              + TOWER.getLast()
              + "embeddings.class_embedding is missing; original LLaVA checkpoints leave the"
              + " tower out, so use the llava-hf checkpoint of this model");
    }
    return tower;
  }

  /** The first prefix under which a tensor is there; if none is, its first name is refused. */
  private static String there(Safetensors files, List<String> prefixes, String name) {
    return prefixes.stream()
        .filter(prefix -> files.has(prefix + name))
        .findFirst()
        .orElse(prefixes.get(0));
  }
}
