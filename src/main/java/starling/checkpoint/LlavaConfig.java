package starling.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * {@code config.json} of a LLaVA checkpoint in the Hugging Face layout, with the field names
 * transformers has used from 4.36 to 5.x; absent fields have transformers' defaults. Fields are the
 * checkpoint's own names in camel case.
 *
 * @param vision the tower
 * @param text the decoder
 * @param imageTokenIndex id of an image's placeholder
 * @param visionFeatureLayer index into the tower's hidden states, of which 0 is the embeddings;
 *     negative from the end
 * @param keepsCls strategy {@code full}: the CLS row goes along; {@code default} leaves it out
 * @param projectorBias whether the projector's two products have biases
 * @param dtype {@code float16}, {@code bfloat16} or {@code float32}: the type the checkpoint calls
 *     its own
 * @param eosTokenIds ids that end an answer; empty if no file names one
 * @param tieWordEmbeddings the output head is the embedding table
 * @param unknownKeys keys that nobody knows, to be warned about
 */
public record LlavaConfig(
    ClipConfig vision,
    TextConfig text,
    int imageTokenIndex,
    int visionFeatureLayer,
    boolean keepsCls,
    boolean projectorBias,
    String dtype,
    List<Integer> eosTokenIds,
    boolean tieWordEmbeddings,
    List<String> unknownKeys) {

  /** Patches per side. */
  public int grid() {
    return vision.grid();
  }

  /** N, patches of an image. */
  public int patches() {
    return vision.patches();
  }

  /** Blocks of the tower that run before the feature; the rest is never needed. */
  public int visionBlocks() {
    return visionFeatureLayer < 0
        ? visionFeatureLayer + vision.numHiddenLayers() + 1
        : visionFeatureLayer;
  }

  /** Reads {@code config.json} and, for the end tokens, {@code generation_config.json}. */
  public static LlavaConfig read(Path dir) {
    CheckpointFolder.check(dir);
    Fields top = Fields.read(dir.resolve("config.json"));
    ModelType.check(top);
    return of(dir, top, KnownKeys.TOP, List.of("llama"));
  }

  /**
   * Reads what the LLaVA families have in common.
   *
   * @param keys those of the top level
   * @param decoders supported {@code model_type}s of the decoder
   */
  static LlavaConfig of(Path dir, Fields top, KnownKeys keys, List<String> decoders) {
    Fields text = top.object("text_config");
    var unknown = new ArrayList<>(keys.check(top));
    unknown.addAll(KnownKeys.TEXT.check(text));
    unknown.addAll(KnownKeys.VISION.check(top.object("vision_config")));
    ClipConfig vision = ClipConfig.read(top.object("vision_config"));
    int layer = featureLayer(top, vision);
    top.oneOf("projector_hidden_act", "gelu", List.of("gelu"));
    TextConfig decoder = TextConfig.read(text, decoders);
    checkScores(text, vision, decoder);
    String strategy =
        top.oneOf("vision_feature_select_strategy", "default", List.of("default", "full"));
    var common = CommonConfig.read(dir, top, text, "float16");
    return new LlavaConfig(
        vision,
        decoder,
        top.integer("image_token_index", top.integer("image_token_id", 32000, 0), 0),
        layer,
        strategy.equals("full"),
        top.flag("multimodal_projector_bias", true),
        common.dtype(),
        common.eosTokenIds(),
        common.tieWordEmbeddings(),
        List.copyOf(unknown));
  }

  /** Attention's work is not in the size of any file. */
  private static void checkScores(Fields fields, ClipConfig tower, TextConfig decoder) {
    long grid = tower.imageSize() / tower.patchSize();
    long patches = grid * grid;
    long heads =
        (long) tower.numAttentionHeads() * tower.numHiddenLayers()
            + (long) decoder.numAttentionHeads() * decoder.numHiddenLayers();
    if (heads > Limits.SCORES / (patches * patches)) {
      throw fields.wrong(
          "num_attention_heads",
          "is "
              + decoder.numAttentionHeads()
              + ", "
              + heads
              + " in all layers and the tower's blocks; for the "
              + patches
              + " patches of an image that is more than "
              + Limits.SCORES
              + " attention scores");
    }
  }

  private static int featureLayer(Fields top, ClipConfig vision) {
    int layers = vision.numHiddenLayers();
    var value = top.has("vision_feature_layer") ? top.node().get("vision_feature_layer") : null;
    if (value != null && !value.isInt()) {
      throw top.wrong(
          "vision_feature_layer", "is " + InputJson.shown(value) + "; one layer is supported");
    }
    int layer = value == null ? -2 : value.intValue();
    if (layer < -layers - 1 || layer > layers) {
      throw top.wrong(
          "vision_feature_layer", "is " + layer + ", but the tower has " + layers + " layers");
    }
    return layer;
  }
}
