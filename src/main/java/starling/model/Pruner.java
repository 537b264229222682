package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Cut;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.RowMapping;
import starling.device.Span;
import starling.device.Tensor;
import starling.prune.CutPoint;

/**
 * The cuts of one answer. A cut has three steps: the method chooses what each group of candidates
 * keeps ({@link Choices}), the images take note of it ({@link Survivors}), and the other rows leave
 * the sequence or are hidden. {@link ImageCuts} does this before the decoder, image by image;
 * {@link #cut} inside the decoder, for all images at once.
 */
final class Pruner {
  private final Workspace workspace;
  private final Planner planner;
  private final List<Survivors> images = new ArrayList<>();
  private final Choices choices;
  private final DecoderPositions positions;
  private final List<Stage> stages = new ArrayList<>();
  private final List<long[]> times = new ArrayList<>(); // events: start and end of every cut

  /**
   * @param tables of each image
   */
  Pruner(Workspace workspace, Planner planner, List<TokenTables> tables) {
    this.workspace = workspace;
    this.planner = planner;
    CutLimits.check(planner, tables);
    for (int i = 0; i < tables.size(); i++) {
      int image = i;
      var tokens = planner.shape().images().get(i);
      var own = planner.shape().groups().stream().filter(g -> g.image() == image).toList();
      images.add(new Survivors(workspace, tokens, own, planner.masks(), tables.get(i)));
    }
    this.choices = new Choices(workspace, planner, images);
    this.positions = new DecoderPositions(workspace, planner, images);
  }

  /** Where the rows that enter the decoder stand behind the cuts before it. */
  DecoderPositions.Standing entering(Tensor prompt) {
    return positions.entering(choices.plan(), prompt);
  }

  /**
   * What a cut leaves in a decoder layer.
   *
   * @param sequence with room for the rows that go on, which the layer's second half makes
   * @param attended of what it makes them
   */
  record Left(Sequence sequence, Decoder.Attended attended) {}

  /**
   * Cuts every image of the sequence in a decoder layer.
   *
   * @param before keys and values of the layers so far, which a cut may compact
   */
  Left cut(CutPoint cut, Choices.Sight sight, Sequence sequence, List<Kv> before) {
    long start = workspace.device().recordEvent();
    Choices.Rows rows = planner.masks() ? null : chosen -> rows(cut, sequence, chosen);
    Choices.Made made = choices.of(cut, new Span(0, images.size()), sight, rows);
    for (int image = 0; image < images.size(); image++) {
      drop(cut, image, made.chosen().get(image));
    }
    Left after =
        planner.masks()
            ? new Left(hidden(cut, sequence), sequence.rows().attended())
            : shortened(cut, new Taking(workspace, made), sequence, before);
    spent(start);
    return after;
  }

  /** Which rows of a sequence a cut leaves. */
  private RowMapping rows(CutPoint cut, Sequence s, List<Choices.Chosen> chosen) {
    var cuts = new ArrayList<Cut>();
    for (int image = 0; image < images.size(); image++) {
      Survivors left = images.get(image);
      int from = s.layout().images().get(image).from();
      cuts.add(left.decoderCut(from, left.keep(chosen.get(image).keeps())));
    }
    return Taking.rows(workspace, cuts, chosen, s.positions(), cut.positions());
  }

  /** The rows that were not chosen leave the sequence. */
  private Left shortened(CutPoint cut, Taking taking, Sequence s, List<Kv> before) {
    Tensor x = s.rows().x();
    Taking.Kept kept = taking.of(List.of(x, s.rows().attn()));
    if (cut.compactsCache()) {
      workspace.device().compactRows(before, kept.rows());
    }
    Tensor room = workspace.work().alloc(x.name(), x.dtype(), kept.rows().rows(), x.width());
    var after =
        new Sequence(s.rows().cut(room), s.layout().cut(rowsLeft()), kept.positions(), s.mask());
    Tensor picked = kept.merged() ? null : kept.rows();
    return new Left(
        after, new Decoder.Attended(kept.tensors().get(0), kept.tensors().get(1), picked));
  }

  /** The rows that were not chosen stay where they are, and nobody attends them any more. */
  private Sequence hidden(CutPoint cut, Sequence s) {
    int capacity = choices.plan().capacity(0);
    var standing = positions.hiding(s.layout(), s.positions(), capacity, cut.positions());
    return new Sequence(
        s.rows(), s.layout(), standing.positions(), new Mask(true, standing.hidden()));
  }

  private int[] rowsLeft() {
    return planner.rows(images.stream().mapToInt(Survivors::left).toArray());
  }

  /** Leaves of an image what was chosen, and takes note of the cut. */
  void drop(CutPoint cut, int image, Choices.Chosen chosen) {
    Survivors left = images.get(image);
    left.cut(chosen.keeps());
    for (int g = 0; g < chosen.groups().size(); g++) {
      stages.add(
          new Stage(
              planner.stageNumber(cut),
              image,
              left.groups().get(g).crop(),
              cut.where(),
              cut.layer(),
              left.kept(g),
              chosen.groups().get(g).score(),
              cut.counted()));
    }
  }

  Planner planner() {
    return planner;
  }

  Choices choices() {
    return choices;
  }

  /** What is left of an image. */
  Survivors image(int image) {
    return images.get(image);
  }

  List<Stage> stages() {
    return stages;
  }

  /** Counts the time since {@code start}, an event of the device, as pruning's. */
  void spent(long start) {
    times.add(new long[] {start, workspace.device().recordEvent()});
  }

  /** Milliseconds of scores, selection and compaction so far. */
  double millis() {
    return times.stream().mapToDouble(t -> workspace.device().elapsedMillis(t[0], t[1])).sum();
  }
}
