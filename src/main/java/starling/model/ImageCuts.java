package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.Kv;
import starling.device.PositionRule;
import starling.device.Segments;
import starling.device.Span;
import starling.device.Tensor;
import starling.prune.Attention;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.ImageTokens;

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
  private final TokenTables tables;
  private final Tensor x;
  private List<Attention.Part> crops;

  /**
   * @param x the rows of the decoder
   */
  ImageCuts(Pruner pruner, Workspace at, int image, Tensor x) {
    this.pruner = pruner;
    this.at = at;
    this.image = image;
    this.left = pruner.image(image);
    this.tokens = left.tokens();
    this.tables = left.tables();
    this.x = x;
  }

  /** Rows in front of the candidates' behind the tower's last attention. */
  public int lead() {
    return tables.plain() ? tokens.inOrder() : tokens.fixed().length;
  }

  /** How many of these are none of the image's rows in the decoder. */
  public int dropped() {
    return lead() - tokens.fixed().length;
  }

  /** The image's visual tokens. */
  public ImageTokens tokens() {
    return tokens;
  }

  /** The crops as segments of one call, each with the keys of its own rows; null for one crop. */
  public Segments segments() {
    return tables.segments();
  }

  /**
   * Says what the attention of the block is that gives the feature, over all rows of the tower; by
   * it the methods rank at every place before the decoder.
   *
   * @param in with {@link #segments}
   * @param lse f32 {@code [H, T]}
   */
  public void sees(AttentionInputs in, Tensor lse) {
    crops = new ArrayList<>();
    for (int c = 0; c < tokens.crops().size(); c++) {
      ImageTokens.Crop crop = tokens.crops().get(c);
      Segments all = in.kv().segments();
      Kv own = all == null ? in.kv() : new Kv(in.kv().k(), in.kv().v(), all.only(c));
      var alone = new AttentionInputs(in.q(), own, in.mask(), in.scale());
      var cls = new Span(0, crop.cls());
      crops.add(new Attention.Part(alone, lse, crop.end() - crop.first(), null, cls, null));
    }
  }

  /**
   * Behind that attention: the rows that go on, in order.
   *
   * @param tensors rows of the tower, all crops together
   */
  public List<Tensor> behindAttention(List<Tensor> tensors) {
    List<Tensor> rows = tensors;
    for (CutPoint cut : pruner.at(CutSite.VISION)) {
      long start = at.device().recordEvent();
      Pruner.Chosen chosen = choose(cut, null);
      rows = tables.plain() ? cut(chosen, rows, lead()) : rows;
      drop(cut, chosen);
      pruner.spent(start);
    }
    return tables.plain() ? rows : inOrder(rows);
  }

  /** The fixed rows of the tower and those of the candidates that are left, in their order. */
  private List<Tensor> inOrder(List<Tensor> tensors) {
    int front = tokens.fixed().length;
    Tensor index = tables.tower();
    if (left.kept() != null && !pruner.masks()) {
      int w = tokens.width();
      Tensor sources = index.rows(front, index.rows()).fold(w);
      index = at.indices("tower rows", front + left.left() * w);
      if (front > 0) {
        Tensor first = index.rows(0, front).fold(1);
        Tensor from = tables.tower().rows(0, front).fold(1);
        at.device().gatherRows(List.of(first), List.of(from), at.iota().rows(0, front));
      }
      at.device()
          .gatherRows(
              List.of(index.rows(front, index.rows()).fold(w)), List.of(sources), left.kept());
    }
    return taken(tensors, index);
  }

  private List<Tensor> taken(List<Tensor> tensors, Tensor index) {
    var taken = new ArrayList<Tensor>();
    for (Tensor t : tensors) {
      taken.add(at.work().alloc(t.name(), t.dtype(), index.rows(), t.width()));
    }
    at.device().gatherRows(taken, tensors, index);
    return taken;
  }

  /**
   * Before the projector: the rows that go through it.
   *
   * @param feature the fixed rows of the tower, then one row for each candidate
   */
  public Tensor beforeProjector(Tensor feature) {
    return cutAt(CutSite.PROJECTOR_INPUT, feature, tokens.fixed().length);
  }

  /**
   * Where {@code n} rows behind the projector may be written, for {@link #intoDecoder}: the fixed
   * rows, then one for each candidate. If nothing comes between, these are the decoder's own.
   */
  public Tensor projected(int n) {
    return goesStraight() ? decoderRows() : at.work().alloc("projected", x.dtype(), n, x.width());
  }

  private boolean goesStraight() {
    return pruner.at(CutSite.PROJECTOR_OUTPUT).isEmpty() && tokens.fixedInFront();
  }

  /** Behind the projector: puts the rows that go on into their places in the decoder. */
  public void intoDecoder(Tensor projected) {
    if (goesStraight()) {
      return;
    }
    Tensor rows = cutAt(CutSite.PROJECTOR_OUTPUT, projected, tokens.fixedRows());
    at.device().gatherRows(List.of(decoderRows()), List.of(rows), inPlace(rows.rows()));
  }

  /** For each of the image's rows in the decoder, where it is among fixed and kept ones. */
  private Tensor inPlace(int n) {
    if (tokens.fixedInFront()) {
      return at.iota().rows(0, n);
    }
    if (left.kept() == null || pruner.masks()) {
      return tables.inPlace();
    }
    Tensor sources = at.indices("sources", n);
    at.device()
        .rowMap(
            at.indices("rows", n),
            at.indices("positions", n),
            sources,
            at.iota().rows(0, tokens.rows()),
            List.of(new Cut(0, tokens.rows(), left.kept(), tables.row())),
            PositionRule.KEEP);
    return sources;
  }

  /** The image's rows of the decoder. */
  private Tensor decoderRows() {
    Span rows = pruner.plan().layout().images().get(image);
    return x.rows(rows.from(), rows.to());
  }

  /** The cuts at a place where one row for each candidate stands behind {@code front} others. */
  private Tensor cutAt(CutSite where, Tensor rows, int front) {
    Tensor after = rows;
    for (CutPoint cut : pruner.at(where)) {
      long start = at.device().recordEvent();
      Pruner.Chosen chosen = choose(cut, after.rows(front, after.rows()));
      after = cut(chosen, List.of(after), front).get(0);
      drop(cut, chosen);
      pruner.spent(start);
    }
    return after;
  }

  /**
   * @param features the candidates' rows, where a method may look at them; else null
   */
  private Pruner.Chosen choose(CutPoint cut, Tensor features) {
    Pruner.Sight sight = (i, g) -> new Pruner.Seen(attention(g), features(features, g));
    return pruner.choose(cut, new Span(image, image + 1), sight).get(0);
  }

  /** Takes out what was not chosen; in mask mode nothing moves. */
  private List<Tensor> cut(Pruner.Chosen chosen, List<Tensor> tensors, int front) {
    if (pruner.masks()) {
      return tensors;
    }
    var one = List.of(new Cut(front, left.left(), left.keep(chosen.keeps())));
    Tensor positions = at.iota().rows(0, tensors.get(0).rows());
    return new Taking(at, one, List.of(chosen)).of(tensors, positions, PositionRule.KEEP).tensors();
  }

  private void drop(CutPoint cut, Pruner.Chosen chosen) {
    left.cut(chosen.keeps());
    pruner.note(cut, image, chosen);
  }

  /** The rows of a group's candidates; in mask mode the dropped ones still stand between. */
  private Tensor features(Tensor rows, int group) {
    Tensor index = rows == null ? null : left.among(group);
    return index == null ? rows : taken(List.of(rows), index).get(0);
  }

  /** The tower's attention, which always covers all its rows, with a group's candidates as keys. */
  private Attention attention(int group) {
    if (tables.plain()) {
      var keys = new Candidates(tokens.inOrder(), left.left(), left.kept());
      return new Attention(List.of(crops.get(0).of(keys)), 1, null);
    }
    boolean whole = left.groups().get(group).crop() < 0;
    var parts = new ArrayList<Attention.Part>();
    for (int c = 0; c < crops.size(); c++) {
      if (whole || left.groups().get(group).crop() == c) {
        parts.add(crops.get(c).of(tables.keys(c)));
      }
    }
    Tensor order = whole ? tables.byCrop() : tables.inCrop();
    boolean ordered = parts.size() == 1 && left.kept() == null;
    return new Attention(
        parts,
        tokens.width(),
        ordered ? null : left.kept() == null ? order : at.pick(order, left.kept(group)));
  }
}
