package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Cut;
import starling.device.PositionRule;
import starling.device.RowMapping;
import starling.device.Tensor;

/**
 * Which of an image's remaining candidates belong to each group, where an image has more than one
 * group. Lists are i32, ascending, in device memory.
 */
final class GroupMembers {
  private final Workspace workspace;
  private final Tensor[] members; // of each group, among the candidates that are left

  /**
   * @param members the candidates of each group
   */
  GroupMembers(Workspace workspace, Tensor[] members) {
    this.workspace = workspace;
    this.members = members;
  }

  /** A group's candidates among those that are left. */
  Tensor of(int group) {
    return members[group];
  }

  /**
   * What the groups keep together, among all that are left.
   *
   * @param left candidates of the image that are left
   * @param keeps of each group, among those of its own candidates that are left
   */
  Tensor keep(int left, List<Tensor> keeps) {
    int n = keeps.stream().mapToInt(Tensor::rows).sum();
    Tensor keep = workspace.indices("keep", n);
    workspace
        .device()
        .rowMap(
            new RowMapping(
                keep,
                workspace.indices("positions", n),
                null,
                workspace.iota().rows(0, left),
                cuts(left, keeps),
                PositionRule.KEEP));
    return keep;
  }

  /** Leaves each group what it keeps, numbered among what all groups keep. */
  void cut(int left, List<Tensor> keeps) {
    Tensor rank = workspace.rank(left, cuts(left, keeps));
    for (int g = 0; g < members.length; g++) {
      members[g] = workspace.pick(rank, workspace.pick(members[g], keeps.get(g)));
    }
  }

  private List<Cut> cuts(int left, List<Tensor> keeps) {
    var cuts = new ArrayList<Cut>();
    for (int g = 0; g < members.length; g++) {
      cuts.add(new Cut(0, left, keeps.get(g), members[g]));
    }
    return cuts;
  }
}
