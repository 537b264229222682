package starling.prune;

import starling.device.Arguments;
import starling.device.PositionRule;

/**
 * One place where a method acts: how many rows of each group go on, and which. {@link AttentionCut}
 * and {@link FixedCut} do for many methods; others are written against {@link CutContext}.
 */
public interface CutPoint {
  /** Where the cut is: in the tower, behind it, or in the decoder. */
  CutSite where();

  /**
   * Blocks that have run in full before the cut: of the decoder for {@link CutSite#DECODER}, else
   * of the tower.
   */
  int layer();

  /**
   * Rows of a group that go on; known before anything runs, so that nobody waits for the device. Of
   * a cut that is {@link #counted} on the device, the most there can be.
   *
   * @param group among {@link VlmShape#groups}
   */
  int kept(int group);

  /**
   * Chooses for one group, and writes what it chose. The device's operators do it without a wait; a
   * method that computes on the host waits for them in {@link CutContext#floats}. Asked once for
   * every group, in order, with the same answer in mask mode.
   */
  void select(CutContext context, Selection out);

  /**
   * Whether the device decides how many rows go on. {@link #select} then writes the number to
   * {@link Selection#count}; it is read back before anything behind the cut runs, and the report
   * says so.
   */
  default boolean counted() {
    return false;
  }

  /** Positions of the rows behind the cut. Before the decoder the model's own rule holds. */
  default PositionRule positions() {
    return PositionRule.CONTIGUOUS;
  }

  /** Source rows of one output row; more than one makes the method a merging one. */
  default int sources() {
    return 1;
  }

  /** Whether the method ranks by a score; without one the report's list is empty. */
  default boolean scored() {
    return true;
  }

  /**
   * Candidates of a group that it can choose among, where it ranks them by a score; a group that
   * has more is refused before the tower runs.
   */
  default int mostCandidates() {
    return Arguments.MAX_CANDIDATES;
  }

  /**
   * Whether dropped rows also leave the caches of the layers before a decoder cut when prefill
   * ends.
   */
  default boolean compactsCache() {
    return false;
  }
}
