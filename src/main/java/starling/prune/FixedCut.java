package starling.prune;

import java.lang.foreign.MemorySegment;
import java.util.List;
import starling.device.PositionRule;

/**
 * Keeps rows that are known beforehand: drawn, evenly spaced, or read from a trace.
 *
 * @param where any place
 * @param layer see {@link CutPoint#layer}
 * @param keep for each group, ascending indices among the candidates
 * @param positions of the rows behind a cut in the decoder
 */
public record FixedCut(CutSite where, int layer, List<int[]> keep, PositionRule positions)
    implements CutPoint {

  /** A cut of the vision feature, before the projector. */
  public static FixedCut beforeProjector(VlmShape shape, List<int[]> keep) {
    return new FixedCut(
        CutSite.PROJECTOR_INPUT, shape.visionBlocks(), keep, PositionRule.CONTIGUOUS);
  }

  @Override
  public int kept(int group) {
    return keep.get(group).length;
  }

  @Override
  public void select(CutContext context, Selection out) {
    context.device().upload(out.keep(), MemorySegment.ofArray(keep.get(context.group())));
  }

  @Override
  public boolean scored() {
    return false;
  }
}
