package starling.prune;

import java.util.List;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.RowMapping;
import starling.device.Span;
import starling.device.Tensor;
import starling.input.InputException;

/**
 * The attention of the block in which, or after which, a method acts. {@link #select} is all that
 * most methods need of it; others go through its parts with {@code attentionColsum}.
 *
 * @param parts the sequences in which the candidates are keys: in the decoder the prompt, in the
 *     tower every crop that holds some
 * @param width w, the keys that a candidate has: its source rows
 * @param order i32 {@code [n]}: where each candidate stands when the keys of all parts are written
 *     one behind the other; null if that is their order
 */
public record Attention(List<Part> parts, int width, Tensor order) {

  /**
   * One sequence: what {@link starling.device.Device#attention} was called with. Tensors are of the
   * model's type unless a type stands beside them.
   *
   * @param inputs what it was computed from, with this segment alone
   * @param lse f32 {@code [H, T]}, the statistics of its softmax
   * @param rows T, rows of the segment
   * @param candidates the keys of this sequence that belong to candidates, w for each
   * @param cls the CLS row, counted as the keys from the segment's first, null in the decoder
   * @param text the text rows after the last image, null in the vision tower
   */
  public record Part(
      AttentionInputs inputs, Tensor lse, int rows, Candidates candidates, Span cls, Span text) {

    /** The same sequence with other keys as candidates. */
    public Part of(Candidates keys) {
      return new Part(inputs, lse, rows, keys, cls, text);
    }

    /**
     * The query rows that {@code queries} names here. In a tower without a CLS row all patches
     * stand for it, as in the published ports of methods that ask CLS.
     *
     * @throws InputException if there are none: no text in a tower, no patches in the decoder
     */
    public Span rows(Queries queries) {
      Span named =
          switch (queries) {
            case PATCHES -> cls == null ? null : new Span(cls.to(), rows);
            case PATCHES_AND_CLS -> new Span(0, rows);
            case CLS -> cls != null && cls.length() == 0 ? new Span(0, rows) : cls;
            case TEXT -> text;
            case LAST -> new Span(rows - 1, rows);
          };
      if (named == null || named.length() == 0) {
        throw new InputException(
            "the method goes by the attention of rows that are not there: " + queries);
      }
      return named;
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
   * Keys of a crop are looked at by the rows of that crop alone; the scores of all crops are chosen
   * from together.
   *
   * @param keep i32 {@code [k]}
   * @param score f32 {@code [n]}
   * @param queries Q, the rows whose attention counts
   */
  public void select(CutContext context, Tensor keep, Tensor score, Queries queries) {
    select(context, keep, score, queries, null);
  }

  /**
   * The same, and the map of cuts that go by {@code keep}: in the same launch unless there are
   * several parts.
   *
   * @param map null for none
   */
  void select(CutContext context, Tensor keep, Tensor score, Queries queries, RowMapping map) {
    if (parts.size() == 1 && order == null) {
      select(context, keep, score, queries, parts.get(0), map);
      return;
    }
    int all = parts.stream().mapToInt(p -> p.candidates().count() / width).sum();
    Tensor byPart = context.scratch().alloc("scores by crop", DType.F32, all);
    Tensor unused = context.scratch().alloc("best of a crop", DType.I32, 1);
    int from = 0;
    for (Part part : parts) {
      int to = from + part.candidates().count() / width;
      select(context, unused, byPart.rows(from, to), queries, part, null);
      from = to;
    }
    Tensor scores = byPart;
    if (order != null) {
      scores = context.scratch().alloc("scores", DType.F32, order.rows());
      context.device().gatherRows(List.of(scores.fold(1)), List.of(byPart.fold(1)), order);
    }
    context.device().tokenSelect(keep, score, scores.fold(scores.rows()), 1, context.nonFinite());
    if (map != null) {
      context.device().rowMap(map);
    }
  }

  private static void select(
      CutContext context, Tensor keep, Tensor score, Queries queries, Part p, RowMapping map) {
    context
        .device()
        .colsumSelect(
            keep,
            score,
            p.inputs(),
            p.lse(),
            p.rows(queries),
            p.candidates(),
            context.nonFinite(),
            map);
  }
}
