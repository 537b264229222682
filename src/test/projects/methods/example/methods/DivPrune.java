package example.methods;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.MethodProvider;
import starling.prune.Selection;
import starling.prune.Spec;
import starling.prune.VlmShape;

/**
 * DivPrune (arXiv 2503.02175): of the projected tokens a set whose members lie far from each other.
 * The first is the one with the farthest nearest neighbour; then always the one that is farthest
 * from all that are in the set, by 1 − cosine.
 *
 * @param keep how many tokens stay
 */
public record DivPrune(Spec.Keep keep) implements Method {
  /** {@code divprune:keep=56}. */
  public static final class Provider implements MethodProvider {
    @Override
    public String name() {
      return "divprune";
    }

    @Override
    public Method parse(Spec spec) {
      return new DivPrune(spec.keep());
    }
  }

  @Override
  public String spec(VlmShape shape) {
    return "divprune:keep=" + keep;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    return List.of(new Farthest(shape.visionBlocks(), keep.counts(shape)));
  }

  private record Farthest(int layer, List<Integer> counts) implements CutPoint {
    @Override
    public CutSite where() {
      return CutSite.PROJECTOR_OUTPUT;
    }

    @Override
    public int kept(int group) {
      return counts.get(group);
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public void select(CutContext context, Selection out) {
      int n = context.candidates();
      int[] keep = farthest(distances(context.floats(context.features()), n), n, out.keep().rows());
      context.device().upload(out.keep(), MemorySegment.ofArray(keep));
    }
  }

  /** 1 − cosine of every pair of rows, {@code [n, n]}. */
  static float[] distances(float[] rows, int n) {
    int width = rows.length / n;
    for (int i = 0; i < n; i++) {
      double square = 0;
      for (int c = 0; c < width; c++) {
        square += rows[i * width + c] * rows[i * width + c];
      }
      for (int c = 0; c < width; c++) {
        rows[i * width + c] /= (float) Math.sqrt(square);
      }
    }
    float[] distances = new float[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        float product = 0;
        for (int c = 0; c < width; c++) {
          product += rows[i * width + c] * rows[j * width + c];
        }
        distances[i * n + j] = distances[j * n + i] = 1 - product;
      }
    }
    return distances;
  }

  static int[] farthest(float[] distances, int n, int count) {
    float[] nearest = new float[n]; // distance to the set, of members below all others
    for (int j = 0; j < n; j++) {
      nearest[j] = Float.POSITIVE_INFINITY;
      for (int i = 0; i < n; i++) {
        nearest[j] = i == j ? nearest[j] : Math.min(nearest[j], distances[i * n + j]);
      }
    }
    int[] keep = new int[count];
    for (int chosen = 0; chosen < count; chosen++) {
      int best = 0;
      for (int j = 1; j < n; j++) {
        best = nearest[j] > nearest[best] ? j : best;
      }
      keep[chosen] = best;
      for (int j = 0; j < n; j++) {
        float apart = distances[best * n + j];
        nearest[j] = chosen == 0 ? apart : Math.min(nearest[j], apart);
      }
      nearest[best] = Float.NEGATIVE_INFINITY;
    }
    Arrays.sort(keep);
    return keep;
  }
}
