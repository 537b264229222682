package starling.prune;

import java.util.List;
import starling.device.Keys;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Span;
import starling.device.Tensor;

/**
 * The attention of the block in which, or after which, a method acts. {@link #select} is all that
 * most methods need of it.
 *
 * @param parts the sequences in which the candidates are keys: in the decoder the prompt, in the
 *     tower every crop that holds some
 * @param order i32 {@code [n]}: where each candidate stands when those of all parts are written one
 *     behind the other; null if that is their order
 */
public record Attention(List<Part> parts, Tensor order) {

  /**
   * One sequence.
   *
   * @param q {@code [T, H, d]}
   * @param lse f32 {@code [H, T]}
   * @param candidates the keys of this sequence that a method chooses from
   * @param cls the CLS row, null in the decoder
   * @param text the text rows after the last picture, null in the vision tower
   */
  public record Part(
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

  /**
   * Scores the candidates by the attention they receive and chooses the best:
   *
   * <pre>
   *   score[j] = 1/(H·|Q|·w) · Σ_h Σ_{i in Q} Σ_{s in sources(j)} A_h[i, s]     A softmax over all keys
   *   keep     = ascending(top-k(score))                                       ties to the lowest index
   * </pre>
   *
   * @param keep i32 {@code [k]}
   * @param score f32 {@code [n]}
   * @param queries Q, the rows whose attention counts
   */
  public void select(Site site, Tensor keep, Tensor score, Queries queries) {
    if (parts.size() > 1 || order != null) {
      throw new IllegalStateException("several crops");
    }
    Part p = parts.get(0);
    site.device()
        .colsumSelect(
            keep,
            score,
            p.q(),
            p.kv(),
            p.lse(),
            p.mask(),
            p.scale(),
            p.rows(queries),
            p.candidates(),
            site.nonFinite());
  }
}
