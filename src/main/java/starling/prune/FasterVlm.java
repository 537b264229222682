package starling.prune;

import java.util.List;

/**
 * FasterVLM (arXiv 2412.01818, first version): the patches that CLS attends most, head mean, in the
 * feature's block.
 */
record FasterVlm(Spec.Keep keep) implements Method {
  static FasterVlm parse(Spec spec) {
    return new FasterVlm(spec.keep());
  }

  @Override
  public String spec(VlmShape shape) {
    return "fastervlm:keep=" + keep;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    return List.of(AttentionCut.vision(shape, Queries.CLS, keep.counts(shape)));
  }
}
