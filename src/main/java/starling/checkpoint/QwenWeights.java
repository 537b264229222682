package starling.checkpoint;

/**
 * The tensors of a Qwen2.5-VL checkpoint, found by name and checked against the configuration. Two
 * namings occur:
 *
 * <pre>
 *   published files, and all that transformers saves   model.…                  visual.…
 *   as they are called in memory since 4.52            model.language_model.…   model.visual.…
 * </pre>
 *
 * The output head is its own tensor where the files have one; else the embedding table, if the
 * configuration ties them.
 *
 * @param vision tower and merger
 * @param decoder the language model
 */
public record QwenWeights(QwenVisionWeights vision, DecoderWeights decoder) {
  /**
   * Finds every tensor that the model uses; none is read yet.
   *
   * @param config of the same checkpoint
   * @param files its weights, open
   * @throws starling.input.InputException if one is missing, or of another shape or type, with its
   *     name and the fields of {@code config.json} that the shape comes from
   */
  public static QwenWeights read(QwenConfig config, Safetensors files) {
    String vision = files.has("model.visual.patch_embed.proj.weight") ? "model.visual." : "visual.";
    boolean inside = files.has("model.language_model.embed_tokens.weight");
    return new QwenWeights(
        QwenVisionWeights.read(config.vision(), files, vision),
        DecoderWeights.withoutOutputBias(
            config.text(),
            config.tieWordEmbeddings(),
            files,
            inside ? "model.language_model." : "model.",
            "lm_head.weight"));
  }
}
