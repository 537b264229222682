package starling.prune;

import starling.device.Keys;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Span;
import starling.device.Tensor;

/**
 * The attention of the block in which, or after which, a method acts: what {@link
 * starling.device.Device#attention} was called with, so that {@code attentionColsum} and {@code
 * colsumSelect} can be. Tensors are of the model's type unless a type stands beside them.
 *
 * @param q queries {@code [T, H, d]}, of all rows of the picture or prompt
 * @param kv keys and values; in the decoder those of the layer's cache
 * @param lse f32 {@code [H, T]}, the statistics of its softmax
 * @param scale of q·kᵀ before the softmax
 * @param candidates the keys a method chooses from
 * @param cls the CLS row, null in the decoder
 * @param text the text rows after the last picture, null in the vision tower
 */
public record Attention(
    Tensor q, Kv kv, Tensor lse, Mask mask, float scale, Keys candidates, Span cls, Span text) {

  /** The query rows that {@code queries} names here. */
  public Span rows(Queries queries) {
    int rows = q.rows();
    return switch (queries) {
      case PATCHES -> new Span(cls.to(), rows);
      case PATCHES_AND_CLS -> new Span(0, rows);
      case CLS -> cls;
      case TEXT -> text;
      case LAST -> new Span(rows - 1, rows);
    };
  }
}
