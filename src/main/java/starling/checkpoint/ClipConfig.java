package starling.checkpoint;

import java.util.List;
import starling.input.Limits;

/**
 * A CLIP vision tower: {@code vision_config} with the checkpoint's own names in camel case; absent
 * fields have transformers' defaults.
 *
 * @param hiddenSize D, the width of a row
 * @param intermediateSize M, the width inside the MLP
 * @param numHiddenLayers blocks
 * @param numAttentionHeads H, heads of attention; divides D
 * @param imageSize pixels of a side of the image
 * @param patchSize p, pixels of a side of a patch
 * @param hiddenAct {@code quick_gelu} or {@code gelu}
 * @param layerNormEps what is added to the variance before its root
 */
public record ClipConfig(
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int imageSize,
    int patchSize,
    String hiddenAct,
    float layerNormEps) {

  /** d, the width of a head: D / H. */
  public int headDim() {
    return hiddenSize / numAttentionHeads;
  }

  int grid() {
    return imageSize / patchSize;
  }

  int patches() {
    return grid() * grid();
  }

  /** Reads {@code vision_config}. */
  static ClipConfig read(Fields v) {
    v.oneOf("model_type", "clip_vision_model", List.of("clip_vision_model"));
    var config =
        new ClipConfig(
            v.integer("hidden_size", 768, 1),
            v.integer("intermediate_size", 3072, 1),
            TextConfig.layers(v, 12),
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
    int grid = config.grid();
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
}
