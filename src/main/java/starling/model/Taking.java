package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Cut;
import starling.device.DType;
import starling.device.PositionRule;
import starling.device.Tensor;
import starling.prune.Selection;

/**
 * Takes the rows that a cut leaves out of tensors: those outside the cuts and the chosen ones
 * inside, in order; then the sums of a merging method over their places.
 *
 * @param cuts one for each image
 * @param chosen what its groups keep
 */
record Taking(Workspace at, List<Cut> cuts, List<Pruner.Chosen> chosen) {

  /** The rows of {@code tensors} that are left; all have as many as there are positions. */
  Pruner.Kept of(List<Tensor> tensors, Tensor positions, PositionRule rule) {
    boolean oneAxis = positions.rank() == 1;
    int after = oneAxis ? positions.rows() : positions.width();
    for (int i = 0; i < cuts.size(); i++) {
      after -= dropped(i);
    }
    Tensor rows = at.indices("rows", after);
    Tensor positionsAfter =
        oneAxis
            ? at.indices("positions", after)
            : at.work().alloc("positions", DType.I32, positions.rows(), after);
    at.device().rowMap(rows, positionsAfter, null, positions, cuts, rule);
    var taken = new ArrayList<Tensor>();
    for (Tensor tensor : tensors) {
      taken.add(at.work().alloc(tensor.name(), tensor.dtype(), after, tensor.width()));
    }
    at.device().gatherRows(taken, tensors, rows);
    int shift = 0;
    for (int i = 0; i < cuts.size(); i++) {
      Selection first = chosen.get(i).groups().get(0);
      if (first.index() != null) {
        merge(cuts.get(i), shift, first, tensors, taken);
      }
      shift += dropped(i);
    }
    return new Pruner.Kept(List.copyOf(taken), positionsAfter, rows);
  }

  private int dropped(int i) {
    return cuts.get(i).dropped();
  }

  private void merge(
      Cut cut, int shift, Selection chosen, List<Tensor> tensors, List<Tensor> taken) {
    int to = cut.at() - shift;
    for (int i = 0; i < tensors.size(); i++) {
      at.device()
          .combineRows(
              taken.get(i).rows(to, to + cut.keep().rows()),
              tensors.get(i).rows(cut.at(), cut.at() + cut.count()),
              chosen.index(),
              chosen.weight());
    }
  }
}
