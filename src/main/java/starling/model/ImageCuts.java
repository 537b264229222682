package starling.model;

import java.util.List;
import starling.device.Cut;
import starling.device.PositionRule;
import starling.device.ProductRows;
import starling.device.RowMapping;
import starling.device.Span;
import starling.device.Tensor;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.ImageTokens;

/**
 * The cuts of one image on its way from the tower's last attention into the decoder. An {@link
 * ImageEncoder} hands its rows over at each place, in this order: {@link #behindAttention}, {@link
 * #beforeProjector}, {@link #projected}, {@link #intoDecoder}. It goes on with the rows that come
 * back: {@link #lead} rows of the tower, then those of each candidate.
 */
public final class ImageCuts {
  private final Pruner pruner;
  private final Workspace workspace;
  private final int image;
  private final Survivors left;
  private final ImageTokens tokens;
  private final TokenTables tables;
  private final boolean masks;
  private final ImageRows rows;
  private final Tensor x;
  private final TowerAttention attention;

  /**
   * @param seen what the image is in the tower; by its attention the methods rank at every place
   *     before the decoder
   * @param x the rows of the decoder
   */
  ImageCuts(Pruner pruner, Workspace workspace, int image, ImageEncoder.Seen seen, Tensor x) {
    this.pruner = pruner;
    this.workspace = workspace;
    this.image = image;
    this.left = pruner.image(image);
    this.tokens = left.tokens();
    this.tables = left.tables();
    this.masks = pruner.planner().masks();
    this.rows = new ImageRows(workspace, left, masks);
    this.attention = TowerAttention.of(workspace, left, seen.in(), seen.lse());
    this.x = x;
  }

  /** The image's visual tokens. */
  public ImageTokens tokens() {
    return tokens;
  }

  /** Rows in front of the candidates' behind the tower's last attention. */
  public int lead() {
    return tables.plain() ? tokens.inOrder() : tokens.fixed().length;
  }

  /** How many of these are none of the image's rows in the decoder. */
  public int dropped() {
    return lead() - tokens.fixed().length;
  }

  /**
   * Rows that go on.
   *
   * @param tensors which hold them
   * @param rows i32: which of the tensors' rows they are; null for all
   */
  public record GoOn(List<Tensor> tensors, Tensor rows) {
    /** How many there are. */
    public int count() {
      return rows == null ? tensors.get(0).rows() : rows.rows();
    }
  }

  /**
   * Behind that attention, before the block's output projection and MLP: the rows that go on.
   *
   * @param tower tensors of the tower's rows {@code [T, …]}, all crops together
   */
  public List<Tensor> behindAttention(List<Tensor> tower) {
    GoOn after = goingOn(tower);
    return after.rows() == null ? after.tensors() : workspace.taken(after.tensors(), after.rows());
  }

  /** The same for an output projection that picks its rows ({@link ProductRows#rows}). */
  public GoOn goingOn(List<Tensor> tower) {
    var after = new GoOn(tower, null);
    for (CutPoint cut : pruner.planner().cutsAt(CutSite.VISION)) {
      after = cut(cut, after, null, tables.plain() ? lead() : -1);
    }
    return tables.plain() ? after : new GoOn(tower, rows.inOrder());
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
   * Where {@code n} rows behind the projector may be written, for {@link #intoDecoder}: those of a
   * table, the fixed rows, then one for each candidate of the tower. If nothing comes between,
   * these are the decoder's own.
   */
  public Tensor projected(int n) {
    return goesStraight()
        ? decoderRows()
        : workspace.work().empty("projected", x.dtype(), n, x.width());
  }

  /** Behind the projector: puts the rows that go on into their places in the decoder. */
  public void intoDecoder(Tensor projected) {
    if (!goesStraight()) {
      Tensor goOn = cutAt(CutSite.PROJECTOR_OUTPUT, projected, tokens.fixedRows());
      rows.place(decoderRows(), goOn);
    }
  }

  private boolean goesStraight() {
    return pruner.planner().cutsAt(CutSite.PROJECTOR_OUTPUT).isEmpty() && tokens.standsAsMade();
  }

  /** The image's rows of the decoder, as many as are left by now. */
  private Tensor decoderRows() {
    Span own = pruner.choices().plan().layout().images().get(image);
    return x.rows(own.from(), own.to());
  }

  /** The cuts at a place where one row for each candidate stands behind {@code front} others. */
  private Tensor cutAt(CutSite site, Tensor feature, int front) {
    Tensor after = feature;
    for (CutPoint cut : pruner.planner().cutsAt(site)) {
      Tensor features = after.rows(front, after.rows());
      GoOn goOn = cut(cut, new GoOn(List.of(after), null), features, front);
      after =
          goOn.rows() == null
              ? goOn.tensors().get(0)
              : workspace.taken(goOn.tensors(), goOn.rows()).get(0);
    }
    return after;
  }

  /**
   * One cut: the method chooses, the other rows go unless they are hidden later, the image takes
   * note.
   *
   * @param features the candidates' rows, where a method may look at them; else null
   * @param front rows before the candidates'; −1 for rows that are put in order afterwards
   */
  private GoOn cut(CutPoint cut, GoOn now, Tensor features, int front) {
    long start = workspace.device().recordEvent();
    Choices.Sight sight = (i, g) -> new Choices.Seen(attention.of(g), ofGroup(features, g));
    Choices.Rows rows = front < 0 || masks ? null : chosen -> rows(front, now.count(), chosen);
    Choices.Made made = pruner.choices().of(cut, new Span(image, image + 1), sight, rows);
    GoOn after = rows == null ? now : left(now, new Taking(workspace, made));
    pruner.drop(cut, image, made.chosen().get(0));
    pruner.spent(start);
    return after;
  }

  /** Which of {@code n} rows a cut leaves, where {@code front} stand before the candidates'. */
  private RowMapping rows(int front, int n, List<Choices.Chosen> chosen) {
    var one = List.of(new Cut(front, left.left(), left.keep(chosen.get(0).keeps())));
    Tensor positions = workspace.iota().rows(0, n);
    return Taking.rows(workspace, one, chosen, positions, PositionRule.KEEP);
  }

  private GoOn left(GoOn now, Taking taking) {
    List<Tensor> tensors =
        now.rows() == null ? now.tensors() : workspace.taken(now.tensors(), now.rows());
    Taking.Kept kept = taking.of(tensors);
    return new GoOn(kept.tensors(), kept.merged() ? null : kept.rows());
  }

  /** The rows of a group's candidates; in mask mode the dropped ones still stand between. */
  private Tensor ofGroup(Tensor features, int group) {
    Tensor index = features == null ? null : left.among(group);
    return index == null ? features : workspace.taken(List.of(features), index).get(0);
  }
}
