package starling.checkpoint;

import java.util.List;
import java.util.stream.IntStream;
import starling.input.Limits;

/**
 * The vision tower of Qwen2.5-VL: {@code vision_config} with the checkpoint's own names in camel
 * case. Sizes must be there, because transformers' defaults are those of no published checkpoint.
 *
 * @param hiddenSize D, the width of a row
 * @param intermediateSize M, the width inside the MLP
 * @param depth blocks
 * @param numHeads H, heads of attention; divides D, and a head is a multiple of four wide
 * @param patchSize p, pixels of a side of a patch
 * @param spatialMergeSize m, patches of a side of a visual token
 * @param temporalPatchSize frames of a patch; a still image is repeated as often
 * @param windowSize pixels of a side of a window
 * @param fullattBlockIndexes the blocks that attend to the whole image, the last one among them;
 *     the others stay inside a window
 * @param outHiddenSize width of the decoder's rows
 */
public record QwenVisionConfig(
    int hiddenSize,
    int intermediateSize,
    int depth,
    int numHeads,
    int patchSize,
    int spatialMergeSize,
    int temporalPatchSize,
    int windowSize,
    List<Integer> fullattBlockIndexes,
    int outHiddenSize) {

  /** Copies the list. */
  public QwenVisionConfig {
    fullattBlockIndexes = List.copyOf(fullattBlockIndexes);
  }

  /** d, the width of a head: D / H. */
  public int headDim() {
    return hiddenSize / numHeads;
  }

  /** Rows of the tower that become one visual token. */
  public int cellRows() {
    return spatialMergeSize * spatialMergeSize;
  }

  /** Pixels of a side of a visual token. */
  public int cellSize() {
    return patchSize * spatialMergeSize;
  }

  /** Visual tokens along a side of a window. */
  public int windowCells() {
    return windowSize / cellSize();
  }

  /** Blocks that attend to the whole image. */
  public int fullBlocks() {
    return (int) fullattBlockIndexes.stream().distinct().count();
  }

  /** Attention scores of an image of so many rows of the tower, with no window cut. */
  double scores(double rows) {
    double window = (double) windowCells() * windowCells() * cellRows();
    double full = fullBlocks();
    return numHeads * rows * (full * rows + (depth - full) * Math.min(window, rows));
  }

  /** Reads {@code vision_config}. */
  static QwenVisionConfig read(Fields v) {
    v.oneOf("model_type", "qwen2_5_vl", List.of("qwen2_5_vl", "qwen2_5_vl_vision"));
    v.oneOf("hidden_act", "silu", List.of("silu"));
    for (String field : List.of("in_channels", "in_chans")) {
      if (v.integer(field, 3, 1) != 3) {
        throw v.wrong(field, "is " + v.integer(field, 3, 1) + "; 3 is supported");
      }
    }
    Fields rope = v.object("rope_parameters");
    rope.oneOf("rope_type", "axial", List.of("axial"));
    if (rope.number("rope_theta", 10000) != 10000) {
      throw rope.wrong("rope_theta", "is " + rope.number("rope_theta", 0) + "; 10000 is supported");
    }
    var config =
        new QwenVisionConfig(
            v.required("hidden_size"),
            v.required("intermediate_size"),
            v.required("depth"),
            v.required("num_heads"),
            v.required("patch_size"),
            v.integer("spatial_merge_size", 2, 1),
            v.integer("temporal_patch_size", 2, 1),
            v.integer("window_size", 112, 1),
            v.integers("fullatt_block_indexes"),
            v.required("out_hidden_size"));
    config.check(v);
    return config;
  }

  private void check(Fields v) {
    if (depth > Limits.LAYERS) {
      throw v.wrong("depth", "is " + depth + "; at most " + Limits.LAYERS + " are supported");
    }
    if (hiddenSize % numHeads != 0 || headDim() % 4 != 0) {
      throw v.wrong(
          "hidden_size",
          "is "
              + hiddenSize
              + " for num_heads "
              + numHeads
              + "; a head must be a multiple of four wide, half for rows and half for columns");
    }
    if (spatialMergeSize != 2) {
      throw v.wrong("spatial_merge_size", "is " + spatialMergeSize + "; 2 is supported");
    }
    if (temporalPatchSize > 16) {
      throw v.wrong("temporal_patch_size", "is " + temporalPatchSize + "; at most 16 is supported");
    }
    if (patchSize > Limits.IMAGE_SIDE || windowSize > Limits.IMAGE_SIDE || windowCells() < 1) {
      throw v.wrong(
          "window_size",
          "is %d with patch_size %d; at least a visual token of %d pixels and at most %d are supported"
              .formatted(windowSize, patchSize, 2L * patchSize, Limits.IMAGE_SIDE));
    }
    if (!fullattBlockIndexes.contains(depth - 1)
        || !IntStream.range(0, depth).boxed().toList().containsAll(fullattBlockIndexes)) {
      throw v.wrong(
          "fullatt_block_indexes",
          "is %s for %d blocks; the last, %d, has to be among them, because images are pruned by its attention"
              .formatted(fullattBlockIndexes, depth, depth - 1));
    }
  }
}
