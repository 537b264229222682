package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Cut;
import starling.device.PositionRule;
import starling.device.RowMapping;
import starling.device.Tensor;
import starling.prune.Selection;

/**
 * Takes the rows that a cut leaves out of tensors: those that are no candidates and the chosen ones
 * among these, in order; of a merging method the sums in the places of the chosen ones.
 *
 * @param cut what each image keeps; of a merging method there is one group of it
 */
record Taking(Workspace workspace, Choices.Made cut) {

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

  /**
   * Memory for the numbers of the rows that a cut leaves.
   *
   * @param cuts one for each image
   * @param chosen what each keeps
   * @param positions of the rows before the cut
   */
  static RowMapping rows(
      Workspace workspace,
      List<Cut> cuts,
      List<Choices.Chosen> chosen,
      Tensor positions,
      PositionRule rule) {
    boolean merges = chosen.stream().anyMatch(c -> c.groups().get(0).index() != null);
    int after = rows(positions) - cuts.stream().mapToInt(Cut::dropped).sum();
    return new RowMapping(
        workspace.indices("rows", after),
        workspace.positions(positions, after),
        merges ? workspace.indices("sources", after) : null,
        positions,
        cuts,
        rule);
  }

  /** What is left of {@code tensors}; all have as many rows as there were positions. */
  Kept of(List<Tensor> tensors) {
    RowMapping map = cut.rows();
    boolean merges = map.sources() != null;
    return new Kept(
        merges ? workspace.taken(merged(tensors), map.sources()) : tensors,
        merges,
        map.positionsOut(),
        map.rows());
  }

  private static int rows(Tensor positions) {
    return positions.rank() == 1 ? positions.rows() : positions.width();
  }

  /** The rows that are no candidates, then the sums of every image. */
  private List<Tensor> merged(List<Tensor> tensors) {
    List<Cut> cuts = cut.rows().cuts();
    Tensor positions = cut.rows().positionsIn();
    int fixed = rows(positions) - cuts.stream().mapToInt(Cut::size).sum();
    int sums = cuts.stream().mapToInt(c -> c.keep().rows()).sum();
    var merged = new ArrayList<Tensor>();
    for (Tensor tensor : tensors) {
      merged.add(workspace.work().empty("merged", tensor.dtype(), fixed + sums, tensor.width()));
    }
    if (fixed > 0) {
      Tensor rows = workspace.indices("fixed rows", fixed);
      var none = cuts.stream().map(Taking::nothing).toList();
      Tensor unused = workspace.positions(positions, fixed);
      workspace
          .device()
          .rowMap(new RowMapping(rows, unused, null, positions, none, PositionRule.KEEP));
      workspace
          .device()
          .gatherRows(merged.stream().map(t -> t.rows(0, fixed)).toList(), tensors, rows);
    }
    int to = fixed;
    for (int i = 0; i < cuts.size(); i++) {
      Selection of = cut.chosen().get(i).groups().get(0);
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
