package starling.prune;

import starling.device.Tensor;

/**
 * What a method writes: the rows that go on, in order. The tensors are allocated; {@link
 * CutContext} has the device that writes them.
 *
 * @param keep i32 {@code [m]}: the source of each output row among the candidates, ascending; of a
 *     merged row, the source whose place and position it takes
 * @param score f32 {@code [n]}: one number per candidate, the one that was ranked; null unless the
 *     method is scored
 * @param index i32 {@code [m, w]}: sources of each output row; null unless the method merges
 * @param weight f32 {@code [m, w]}: their weights; null unless the method merges
 * @param count i32 {@code [1]}: how many of the m rows go on, at least 1; null unless the method is
 *     {@link CutPoint#counted} on the device
 */
public record Selection(Tensor keep, Tensor score, Tensor index, Tensor weight, Tensor count) {
  /** The same with the first {@code n} rows only. */
  public Selection first(int n) {
    return new Selection(
        keep.rows(0, n),
        score,
        index == null ? null : index.rows(0, n),
        weight == null ? null : weight.rows(0, n),
        count);
  }
}
