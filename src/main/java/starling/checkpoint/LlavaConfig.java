package starling.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import starling.device.InputJson;
import starling.device.Limits;

/**
 * {@code config.json} of a LLaVA checkpoint in the Hugging Face layout, with the field names
 * transformers has used from 4.36 to 5.x; absent fields have transformers' defaults. Fields are the
 * checkpoint's own names in camel case.
 *
 * @param imageTokenIndex id of a picture's placeholder
 * @param visionFeatureLayer index into the tower's hidden states, of which 0 is the embeddings;
 *     negative from the end
 * @param keepsCls strategy {@code full}: the CLS row goes along; {@code default} leaves it out
 * @param dtype {@code float16}, {@code bfloat16} or {@code float32}: the type the checkpoint calls
 *     its own
 * @param eosTokenIds ids that end an answer; empty if no file names one
 * @param tieWordEmbeddings the output head is the embedding table
 * @param unknownKeys keys that nobody knows, to be warned about
 */
public record LlavaConfig(
    VisionConfig vision,
    TextConfig text,
    int imageTokenIndex,
    int visionFeatureLayer,
    boolean keepsCls,
    boolean projectorBias,
    String dtype,
    List<Integer> eosTokenIds,
    boolean tieWordEmbeddings,
    List<String> unknownKeys) {

  /**
   * The CLIP vision tower.
   *
   * @param hiddenAct {@code quick_gelu} or {@code gelu}
   */
  public record VisionConfig(
      int hiddenSize,
      int intermediateSize,
      int numHiddenLayers,
      int numAttentionHeads,
      int imageSize,
      int patchSize,
      String hiddenAct,
      float layerNormEps) {

    public int headDim() {
      return hiddenSize / numAttentionHeads;
    }
  }

  /** The Llama decoder. */
  public record TextConfig(
      int hiddenSize,
      int intermediateSize,
      int numHiddenLayers,
      int numAttentionHeads,
      int numKeyValueHeads,
      int headDim,
      float rmsNormEps,
      double ropeTheta,
      int maxPositionEmbeddings,
      int vocabSize,
      boolean attentionBias,
      boolean mlpBias) {}

  /** Patches per side. */
  public int grid() {
    return vision.imageSize() / vision.patchSize();
  }

  /** N, patches of a picture. */
  public int patches() {
    return grid() * grid();
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
    Families.check(top);
    Fields text = top.object("text_config");
    var unknown = new ArrayList<>(KnownKeys.TOP.check(top));
    unknown.addAll(KnownKeys.TEXT.check(text));
    unknown.addAll(KnownKeys.VISION.check(top.object("vision_config")));
    VisionConfig vision = vision(top);
    int layer = featureLayer(top, vision);
    top.oneOf("projector_hidden_act", "gelu", List.of("gelu"));
    TextConfig decoder = text(text);
    checkScores(text, vision, decoder);
    String strategy =
        top.oneOf("vision_feature_select_strategy", "default", List.of("default", "full"));
    return new LlavaConfig(
        vision,
        decoder,
        top.integer("image_token_index", top.integer("image_token_id", 32000, 0), 0),
        layer,
        strategy.equals("full"),
        top.flag("multimodal_projector_bias", true),
        dtype(top, text),
        endTokens(dir, top, text),
        top.flag("tie_word_embeddings", false) || text.flag("tie_word_embeddings", false),
        List.copyOf(unknown));
  }

  private static VisionConfig vision(Fields top) {
    Fields v = top.object("vision_config");
    v.oneOf("model_type", "clip_vision_model", List.of("clip_vision_model"));
    var config =
        new VisionConfig(
            v.integer("hidden_size", 768, 1),
            v.integer("intermediate_size", 3072, 1),
            layers(v, 12),
            v.integer("num_attention_heads", 12, 1),
            v.integer("image_size", 224, 1),
            v.integer("patch_size", 32, 1),
            v.oneOf("hidden_act", "quick_gelu", List.of("quick_gelu", "gelu")),
            (float) v.positive("layer_norm_eps", 1e-5));
    if (config.hiddenSize() % config.numAttentionHeads() != 0) {
      throw v.wrong(
          "hidden_size",
          "is "
              + config.hiddenSize()
              + ", not a multiple of num_attention_heads "
              + config.numAttentionHeads());
    }
    int channels = v.integer("num_channels", 3, 1);
    if (channels != 3) {
      throw v.wrong("num_channels", "is " + channels + "; 3 is supported");
    }
    int grid = config.imageSize() / config.patchSize();
    if (grid < 1 || config.imageSize() > Limits.IMAGE_SIDE || grid * grid > Limits.PATCHES) {
      throw v.wrong(
          "image_size",
          "is "
              + config.imageSize()
              + " with patch_size "
              + config.patchSize()
              + "; at most "
              + Limits.IMAGE_SIDE
              + " pixels and 1 to "
              + Limits.PATCHES
              + " patches are supported");
    }
    return config;
  }

  /** Attention's work is not in the size of any file. */
  private static void checkScores(Fields fields, VisionConfig tower, TextConfig decoder) {
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
              + " patches of a picture that is more than "
              + Limits.SCORES
              + " attention scores");
    }
  }

  private static TextConfig text(Fields t) {
    t.oneOf("model_type", "llama", List.of("llama"));
    t.oneOf("hidden_act", "silu", List.of("silu"));
    int hidden = t.integer("hidden_size", 4096, 1);
    int heads = t.integer("num_attention_heads", 32, 1);
    int keyHeads = t.integer("num_key_value_heads", heads, 1);
    if (heads % keyHeads != 0) {
      throw t.wrong(
          "num_attention_heads",
          "is " + heads + ", not a multiple of num_key_value_heads " + keyHeads);
    }
    if (!t.has("head_dim") && hidden % heads != 0) {
      throw t.wrong(
          "hidden_size", "is " + hidden + ", not a multiple of num_attention_heads " + heads);
    }
    int headDim = t.integer("head_dim", hidden / heads, 1);
    if ((long) heads * headDim > Limits.SIZE) {
      throw t.wrong(
          "head_dim", "is " + headDim + " for " + heads + " heads; that is absurdly wide");
    }
    if (headDim % 2 != 0) {
      throw t.wrong("head_dim", "is " + headDim + "; rotary embeddings need an even one");
    }
    return new TextConfig(
        hidden,
        t.integer("intermediate_size", 11008, 1),
        layers(t, 32),
        heads,
        keyHeads,
        headDim,
        (float) t.positive("rms_norm_eps", 1e-6),
        ropeTheta(t),
        t.integer("max_position_embeddings", 2048, 1),
        t.integer("vocab_size", 32000, 1),
        t.flag("attention_bias", false),
        t.flag("mlp_bias", false));
  }

  /**
   * {@code rope_theta}, or that inside {@code rope_parameters} (transformers 5) or {@code
   * rope_scaling}.
   */
  private static double ropeTheta(Fields t) {
    double theta = t.positive("rope_theta", 0);
    for (String field : List.of("rope_parameters", "rope_scaling")) {
      Fields rope = t.object(field);
      rope.oneOf("rope_type", "default", List.of("default"));
      rope.oneOf("type", "default", List.of("default"));
      for (var key : rope.node().properties()) {
        if (!List.of("rope_type", "type", "rope_theta").contains(key.getKey())) {
          throw rope.wrong(
              key.getKey(), "is " + InputJson.shown(key.getValue()) + ", which is not supported");
        }
      }
      double inside = rope.positive("rope_theta", theta);
      if (theta != 0 && inside != theta) {
        throw t.wrong("rope_theta", "is " + theta + ", but " + field + ".rope_theta is " + inside);
      }
      theta = inside;
    }
    return theta == 0 ? 10000 : theta;
  }

  private static int layers(Fields f, int otherwise) {
    int layers = f.integer("num_hidden_layers", otherwise, 1);
    if (layers > Limits.LAYERS) {
      throw f.wrong(
          "num_hidden_layers", "is " + layers + "; at most " + Limits.LAYERS + " are supported");
    }
    return layers;
  }

  private static int featureLayer(Fields top, VisionConfig vision) {
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

  private static String dtype(Fields top, Fields text) {
    for (Fields fields : List.of(top, text)) {
      for (String field : List.of("dtype", "torch_dtype")) {
        if (fields.has(field)) {
          return fields.text(field, "").replace("torch.", "");
        }
      }
    }
    return "float16";
  }

  /**
   * The token that {@code tokenizer_config.json} ends texts with, for checkpoints whose
   * configuration names no end token; null if that file does not either.
   */
  public static String endToken(Path dir) {
    Path file = dir.resolve("tokenizer_config.json");
    if (!Files.exists(file)) {
      return null;
    }
    Fields fields = Fields.read(file);
    return fields.node().path("eos_token").isObject()
        ? fields.object("eos_token").text("content", null)
        : fields.text("eos_token", null);
  }

  private static List<Integer> endTokens(Path dir, Fields top, Fields text) {
    var places = new ArrayList<Fields>();
    Path generation = dir.resolve("generation_config.json");
    if (Files.exists(generation)) {
      places.add(Fields.read(generation));
    }
    places.add(top);
    places.add(text);
    for (Fields place : places) {
      List<Integer> ids = place.integers("eos_token_id");
      if (!ids.isEmpty()) {
        return ids;
      }
    }
    return List.of();
  }
}
