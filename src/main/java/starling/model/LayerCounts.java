package starling.model;

import java.util.Arrays;
import starling.device.PositionRule;
import starling.prune.CutPoint;

/**
 * The counts of the decoder's layers.
 *
 * @param tokens rows that enter each layer
 * @param cached rows that each layer's cache holds when prefill ends
 * @param next position of the first generated token in each layer
 * @param behindFirstCut where the rows are behind the first cut in the decoder, or as they entered
 */
record LayerCounts(int[] tokens, int[] cached, int[] next, Layout behindFirstCut) {

  /**
   * Walks through the layers.
   *
   * @param entering the rows that are left before the decoder; in mask mode the others are there
   *     too
   * @param kept {@code [cut][group]}
   */
  static LayerCounts of(Planner planner, Layout entering, int[][] kept) {
    int layers = planner.shape().layers();
    int[] tokens = new int[layers];
    int[] cached = new int[layers];
    int[] next = new int[layers];
    Layout now = entering;
    Layout behindFirstCut = null;
    int position = planner.firstPosition(entering);
    for (int l = 0; l < layers; l++) {
      tokens[l] = planner.masks() ? planner.prompt().rows() : now.rows();
      cached[l] = tokens[l];
      next[l] = position;
      CutPoint cut = planner.cutBehind(l + 1);
      if (cut != null) {
        now = now.cut(planner.rows(planner.ofImages(kept[planner.cuts().indexOf(cut)])));
        position = cut.positions() == PositionRule.CONTIGUOUS ? now.rows() : position;
        behindFirstCut = behindFirstCut == null ? now : behindFirstCut;
        if (cut.compactsCache() && !planner.masks()) {
          Arrays.fill(cached, 0, l + 1, now.rows());
        }
      }
    }
    return new LayerCounts(tokens, cached, next, behindFirstCut == null ? now : behindFirstCut);
  }
}
