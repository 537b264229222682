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
 * @param where in the tower or behind it, or {@link Where#DECODER}
 * @param layer blocks or layers that run in full before; the last of them is the one that attends
 * @param queries Q, the rows whose attention counts: patches and CLS in the tower, text in the
 *     decoder
 * @param count k, of each picture
 * @param positions of the rows behind a cut in the decoder
 * @param compactsCache see {@link CutPoint#compactsCache}
 */
public record AttentionCut(
    Where where,
    int layer,
    Queries queries,
    int count,
    PositionRule positions,
    boolean compactsCache)
    implements CutPoint {

  public AttentionCut {
    boolean ofText = queries == Queries.TEXT || queries == Queries.LAST;
    if (ofText != (where == Where.DECODER)) {
      throw new IllegalArgumentException(
          "an AttentionCut at " + where + " cannot go by " + queries + ", which are not there");
    }
  }

  /** A cut in the last tower block, before its MLP and the projector. */
  public static AttentionCut vision(VlmShape shape, Queries queries, int count) {
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
            a.q(),
            a.kv(),
            a.lse(),
            a.mask(),
            a.scale(),
            a.rows(queries),
            a.candidates(),
            site.fault());
  }
}
