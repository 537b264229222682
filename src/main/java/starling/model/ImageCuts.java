package starling.model;

import java.util.List;
import starling.device.Keys;
import starling.device.PositionRule;
import starling.device.Span;
import starling.device.Tensor;
import starling.prune.Attention;
import starling.prune.CutPoint;
import starling.prune.ImageTokens;
import starling.prune.Where;

/**
 * The cuts of one image on its way from the tower's last attention into the decoder. From that
 * attention on its rows stand in order: {@link #lead} rows of the tower, then the rows of each
 * candidate.
 */
public final class ImageCuts {
  private final Pruner pruner;
  private final Workspace at;
  private final int image;
  private final Survivors left;
  private final ImageTokens tokens;
  private final Tensor x;
  private List<Attention.Part> crops = List.of();

  /**
   * @param x the rows of the decoder
   */
  ImageCuts(Pruner pruner, Workspace at, int image, Tensor x) {
    this.pruner = pruner;
    this.at = at;
    this.image = image;
    this.left = pruner.image(image);
    this.tokens = left.tokens();
    this.x = x;
  }

  /** Rows in front of the candidates' behind the tower's last attention. */
  public int lead() {
    return tokens.inOrder() >= 0 ? tokens.inOrder() : tokens.fixed().length;
  }

  /**
   * Says what the attention of the block is that gives the feature, crop by crop; with it the
   * methods rank at every place before the decoder.
   */
  public void sees(List<Attention.Part> parts) {
    crops = parts;
  }

  /**
   * Behind that attention: the rows that go on, in order.
   *
   * @param tensors rows of the tower, all crops together
   */
  public List<Tensor> behindAttention(List<Tensor> tensors) {
    List<Tensor> rows = tensors;
    for (CutPoint cut : pruner.at(Where.VISION)) {
      rows = cut(cut, rows, lead(), false);
    }
    return rows;
  }

  /**
   * Before the projector: the rows that go through it.
   *
   * @param feature the fixed rows of the tower, then one row for each candidate
   */
  public Tensor beforeProjector(Tensor feature) {
    return cutAt(Where.PROJECTOR_INPUT, feature);
  }

  /** Where the projector may write n rows: if nothing comes between, the decoder's own. */
  public Tensor projected(int n) {
    return pruner.at(Where.PROJECTOR_OUTPUT).isEmpty()
        ? decoderRows()
        : at.work().alloc("projected", x.dtype(), n, x.width());
  }

  /** Behind the projector: puts the rows that go on into the decoder's. */
  public void intoDecoder(Tensor projected) {
    if (pruner.at(Where.PROJECTOR_OUTPUT).isEmpty()) {
      return;
    }
    Tensor rows = cutAt(Where.PROJECTOR_OUTPUT, projected);
    at.device().gatherRows(List.of(decoderRows()), List.of(rows), at.iota().rows(0, rows.rows()));
  }

  /** The image's rows of the decoder. */
  private Tensor decoderRows() {
    Span rows = pruner.plan().layout().images().get(image);
    return x.rows(rows.from(), rows.to());
  }

  private Tensor cutAt(Where where, Tensor rows) {
    Tensor after = rows;
    for (CutPoint cut : pruner.at(where)) {
      after = cut(cut, List.of(after), tokens.fixed().length, true).get(0);
    }
    return after;
  }

  /**
   * Cuts the rows behind the first {@code front}, one for each candidate that is left. In mask mode
   * nothing moves and they come back as they are.
   *
   * @param features whether the method may look at the first tensor's rows
   */
  private List<Tensor> cut(CutPoint cut, List<Tensor> tensors, int front, boolean features) {
    long start = at.device().mark();
    Tensor seen = features ? tensors.get(0).rows(front, tensors.get(0).rows()) : null;
    Pruner.Sight sight = (i, g) -> new Pruner.Seen(attention(g), features(seen, g));
    Pruner.Chosen chosen = pruner.choose(cut, new Span(image, image + 1), sight).get(0);
    Tensor keep = left.keep(chosen.keeps());
    var one = List.of(Survivors.cut(front, left.left(), keep, null));
    left.cut(chosen.keeps(), keep);
    pruner.note(cut, image, chosen);
    List<Tensor> after = tensors;
    if (!pruner.masks()) {
      Tensor positions = at.iota().rows(0, tensors.get(0).rows());
      after =
          new Taking(at, one, List.of(chosen)).of(tensors, positions, PositionRule.KEEP).tensors();
    }
    pruner.spent(start);
    return after;
  }

  /** The rows of a group's candidates; in mask mode the dropped ones still stand between. */
  private Tensor features(Tensor rows, int group) {
    Tensor index = rows == null ? null : left.among(group);
    if (index == null) {
      return rows;
    }
    Tensor some = at.work().alloc("candidates", rows.dtype(), index.rows(), rows.width());
    at.device().gatherRows(List.of(some), List.of(rows), index);
    return some;
  }

  /** The tower's attention always covers all its rows; the survivors are the candidates. */
  private Attention attention(int group) {
    Attention.Part p = crops.get(0);
    var keys = new Keys(tokens.inOrder(), left.left(), left.kept());
    return new Attention(
        List.of(
            new Attention.Part(
                p.q(), p.kv(), p.lse(), p.mask(), p.scale(), keys, p.cls(), p.text())),
        null);
  }
}
