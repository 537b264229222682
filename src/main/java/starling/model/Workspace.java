package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Device;
import starling.device.PositionRule;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * What the work on a prompt has at hand, and the lists of integers that it makes on the device.
 *
 * @param arena memory that lives as long as the answer
 * @param work memory that lives until prefill ends
 * @param iota i32: 0, 1, 2 …
 * @param nonFinite i32 {@code [1]}, set when a score is not finite
 */
record Workspace(
    Device device, TensorArena arena, TensorArena work, Tensor iota, Tensor nonFinite) {

  /** i32 {@code [n]} until prefill ends. */
  Tensor indices(String name, int n) {
    return work.empty(name, DType.I32, n);
  }

  /** Memory for n positions on as many axes as {@code like} has, until prefill ends. */
  Tensor positions(Tensor like, int n) {
    return like.rank() == 1
        ? indices("positions", n)
        : work.empty("positions", DType.I32, like.rows(), n);
  }

  /** i32 {@code [n]}: {@code list[index]}, as long as the answer lives. */
  Tensor pick(Tensor list, Tensor index) {
    Tensor out = arena.empty(list.name(), DType.I32, index.rows());
    device.gatherRows(List.of(out.fold(1)), List.of(list.fold(1)), index);
    return out;
  }

  /** The rows of each tensor that {@code index} names, until prefill ends. */
  List<Tensor> taken(List<Tensor> tensors, Tensor index) {
    var taken = new ArrayList<Tensor>();
    for (Tensor t : tensors) {
      taken.add(work.empty(t.name(), t.dtype(), index.rows(), t.width()));
    }
    device.gatherRows(taken, tensors, index);
    return taken;
  }

  /** i32 {@code [n]}: for each of n rows its number behind {@code cuts}, if it stays. */
  Tensor rank(int n, List<Cut> cuts) {
    Tensor hidden = work.alloc("hidden", DType.U8, n);
    Tensor rank = indices("rank", n);
    device.hideRows(hidden, rank, iota.rows(0, n), cuts, PositionRule.CONTIGUOUS);
    return rank;
  }
}
