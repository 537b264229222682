package starling.prune;

import java.util.Arrays;
import java.util.Collections;
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
    int n = shape.patches();
    int kept = keep.of(n);
    int[] set = new int[kept];
    Arrays.setAll(set, i -> (int) ((i + 0.5) * n / kept));
    return List.of(FixedCut.beforeProjector(shape, Collections.nCopies(shape.images(), set)));
  }
}
