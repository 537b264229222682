package starling.checkpoint;

import java.util.List;
import starling.input.InputException;

/**
 * The tensors of a LLaVA checkpoint, found by name and checked against the configuration. Four
 * namings occur:
 *
 * <pre>
 *   transformers 4.36   language_model.model.…   language_model.lm_head   vision_tower.vision_model.…
 *   transformers 4.52   model.language_model.…   lm_head                  model.vision_tower.vision_model.…
 *   transformers 5      model.language_model.…   lm_head                  model.vision_tower.…
 *   its saved files     language_model.model.…   language_model.lm_head   vision_tower.…
 * </pre>
 *
 * Tensors that the model does not use are left alone.
 *
 * @param vision the tower, as far as it runs
 * @param projector from the tower's rows to the decoder's
 * @param decoder the language model
 */
public record LlavaWeights(ClipWeights vision, ProjectorWeights projector, DecoderWeights decoder) {

  /**
   * Finds every tensor that the model uses; none is read yet.
   *
   * @param config of the same checkpoint
   * @param files its weights, open
   * @throws starling.input.InputException if one is missing, or of another shape or type, with its
   *     name and the fields of {@code config.json} that the shape comes from
   */
  public static LlavaWeights read(LlavaConfig config, Safetensors files) {
    Naming names = Naming.of(files);
    int d = config.text().hiddenSize();
    return new LlavaWeights(
        ClipWeights.read(config.vision(), config.visionBlocks(), files, names.vision),
        ProjectorWeights.read(
            config.vision().hiddenSize(),
            d,
            config.projectorBias(),
            files,
            names.first,
            names.second),
        DecoderWeights.read(
            config.text(), config.tieWordEmbeddings(), files, names.decoder, names.head));
  }

  /**
   * Prefixes of the tower and the decoder, of the projector's two products, and the name of the
   * head: those of transformers, and the original LLaVA's with its tower inside.
   */
  private record Naming(String vision, String first, String second, String decoder, String head) {
    private static final List<Naming> KNOWN =
        List.of(
            new Naming(
                "vision_tower.vision_model.",
                "multi_modal_projector.linear_1.",
                "multi_modal_projector.linear_2.",
                "language_model.model.",
                "language_model.lm_head.weight"),
            new Naming(
                "model.vision_tower.vision_model.",
                "model.multi_modal_projector.linear_1.",
                "model.multi_modal_projector.linear_2.",
                "model.language_model.",
                "lm_head.weight"),
            new Naming(
                "model.vision_tower.",
                "model.multi_modal_projector.linear_1.",
                "model.multi_modal_projector.linear_2.",
                "model.language_model.",
                "lm_head.weight"),
            new Naming(
                "vision_tower.",
                "multi_modal_projector.linear_1.",
                "multi_modal_projector.linear_2.",
                "language_model.model.",
                "language_model.lm_head.weight"),
            new Naming(
                "model.vision_tower.vision_tower.vision_model.",
                "model.mm_projector.0.",
                "model.mm_projector.2.",
                "model.",
                "lm_head.weight"));

    static Naming of(Safetensors files) {
      for (Naming naming : KNOWN) {
        if (files.has(naming.vision + "embeddings.class_embedding")
            && files.has(naming.decoder + "embed_tokens.weight")) {
          return naming;
        }
      }
      // Nothing fits: the first naming's first missing tensor is refused by name, unless the
      // original layout is at hand, whose tower is usually another download.
      if (files.has("model.mm_projector.0.weight")) {
        throw new InputException(
            files.dir()
                + ": tensor "
                + KNOWN.getLast().vision
                + "embeddings.class_embedding is missing; original LLaVA checkpoints leave the"
                + " tower out, so use the llava-hf checkpoint of this model");
      }
      return KNOWN.get(0);
    }
  }
}
