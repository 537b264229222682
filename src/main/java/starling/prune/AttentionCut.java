package starling.prune;

import java.util.List;
import starling.device.PositionRule;

/**
 * Keeps the candidates that receive most attention, by {@link Attention#select}. One fused
 * operator; no map of attention is ever held.
 *
 * @param queries the rows whose attention counts
 * @param counts how many candidates each group keeps
 */
record AttentionCut(
    Where where,
    int layer,
    Queries queries,
    List<Integer> counts,
    PositionRule positions,
    boolean compactsCache)
    implements CutPoint {

  static AttentionCut vision(VlmShape shape, Queries queries, List<Integer> counts) {
    return new AttentionCut(
        Where.VISION, shape.visionBlocks(), queries, counts, PositionRule.CONTIGUOUS, false);
  }

  @Override
  public int kept(int group) {
    return counts.get(group);
  }

  @Override
  public void select(Site site, Selection out) {
    site.attention().select(site, out.keep(), out.score(), queries);
  }
}
