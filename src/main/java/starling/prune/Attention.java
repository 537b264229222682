package starling.prune;

import starling.device.AttentionInputs;
import starling.device.Keys;
import starling.device.Span;
import starling.device.Tensor;

/**
 * The attention of the block in which, or after which, a method acts.
 *
 * @param inputs what it was computed from
 * @param lse f32 {@code [H, T]}
 * @param candidates the keys a method chooses from
 * @param cls the CLS row, null in the decoder
 * @param text the text rows after the last picture, null in the vision tower
 */
public record Attention(AttentionInputs inputs, Tensor lse, Keys candidates, Span cls, Span text) {

  /** The query rows that {@code queries} names here. */
  public Span rows(Queries queries) {
    int rows = inputs.q().rows();
    return switch (queries) {
      case PATCHES -> new Span(cls.to(), rows);
      case PATCHES_AND_CLS -> new Span(0, rows);
      case CLS -> cls;
      case TEXT -> text;
      case LAST -> new Span(rows - 1, rows);
    };
  }
}
