package starling.prune;

import java.util.List;
import starling.device.PositionRule;

/**
 * FastV (arXiv 2403.06764): after K decoder layers, the visual tokens that the last prompt row
 * attends most in layer K − 1. Survivors keep their positions; the layers before keep their full
 * cache.
 */
record FastV(int k, Spec.Keep keep) implements Method {
  static FastV parse(Spec spec) {
    return new FastV(spec.integer("K", 2), spec.keep());
  }

  @Override
  public String spec(VlmShape shape) {
    return "fastv:K=" + k + ",keep=" + keep;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    Spec.checkLayer("fastv", k, shape);
    List<Integer> kept = keep.counts(shape);
    return List.of(
        new AttentionCut(CutSite.DECODER, k, Queries.LAST, kept, PositionRule.KEEP, false));
  }
}
