package starling.prune;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A baseline: the tokens that stand nearest to the centre of what they show, ties to the lowest
 * index.
 */
record Centre(Spec.Keep keep) implements Method {
  static Centre parse(Spec spec) {
    return new Centre(spec.keep());
  }

  @Override
  public String spec(VlmShape shape) {
    return "centre:keep=" + keep;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    List<int[]> sets = shape.groups().stream().map(this::nearest).toList();
    return List.of(FixedCut.beforeProjector(shape, sets));
  }

  private int[] nearest(VlmShape.Group group) {
    int[] members = group.members();
    return IntStream.range(0, group.size())
        .boxed()
        .sorted(Comparator.comparingDouble(j -> distance(group.tokens(), members[j])))
        .limit(keep.of(group))
        .mapToInt(j -> j)
        .sorted()
        .toArray();
  }

  /** The square of the way to the centre of the crop. */
  private static double distance(ImageTokens tokens, int candidate) {
    ImageTokens.Crop crop = tokens.crops().get(tokens.crop()[candidate]);
    int place = tokens.place()[candidate];
    double y = place / crop.columns() - (crop.rows() - 1) / 2.0;
    double x = place % crop.columns() - (crop.columns() - 1) / 2.0;
    return y * y + x * x;
  }
}
