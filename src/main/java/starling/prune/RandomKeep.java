package starling.prune;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.device.Philox;

/**
 * A baseline: {@code keep} tokens drawn without replacement. Fisher–Yates over 0 … N−1; draw {@code
 * i} of group {@code m} is the first word of the Philox block with key {@code seed} and counter
 * {@code (i, m)}.
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
    var sets = new ArrayList<int[]>();
    for (VlmShape.Group group : shape.groups()) {
      sets.add(draw(group.size(), keep.of(group), sets.size()));
    }
    return List.of(FixedCut.beforeProjector(shape, sets));
  }

  private int[] draw(int candidates, int kept, int group) {
    int[] order = new int[candidates];
    Arrays.setAll(order, i -> i);
    int[] words = new int[4];
    for (int i = 0; i < kept; i++) {
      Philox.block(seed, i, group, words);
      int j = i + (int) ((Integer.toUnsignedLong(words[0]) * (candidates - i)) >>> 32);
      int swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
    int[] set = Arrays.copyOf(order, kept);
    Arrays.sort(set);
    return set;
  }
}
