package starling.checkpoint;

import java.util.ArrayList;
import java.util.List;
import starling.device.StoredTensor;

/**
 * The tensors of Qwen2.5-VL's vision tower and of the merger behind it.
 *
 * @param patchEmbedding {@code [D, 3·p·p]}: what a still image meets, the weights of all frames of
 *     a patch summed
 * @param blocks from the first to the last
 * @param mergerNorm {@code [D]}: the RMS norm before the merger
 * @param merger {@code [4·D, 4·D]} and {@code [out, 4·D]}: four rows of the tower to one of the
 *     decoder
 */
public record QwenVisionWeights(
    StoredTensor patchEmbedding,
    List<Block> blocks,
    StoredTensor mergerNorm,
    ProjectorWeights merger) {

  /**
   * The tensors of one block. A weight is {@code [outputs, inputs]}.
   *
   * @param norm1 {@code [D]}: the RMS norm before attention
   * @param qkvWeight {@code [3·D, D]}: queries, keys and values
   * @param qkvBias {@code [3·D]}
   * @param projWeight {@code [D, D]}: behind attention
   * @param projBias {@code [D]}
   * @param norm2 {@code [D]}: the RMS norm before the MLP
   * @param gateWeight {@code [M, D]}: through SiLU
   * @param gateBias {@code [M]}
   * @param upWeight {@code [M, D]}: times the gate
   * @param upBias {@code [M]}
   * @param downWeight {@code [D, M]}: out of the MLP
   * @param downBias {@code [D]}
   */
  public record Block(
      StoredTensor norm1,
      StoredTensor qkvWeight,
      StoredTensor qkvBias,
      StoredTensor projWeight,
      StoredTensor projBias,
      StoredTensor norm2,
      StoredTensor gateWeight,
      StoredTensor gateBias,
      StoredTensor upWeight,
      StoredTensor upBias,
      StoredTensor downWeight,
      StoredTensor downBias) {}

  /** Copies the list. */
  public QwenVisionWeights {
    blocks = List.copyOf(blocks);
  }

  /**
   * @param at what stands before the names of the tower's tensors
   */
  static QwenVisionWeights read(QwenVisionConfig c, Safetensors files, String at) {
    var reader = new Reader(c, files);
    var blocks = new ArrayList<Block>();
    for (int b = 0; b < c.depth(); b++) {
      blocks.add(reader.block(at + "blocks." + b + "."));
    }
    int wide = c.cellRows() * c.hiddenSize();
    String fields = "vision_config hidden_size, spatial_merge_size, out_hidden_size";
    String merger = at + "merger.mlp.";
    return new QwenVisionWeights(
        reader.patchEmbedding(at + "patch_embed.proj.weight"),
        blocks,
        reader.vector(at + "merger.ln_q.weight", c.hiddenSize()),
        new ProjectorWeights(
            files.get(merger + "0.weight", List.of(wide, wide), fields),
            files.get(merger + "0.bias", List.of(wide), fields),
            files.get(merger + "2.weight", List.of(c.outHiddenSize(), wide), fields),
            files.get(merger + "2.bias", List.of(c.outHiddenSize()), fields)));
  }

  private record Reader(QwenVisionConfig config, Safetensors files) {
    private static final String SIZES = "vision_config hidden_size, intermediate_size";

    Block block(String at) {
      int d = config.hiddenSize();
      int m = config.intermediateSize();
      return new Block(
          vector(at + "norm1.weight", d),
          matrix(at + "attn.qkv.weight", 3 * d, d),
          vector(at + "attn.qkv.bias", 3 * d),
          matrix(at + "attn.proj.weight", d, d),
          vector(at + "attn.proj.bias", d),
          vector(at + "norm2.weight", d),
          matrix(at + "mlp.gate_proj.weight", m, d),
          vector(at + "mlp.gate_proj.bias", m),
          matrix(at + "mlp.up_proj.weight", m, d),
          vector(at + "mlp.up_proj.bias", m),
          matrix(at + "mlp.down_proj.weight", d, m),
          vector(at + "mlp.down_proj.bias", d));
    }

    /**
     * {@code [D, 3, frames, p, p]} summed over the frames, which all show the same still image.
     * Sums are f32: the product is a little nearer to the exact one than frame by frame.
     */
    StoredTensor patchEmbedding(String name) {
      int d = config.hiddenSize();
      int p = config.patchSize();
      int frames = config.temporalPatchSize();
      StoredTensor stored =
          files.get(
              name,
              List.of(d, 3, frames, p, p),
              "vision_config hidden_size, temporal_patch_size, patch_size");
      int plane = p * p;
      float[] sums = new float[Math.multiplyExact(3 * d, plane)];
      float[] frame = new float[plane];
      for (int row = 0; row < 3 * d; row++) {
        for (int f = 0; f < frames; f++) {
          stored.load(((long) row * frames + f) * plane, plane, frame, 0);
          for (int i = 0; i < plane; i++) {
            sums[row * plane + i] += frame[i];
          }
        }
      }
      return StoredTensor.of(name, List.of(d, 3 * plane), sums);
    }

    private StoredTensor matrix(String name, int rows, int columns) {
      return files.get(name, List.of(rows, columns), SIZES);
    }

    StoredTensor vector(String name, int size) {
      return files.get(name, List.of(size), SIZES);
    }
  }
}
