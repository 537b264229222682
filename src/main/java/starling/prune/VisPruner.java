package starling.prune;

import java.util.List;
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
    int kept = keep.of(shape.patches());
    return List.of(new Dedup(shape.visionBlocks(), kept, (int) (kept * important)));
  }

  /**
   * @param layer vision blocks before the feature
   * @param count tokens kept in all
   * @param byAttention tokens kept for their attention
   */
  private record Dedup(int layer, int count, int byAttention) implements CutPoint {
    @Override
    public Where where() {
      return Where.PROJECTOR_INPUT;
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
              a.rows(Queries.CLS),
              a.candidates(),
              site.fault());
      int n = site.candidates();
      if (byAttention < count && count < n) { // else the best scores are all there is to choose
        Tensor cosines = site.scratch().alloc("cosines", DType.F32, n, n);
        site.device().cosines(cosines, site.features(), site.fault());
        site.device().dropDuplicates(out.keep(), out.score(), cosines, byAttention);
      }
    }
  }
}
