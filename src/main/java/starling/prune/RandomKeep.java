package starling.prune;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.device.Philox;

/**
 * A baseline: {@code keep} patches drawn without replacement. Fisher–Yates over 0 … N−1; draw
 * {@code i} of picture {@code m} is the first word of the Philox block with key {@code seed} and
 * counter {@code (i, m)}.
 */
record RandomKeep(Spec.Keep keep, long seed) implements Method {
  static RandomKeep parse(Spec spec) {
    return new RandomKeep(spec.keep(), spec.seed("seed"));
  }

  @Override
  public String spec(VlmShape shape) {
    return "random:keep=" + keep + ",seed=" + seed;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    int kept = keep.of(shape.patches());
    var sets = new ArrayList<int[]>();
    for (int image = 0; image < shape.images(); image++) {
      sets.add(draw(shape.patches(), kept, image));
    }
    return List.of(FixedCut.beforeProjector(shape, sets));
  }

  private int[] draw(int patches, int kept, int image) {
    int[] order = new int[patches];
    Arrays.setAll(order, i -> i);
    int[] words = new int[4];
    for (int i = 0; i < kept; i++) {
      Philox.block(seed, i, image, words);
      int j = i + (int) ((Integer.toUnsignedLong(words[0]) * (patches - i)) >>> 32);
      int swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
    int[] set = Arrays.copyOf(order, kept);
    Arrays.sort(set);
    return set;
  }
}
