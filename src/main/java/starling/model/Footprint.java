package starling.model;

import java.util.Locale;
import starling.checkpoint.TextConfig;
import starling.device.DType;
import starling.input.InputException;
import starling.input.Limits;

/**
 * Memory that a question takes beside the weights, counted from shapes before any is taken: a file
 * of a few megabytes may ask for rows a million wide.
 */
final class Footprint {
  private Footprint() {}

  /**
   * Refuses a question that takes more than {@link Limits#QUESTION_BYTES} and many times the memory
   * of the decoder's weights.
   *
   * @param weights bytes of the decoder's weights
   */
  static void check(VisionLanguageModel model, Planner planner, DType dtype, long weights) {
    long elements = decoder(model.text(), planner.plan(planner.bounds()));
    elements += planner.shape().images().stream().mapToLong(model::towerElements).max().orElse(0);
    long bytes = elements * dtype.bytes();
    if (bytes > Math.max(Limits.QUESTION_BYTES, Limits.QUESTION_WEIGHTS * weights)) {
      throw new InputException(
          String.format(
              Locale.ROOT,
              "the question would take %.1f GB of keys, values and activations beside the decoder's"
                  + " %.3f GB of weights; ask for fewer tokens or use a checkpoint whose config.json"
                  + " has sane sizes",
              bytes / 1e9,
              weights / 1e9));
    }
  }

  private static long decoder(TextConfig c, Plan plan) {
    long queries = (long) c.numAttentionHeads() * c.headDim();
    long keys = (long) c.numKeyValueHeads() * c.headDim();
    long row = c.hiddenSize() + 3 * queries + 2 * keys + c.intermediateSize();
    long cached = 0;
    for (int l = 0; l < c.numHiddenLayers(); l++) {
      cached += plan.capacity(l);
    }
    return row * plan.layout().rows() + 2 * keys * cached;
  }
}
