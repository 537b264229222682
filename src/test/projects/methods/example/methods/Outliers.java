package example.methods;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.MethodProvider;
import starling.prune.Queries;
import starling.prune.Selection;
import starling.prune.Spec;
import starling.prune.VlmShape;

/**
 * As many tokens as the image has outliers, the rule of PruMerge (arXiv 2403.15388) without its
 * merging: those whose attention from CLS lies above the third quartile by more than 1.5 times the
 * distance of the quartiles. How many that is, is known only when the tower has run.
 *
 * @param most the most that stay
 */
public record Outliers(Spec.Keep most) implements Method {
  /** {@code outliers:keep=128}: at most 128. */
  public static final class Provider implements MethodProvider {
    @Override
    public String name() {
      return "outliers";
    }

    @Override
    public Method parse(Spec spec) {
      return new Outliers(spec.keep());
    }
  }

  @Override
  public String spec(VlmShape shape) {
    return "outliers:keep=" + most;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    return List.of(new Above(shape.visionBlocks(), most.counts(shape)));
  }

  private record Above(int layer, List<Integer> most) implements CutPoint {
    @Override
    public CutSite where() {
      return CutSite.VISION;
    }

    @Override
    public int kept(int group) {
      return most.get(group);
    }

    @Override
    public boolean counted() {
      return true;
    }

    @Override
    public void select(CutContext context, Selection out) {
      // Scores all, and chooses the most that may stay.
      context.attention().select(context, out.keep(), out.score(), Queries.CLS);
      float[] scores = context.floats(out.score());
      float[] sorted = scores.clone();
      Arrays.sort(sorted);
      float q1 = sorted[sorted.length / 4];
      float q3 = sorted[3 * sorted.length / 4];
      float best = sorted[sorted.length - out.keep().rows()];
      float above = Math.min(Math.max(best, q3 + 1.5f * (q3 - q1)), sorted[sorted.length - 1]);
      int[] keep =
          IntStream.range(0, scores.length)
              .filter(j -> scores[j] >= above)
              .limit(out.keep().rows())
              .toArray();
      context.device().upload(out.keep().rows(0, keep.length), MemorySegment.ofArray(keep));
      context.device().upload(out.count(), MemorySegment.ofArray(new int[] {keep.length}));
    }
  }
}
