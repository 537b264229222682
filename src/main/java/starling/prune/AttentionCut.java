package starling.prune;

import java.util.List;
import starling.device.PositionRule;
import starling.device.RowMapping;

/**
 * Keeps the candidates that receive most attention, by {@link Attention#select}. One fused
 * operator; no map of attention is ever held.
 *
 * @param where in the tower or behind it, or {@link CutSite#DECODER}
 * @param layer blocks or layers that run in full before; the last of them is the one that attends
 * @param queries the rows whose attention counts: patches and CLS in the tower, text in the decoder
 * @param counts how many candidates each group keeps, see {@link VlmShape#counts}
 * @param positions of the rows behind a cut in the decoder
 * @param compactsCache see {@link CutPoint#compactsCache}
 */
public record AttentionCut(
    CutSite where,
    int layer,
    Queries queries,
    List<Integer> counts,
    PositionRule positions,
    boolean compactsCache)
    implements CutPoint {

  /**
   * @throws IllegalArgumentException if text is asked for in the tower, or patches in the decoder
   */
  public AttentionCut {
    boolean ofText = queries == Queries.TEXT || queries == Queries.LAST;
    if (ofText != (where == CutSite.DECODER)) {
      throw new IllegalArgumentException(
          "an AttentionCut at " + where + " cannot go by " + queries + ", which are not there");
    }
    counts = List.copyOf(counts);
  }

  /** A cut in the last tower block, before its MLP and the projector. */
  public static AttentionCut vision(VlmShape shape, Queries queries, List<Integer> counts) {
    return new AttentionCut(
        CutSite.VISION, shape.visionBlocks(), queries, counts, PositionRule.CONTIGUOUS, false);
  }

  @Override
  public int kept(int group) {
    return counts.get(group);
  }

  @Override
  public void select(CutContext context, Selection out) {
    select(context, out, null);
  }

  /**
   * The same, and behind it {@link starling.device.Device#rowMap}, if it can be in one launch.
   *
   * @param map of cuts of which one goes by what is chosen here; null for none
   */
  public void select(CutContext context, Selection out, RowMapping map) {
    context.attention().select(context, out.keep(), out.score(), queries, map);
  }
}
