package starling.prune;

import java.util.List;
import starling.device.Arguments;
import starling.device.DType;
import starling.device.Tensor;

/**
 * VisPruner (arXiv 2412.01818): the patches CLS attends most, and of the rest a set without
 * near-duplicates. An odd residual keeps {@code ceil(R/2) − r} of its first half, where the
 * published code fails.
 *
 * @param important share of {@code keep} chosen by attention, truncated to a count
 */
record VisPruner(Spec.Keep keep, double important) implements Method {
  static VisPruner parse(Spec spec) {
    return new VisPruner(spec.keep(), spec.fraction("important", 0.5));
  }

  @Override
  public String spec(VlmShape shape) {
    return "vispruner:keep=" + keep + ",important=" + Spec.number(important);
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    List<Integer> kept = keep.counts(shape);
    List<Integer> byAttention = kept.stream().map(k -> (int) (k * important)).toList();
    return List.of(new Dedup(shape.visionBlocks(), kept, byAttention));
  }

  /**
   * @param layer vision blocks before the feature
   * @param counts tokens that each group keeps in all
   * @param byAttention tokens that each keeps for their attention
   */
  private record Dedup(int layer, List<Integer> counts, List<Integer> byAttention)
      implements CutPoint {
    @Override
    public CutSite where() {
      return CutSite.PROJECTOR_INPUT;
    }

    @Override
    public int kept(int group) {
      return counts.get(group);
    }

    /** Each two are compared. */
    @Override
    public int mostCandidates() {
      return Arguments.MAX_COMPARED;
    }

    @Override
    public void select(CutContext context, Selection out) {
      context.attention().select(context, out.keep(), out.score(), Queries.CLS);
      int n = context.candidates();
      int count = out.keep().rows();
      int best = byAttention.get(context.group());
      if (best < count && count < n) { // else the best scores are all there is to choose
        Tensor cosines = context.scratch().alloc("cosines", DType.F32, n, n);
        context.device().cosines(cosines, context.features(), context.nonFinite());
        context.device().dropDuplicates(out.keep(), out.score(), cosines, best);
      }
    }
  }
}
