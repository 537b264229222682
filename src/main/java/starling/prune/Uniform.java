package starling.prune;

import java.util.Arrays;
import java.util.List;

/** A baseline: evenly spaced patches, {@code floor((i + 0.5)·N/keep)}. */
record Uniform(Spec.Keep keep) implements Method {
  static Uniform parse(Spec spec) {
    return new Uniform(spec.keep());
  }

  @Override
  public String spec(VlmShape shape) {
    return "uniform:keep=" + keep;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    return List.of(
        FixedCut.beforeProjector(
            shape, shape.groups().stream().map(g -> spaced(g.size(), keep.of(g))).toList()));
  }

  private static int[] spaced(int n, int kept) {
    int[] set = new int[kept];
    Arrays.setAll(set, i -> (int) ((i + 0.5) * n / kept));
    return set;
  }
}
