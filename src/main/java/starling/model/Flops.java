package starling.model;

import java.util.Arrays;
import java.util.List;
import starling.checkpoint.TextConfig;
import starling.prune.ImageTokens;

/**
 * Floating-point operations of reading a prompt, by formula F3: a decoder layer with n rows costs
 * {@code 4nd² + 4nde + 4n²d + 6ndm} (a multiply and an add are two; e is the width of keys, so that
 * without grouped heads the first two are {@code 8nd²}), a vision block {@code 8nd² + 4n²d + 4ndm}
 * for each crop with n = patches + 1, the projector {@code 2n(d_v·d + d²)}; other towers and
 * projectors as their family says. All rows that enter a layer count, text included; the output
 * head does not. The CDPruner, FasterVLM and VisPruner tables use it (vision tower counted in the
 * latter two).
 *
 * @param dense with no row dropped
 * @param pruned with the rows that entered each layer
 * @param vision those of the tower, without the projector: a part of both
 */
public record Flops(double dense, double pruned, double vision) {
  /**
   * How operations are counted, for reports; n rows, d and m the widths of a row and of the MLP.
   */
  public static final String FORMULA =
      "F3: 4nd^2 + 4nde + 4n^2d + 6ndm per decoder layer (e: width of keys), 8nd^2 + 4n^2d + 4ndm"
          + " per crop and vision block (6ndm if gated, n^2 inside windows)";

  /** {@code 1 − pruned/dense}. */
  public double reduction() {
    return 1 - pruned / dense;
  }

  /**
   * @param plan counts of the prompt
   * @param images the visual tokens of each image in it
   */
  public static Flops of(VisionLanguageModel model, Plan plan, List<ImageTokens> images) {
    int[] all = new int[plan.tokensPerLayer().length];
    Arrays.fill(all, plan.denseTokens());
    double tower = images.stream().mapToDouble(model::towerFlops).sum();
    int rows = plan.projectedRows();
    int allRows = images.stream().mapToInt(ImageTokens::towerMade).sum();
    return new Flops(
        tower + model.projectorFlops(allRows) + decoder(model.text(), all),
        tower + model.projectorFlops(rows) + decoder(model.text(), plan.tokensPerLayer()),
        tower);
  }

  private static double decoder(TextConfig c, int[] tokensPerLayer) {
    double d = c.hiddenSize();
    double queries = (double) c.numAttentionHeads() * c.headDim();
    double keys = (double) c.numKeyValueHeads() * c.headDim();
    double sum = 0;
    for (double n : tokensPerLayer) {
      sum +=
          4 * n * d * queries
              + 4 * n * d * keys
              + 4 * n * n * queries
              + 6 * n * d * c.intermediateSize();
    }
    return sum;
  }
}
