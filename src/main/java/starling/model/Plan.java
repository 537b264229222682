package starling.model;

import java.util.List;
import java.util.stream.IntStream;
import starling.input.InputException;
import starling.prune.CutPoint;

/**
 * Every count of an answer, known from shapes before anything runs; where a cut is counted on the
 * device, the most there can be until its count was read.
 *
 * @param options the method with every option written out; {@code none} without an image
 * @param cuts the method's cuts, in order of flow
 * @param layout the decoder's rows when prefill enters it; in mask mode the dropped rows are among
 *     them
 * @param tokensPerLayer rows entering each decoder layer at prefill
 * @param cachedRows rows that each layer's cache holds when prefill ends
 * @param denseTokens tokens in every layer with nothing pruned
 * @param nextPosition position of the first generated token in each decoder layer; behind a cut
 *     that renumbers, it follows the new numbers
 * @param tokenBudget tokens that may be generated: what was asked for, as far as the context
 *     reaches
 * @param projectedRows rows that go through the projector, all images together
 * @param visualTokens visual tokens (fixed rows included) of the prompt, after stage 1, after stage
 *     2
 */
public record Plan(
    String options,
    List<CutPoint> cuts,
    Layout layout,
    int[] tokensPerLayer,
    int[] cachedRows,
    int denseTokens,
    int[] nextPosition,
    int tokenBudget,
    int projectedRows,
    int[] visualTokens) {

  /**
   * Counts everything.
   *
   * @throws InputException if the pruning does not fit the model or the prompt, or the prompt is
   *     beyond the context
   */
  public static Plan of(VisionLanguageModel model, Request request) {
    Planner planner = Planner.of(model, request);
    return planner.plan(planner.bounds());
  }

  /**
   * Rows that layer {@code l}'s cache has room for: the prompt's and one for every generated token
   * fed back.
   */
  int capacity(int l) {
    return tokensPerLayer[l] + tokenBudget - 1;
  }

  /** Positions that prompt and answer may have; those of rows that are dropped count. */
  int positions() {
    return Math.max(layout.rows(), IntStream.of(nextPosition).max().orElse(0) + tokenBudget - 1);
  }

  /** Mean number of visual tokens entering a decoder layer. */
  public double visualTokensPerLayer() {
    int text = denseTokens - visualTokens[0];
    return IntStream.of(tokensPerLayer).average().orElse(0) - text;
  }
}
