package starling.checkpoint;

import java.util.ArrayList;
import java.util.List;
import starling.device.StoredTensor;

/**
 * The tensors of a CLIP vision tower.
 *
 * @param classEmbedding {@code [D]}
 * @param patchEmbedding {@code [D, 3·p·p]}
 * @param positionEmbedding {@code [N + 1, D]}
 * @param preNormWeight {@code [D]}: the layer norm before the first block
 * @param preNormBias {@code [D]}
 * @param blocks those that run before the feature
 */
public record ClipWeights(
    StoredTensor classEmbedding,
    StoredTensor patchEmbedding,
    StoredTensor positionEmbedding,
    StoredTensor preNormWeight,
    StoredTensor preNormBias,
    List<Block> blocks) {

  /**
   * The tensors of one block. A weight is {@code [outputs, inputs]}.
   *
   * @param norm1Weight {@code [D]}: the layer norm before attention
   * @param norm1Bias {@code [D]}
   * @param qWeight {@code [D, D]}: queries
   * @param qBias {@code [D]}
   * @param kWeight {@code [D, D]}: keys
   * @param kBias {@code [D]}
   * @param vWeight {@code [D, D]}: values
   * @param vBias {@code [D]}
   * @param outWeight {@code [D, D]}: behind attention
   * @param outBias {@code [D]}
   * @param norm2Weight {@code [D]}: the layer norm before the MLP
   * @param norm2Bias {@code [D]}
   * @param fc1Weight {@code [M, D]}: into the MLP
   * @param fc1Bias {@code [M]}
   * @param fc2Weight {@code [D, M]}: out of it
   * @param fc2Bias {@code [D]}
   */
  public record Block(
      StoredTensor norm1Weight,
      StoredTensor norm1Bias,
      StoredTensor qWeight,
      StoredTensor qBias,
      StoredTensor kWeight,
      StoredTensor kBias,
      StoredTensor vWeight,
      StoredTensor vBias,
      StoredTensor outWeight,
      StoredTensor outBias,
      StoredTensor norm2Weight,
      StoredTensor norm2Bias,
      StoredTensor fc1Weight,
      StoredTensor fc1Bias,
      StoredTensor fc2Weight,
      StoredTensor fc2Bias) {}

  /**
   * @param blocks how many run
   * @param at what stands before the names of the tower's tensors
   */
  static ClipWeights read(ClipConfig c, int blocks, Safetensors files, String at) {
    return new Reader(c, files).tower(blocks, at);
  }

  private record Reader(ClipConfig config, Safetensors files) {

    ClipWeights tower(int count, String at) {
      int d = config.hiddenSize();
      int p = config.patchSize();
      StoredTensor patch =
          files.get(
              at + "embeddings.patch_embedding.weight",
              List.of(d, 3, p, p),
              "vision_config hidden_size, patch_size");
      var blocks = new ArrayList<Block>();
      for (int b = 0; b < count; b++) {
        blocks.add(block(at + "encoder.layers." + b + "."));
      }
      return new ClipWeights(
          files.get(at + "embeddings.class_embedding", List.of(d), "vision_config hidden_size"),
          patch.as(List.of(d, 3 * p * p)),
          files.get(
              at + "embeddings.position_embedding.weight",
              List.of(config.patches() + 1, d),
              "vision_config image_size, patch_size, hidden_size"),
          vector(at + "pre_layrnorm.weight", d, "vision_config hidden_size"),
          vector(at + "pre_layrnorm.bias", d, "vision_config hidden_size"),
          List.copyOf(blocks));
    }

    private Block block(String at) {
      int d = config.hiddenSize();
      int m = config.intermediateSize();
      String width = "vision_config hidden_size";
      String mlp = "vision_config hidden_size, intermediate_size";
      return new Block(
          vector(at + "layer_norm1.weight", d, width),
          vector(at + "layer_norm1.bias", d, width),
          matrix(at + "self_attn.q_proj.weight", d, d, width),
          vector(at + "self_attn.q_proj.bias", d, width),
          matrix(at + "self_attn.k_proj.weight", d, d, width),
          vector(at + "self_attn.k_proj.bias", d, width),
          matrix(at + "self_attn.v_proj.weight", d, d, width),
          vector(at + "self_attn.v_proj.bias", d, width),
          matrix(at + "self_attn.out_proj.weight", d, d, width),
          vector(at + "self_attn.out_proj.bias", d, width),
          vector(at + "layer_norm2.weight", d, width),
          vector(at + "layer_norm2.bias", d, width),
          matrix(at + "mlp.fc1.weight", m, d, mlp),
          vector(at + "mlp.fc1.bias", m, mlp),
          matrix(at + "mlp.fc2.weight", d, m, mlp),
          vector(at + "mlp.fc2.bias", d, mlp));
    }

    private StoredTensor matrix(String name, int rows, int columns, String fields) {
      return files.get(name, List.of(rows, columns), fields);
    }

    private StoredTensor vector(String name, int size, String fields) {
      return files.get(name, List.of(size), fields);
    }
  }
}
