package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Cut;
import starling.device.PositionRule;
import starling.device.Tensor;
import starling.prune.Selection;

/**
 * Takes the rows that a cut leaves out of tensors: those that are no candidates and the chosen ones
 * among these, in order; of a merging method the sums in the places of the chosen ones.
 *
 * @param cuts one for each image
 * @param chosen what its groups keep; of a merging method there is one group
 */
record Taking(Workspace workspace, List<Cut> cuts, List<Choices.Chosen> chosen) {

  /**
   * What a cut leaves.
   *
   * @param tensors of a merging method the rows that go on; else those before the cut, among which
   *     they are
   * @param merged whether it is one
   * @param positions of the rows that go on
   * @param rows where they were before the cut, i32
   */
  record Kept(List<Tensor> tensors, boolean merged, Tensor positions, Tensor rows) {}

  /** What is left of {@code tensors}; all have as many rows as there are positions. */
  Kept of(List<Tensor> tensors, Tensor positions, PositionRule rule) {
    boolean merges = chosen.stream().anyMatch(c -> c.groups().get(0).index() != null);
    int after = rows(positions) - cuts.stream().mapToInt(Cut::dropped).sum();
    Tensor rows = workspace.indices("rows", after);
    Tensor standing = workspace.positions(positions, after);
    Tensor sources = merges ? workspace.indices("sources", after) : null;
    workspace.device().rowMap(rows, standing, sources, positions, cuts, rule);
    if (!merges) {
      return new Kept(tensors, false, standing, rows);
    }
    return new Kept(workspace.taken(merged(tensors, positions), sources), true, standing, rows);
  }

  private static int rows(Tensor positions) {
    return positions.rank() == 1 ? positions.rows() : positions.width();
  }

  /** The rows that are no candidates, then the sums of every image. */
  private List<Tensor> merged(List<Tensor> tensors, Tensor positions) {
    int fixed = rows(positions) - cuts.stream().mapToInt(Cut::size).sum();
    int sums = cuts.stream().mapToInt(c -> c.keep().rows()).sum();
    var merged = new ArrayList<Tensor>();
    for (Tensor tensor : tensors) {
      merged.add(workspace.work().empty("merged", tensor.dtype(), fixed + sums, tensor.width()));
    }
    if (fixed > 0) {
      Tensor rows = workspace.indices("fixed rows", fixed);
      var none = cuts.stream().map(Taking::nothing).toList();
      workspace
          .device()
          .rowMap(
              rows,
              workspace.positions(positions, fixed),
              null,
              positions,
              none,
              PositionRule.KEEP);
      workspace
          .device()
          .gatherRows(merged.stream().map(t -> t.rows(0, fixed)).toList(), tensors, rows);
    }
    int to = fixed;
    for (int i = 0; i < cuts.size(); i++) {
      Selection of = chosen.get(i).groups().get(0);
      int end = to + of.keep().rows();
      for (int t = 0; t < tensors.size(); t++) {
        Tensor candidates = candidates(tensors.get(t), cuts.get(i));
        workspace
            .device()
            .combineRows(merged.get(t).rows(to, end), candidates, of.index(), of.weight());
      }
      to = end;
    }
    return merged;
  }

  private static Cut nothing(Cut cut) {
    return new Cut(cut.at(), cut.count(), cut.keep().rows(0, 0), cut.candidates());
  }

  private Tensor candidates(Tensor tensor, Cut cut) {
    Tensor rows = tensor.rows(cut.at(), cut.at() + cut.count());
    if (cut.candidates() == null) {
      return rows;
    }
    Tensor some = workspace.work().empty("candidates", rows.dtype(), cut.size(), rows.width());
    workspace.device().gatherRows(List.of(some), List.of(rows), cut.candidates());
    return some;
  }
}
