package starling.prune;

import starling.device.PositionRule;

/**
 * Keeps the candidates that receive most attention:
 *
 * <pre>
 *   score[j] = 1/(H·|Q|) · Σ_h Σ_{i in Q} A_h[i, j]      A the block's own attention, softmax over all its keys
 *   keep     = ascending(top-k(score))                   ties to the lowest index
 * </pre>
 *
 * One fused operator; no map of attention is ever held.
 *
 * @param queries Q, the rows whose attention counts
 * @param count k
 */
record AttentionCut(
    Where where,
    int layer,
    Queries queries,
    int count,
    PositionRule positions,
    boolean compactsCache)
    implements CutPoint {

  static AttentionCut vision(VlmShape shape, Queries queries, int count) {
    return new AttentionCut(
        Where.VISION, shape.visionBlocks(), queries, count, PositionRule.CONTIGUOUS, false);
  }

  @Override
  public int kept(int image) {
    return count;
  }

  @Override
  public void select(Site site, Selection out) {
    Attention a = site.attention();
    site.device()
        .colsumSelect(
            out.keep(),
            out.score(),
            a.inputs(),
            a.lse(),
            a.rows(queries),
            a.candidates(),
            site.fault());
  }
}
