package starling.model;

import java.util.Arrays;
import java.util.List;
import starling.checkpoint.TextConfig;
import starling.prune.ImageTokens;

/**
 * Floating-point operations of reading a prompt, by formula F3: a decoder layer with n rows costs
 * {@code 8nd² + 4n²d + 6ndm} (a multiply and an add are two; key and value projections count their
 * own width), a vision block {@code 8nd² + 4n²d + 4ndm} with n = patches + 1, the projector {@code
 * 2n(d_v·d + d²)}. All rows that enter a layer count, text included; the output head does not. The
 * CDPruner, FasterVLM and VisPruner tables use it (vision tower counted in the latter two).
 *
 * @param dense with no row dropped
 * @param pruned with the rows that entered each layer
 */
public record Flops(double dense, double pruned) {
  /**
   * How operations are counted, for reports; n rows, d and m the widths of a row and of the MLP.
   */
  public static final String FORMULA =
      "F3: 8nd^2 + 4n^2d + 6ndm per decoder layer, 8nd^2 + 4n^2d + 4ndm per vision block";

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
        tower + model.projectorFlops(rows) + decoder(model.text(), plan.tokensPerLayer()));
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
