package starling.model;

import starling.device.Mask;
import starling.device.Tensor;

/**
 * The prompt on its way through the decoder.
 *
 * @param rows its activations
 * @param layout where its images are among them
 * @param positions of the rows, i32 {@code [T]} or {@code [axes, T]}
 * @param mask whom they attend
 */
record Sequence(Decoder.Rows rows, Layout layout, Tensor positions, Mask mask) {

  /** Its rows from row {@code from} on, in the same layout. */
  Sequence behind(int from) {
    Tensor own =
        positions.rank() == 1
            ? positions.rows(from, positions.rows())
            : positions.columns(from, positions.width());
    return new Sequence(rows.behind(from), layout, own, mask);
  }
}
