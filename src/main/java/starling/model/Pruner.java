package starling.model;

import java.util.ArrayList;
import java.util.List;
import starling.device.Arguments;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Device;
import starling.device.InputException;
import starling.device.Keys;
import starling.device.Kv;
import starling.device.PositionRule;
import starling.device.Span;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.prune.Attention;
import starling.prune.CutPoint;
import starling.prune.Selection;
import starling.prune.Site;
import starling.prune.Where;

/**
 * The cuts of one answer: asks the method what to keep, and takes the other rows out or hides them.
 */
final class Pruner {
  private final Device device;
  private final TensorArena arena;
  private final TensorArena work;
  private final Tensor iota;
  private final Tensor fault;
  private final List<CutPoint> cuts;
  private final Mode mode;
  private final Tensor[] survivors;
  private final List<Stage> stages = new ArrayList<>();
  private final List<long[]> marks = new ArrayList<>();

  /**
   * @param arena memory that lives as long as the answer
   * @param work memory that lives until prefill ends
   * @param iota i32: 0, 1, 2 …
   * @param fault i32 {@code [1]}
   */
  Pruner(
      Device device,
      TensorArena arena,
      TensorArena work,
      Tensor iota,
      Tensor fault,
      List<CutPoint> cuts,
      Mode mode,
      int images) {
    this.device = device;
    this.arena = arena;
    this.work = work;
    this.iota = iota;
    this.fault = fault;
    this.cuts = cuts;
    this.mode = mode;
    this.survivors = new Tensor[images];
    if (mode == Mode.MASK && cuts.stream().anyMatch(cut -> cut.sources() > 1)) {
      throw new InputException("mode=mask: a method that merges tokens has no masked form");
    }
    boolean together = mode == Mode.MASK || cuts.stream().anyMatch(c -> c.where() == Where.DECODER);
    if (!cuts.isEmpty() && together && images > Arguments.MAX_CUTS) {
      throw new InputException(
          images
              + " pictures in one prompt; at most "
              + Arguments.MAX_CUTS
              + " can be pruned in the decoder or with mode=mask");
    }
  }

  boolean masks() {
    return mode == Mode.MASK;
  }

  /** The cuts at a place before the decoder, in order. */
  List<CutPoint> at(Where where) {
    return cuts.stream().filter(cut -> cut.where() == where).toList();
  }

  /** The cut behind {@code layer} decoder layers, or null. */
  CutPoint inDecoder(int layer) {
    return cuts.stream()
        .filter(cut -> cut.where() == Where.DECODER && cut.layer() == layer)
        .findFirst()
        .orElse(null);
  }

  List<Stage> stages() {
    return stages;
  }

  /** Time spent on scores, selection and compaction so far. */
  double millis() {
    return marks.stream().mapToDouble(m -> device.millis(m[0], m[1])).sum();
  }

  /**
   * The patch rows of a picture that a method chooses from. In mask mode the dropped ones still
   * stand between.
   */
  Keys candidates(int image, Span patches) {
    Tensor alive = survivors[image];
    return masks() && alive != null
        ? new Keys(patches.from(), alive.rows(), alive)
        : new Keys(patches.from(), patches.length(), null);
  }

  /**
   * The keys of the vision tower that belong to the candidates; its attention always covers all N
   * patches.
   */
  Keys visionCandidates(int image, Span patches) {
    Tensor alive = survivors[image];
    return new Keys(patches.from(), alive == null ? patches.length() : alive.rows(), alive);
  }

  /** i32 {@code [n]}: 0 … n − 1. */
  Tensor firstRows(int n) {
    return iota.rows(0, n);
  }

  /**
   * What a cut leaves: the tensors of the rows that go on, their positions, and the rows they came
   * from.
   */
  record Kept(List<Tensor> tensors, Tensor positions, Tensor rows) {}

  /**
   * Cuts one picture out of the rows of a vision tower or projector. In mask mode nothing moves and
   * the rows come back as they are.
   *
   * @param patches its patch rows in {@code tensors}
   * @param features whether the method may look at the first tensor's rows
   */
  List<Tensor> cut(
      CutPoint cut,
      int image,
      Attention attention,
      List<Tensor> tensors,
      Span patches,
      boolean features) {
    long before = device.mark();
    Selection chosen =
        select(
            cut, image, attention, features ? candidateRows(image, tensors.get(0), patches) : null);
    List<Tensor> after = tensors;
    if (!masks()) {
      var one = List.of(new Cut(patches.from(), patches.length(), chosen.keep()));
      Tensor positions = iota.rows(0, tensors.get(0).rows());
      after = gather(one, List.of(chosen), tensors, positions, PositionRule.KEEP).tensors();
    }
    marks.add(new long[] {before, device.mark()});
    return after;
  }

  /** Cuts every picture of a sequence inside the decoder; the rows come back shortened. */
  Kept cut(
      CutPoint cut,
      List<Attention> attentions,
      List<Tensor> tensors,
      Layout layout,
      Tensor positions,
      List<Kv> before) {
    long start = device.mark();
    var one = new ArrayList<Cut>();
    var chosen = new ArrayList<Selection>();
    for (int image = 0; image < attentions.size(); image++) {
      Selection selection = select(cut, image, attentions.get(image), null);
      Span patches = layout.pictures().get(image);
      one.add(new Cut(patches.from(), patches.length(), selection.keep()));
      chosen.add(selection);
    }
    Kept kept = gather(one, chosen, tensors, positions, cut.positions());
    if (cut.compactsCache()) {
      device.compactRows(before, kept.rows());
    }
    marks.add(new long[] {start, device.mark()});
    return kept;
  }

  /** The masked form: the same choice, and who is hidden from then on. */
  Hidden hide(
      CutPoint cut, List<Attention> attentions, Layout layout, Tensor positions, int capacity) {
    long start = device.mark();
    for (int image = 0; image < attentions.size(); image++) {
      select(cut, image, attentions.get(image), null);
    }
    Hidden hidden = hide(layout, positions, capacity, cut.positions());
    marks.add(new long[] {start, device.mark()});
    return hidden;
  }

  /** Rows nobody attends, and the positions of the others. */
  record Hidden(Tensor hidden, Tensor positions) {}

  /** Hides whatever the cuts so far have dropped. */
  Hidden hide(Layout layout, Tensor positions, int capacity, PositionRule rule) {
    var dropped = new ArrayList<Cut>();
    for (int image = 0; image < survivors.length; image++) {
      Span patches = layout.pictures().get(image);
      if (survivors[image] != null) {
        dropped.add(new Cut(patches.from(), patches.length(), survivors[image]));
      }
    }
    Tensor hidden = arena.alloc("hidden", DType.U8, capacity);
    Tensor after = work.alloc("positions", DType.I32, layout.rows());
    device.hideRows(hidden, after, positions, dropped, rule);
    return new Hidden(hidden, after);
  }

  private Selection select(CutPoint cut, int image, Attention attention, Tensor features) {
    int n = features != null ? features.rows() : attention.candidates().count();
    int kept = cut.kept(image);
    if (kept > n) {
      throw new InputException(
          "stage "
              + stageNumber(cut)
              + " would keep "
              + kept
              + " visual tokens, but only "
              + n
              + " are left");
    }
    if (cut.scored() && n > Arguments.MAX_CANDIDATES) {
      throw new InputException(
          "stage "
              + stageNumber(cut)
              + " would choose among "
              + n
              + " visual tokens of a picture; at most "
              + Arguments.MAX_CANDIDATES
              + " are compared");
    }
    boolean merges = cut.sources() > 1;
    var out =
        new Selection(
            arena.alloc("keep", DType.I32, kept),
            cut.scored() ? arena.alloc("score", DType.F32, n) : null,
            merges ? arena.alloc("merge index", DType.I32, kept, cut.sources()) : null,
            merges ? arena.alloc("merge weight", DType.F32, kept, cut.sources()) : null);
    cut.select(new Site(device, arena, image, n, attention, features, fault), out);
    survivors[image] = compose(out.keep(), survivors[image]);
    stages.add(
        new Stage(
            stageNumber(cut), image, cut.where(), cut.layer(), n, survivors[image], out.score()));
    return out;
  }

  private int stageNumber(CutPoint cut) {
    long earlier =
        cuts.stream().filter(c -> c.where() == Where.DECODER && c.layer() < cut.layer()).count();
    return cut.where() == Where.DECODER ? 2 + (int) earlier : 1;
  }

  /** The patches behind indices among the survivors: {@code alive[keep]}. */
  private Tensor compose(Tensor keep, Tensor alive) {
    if (alive == null) {
      return keep;
    }
    Tensor rows = work.alloc("rows", DType.I32, keep.rows());
    Tensor patches = arena.alloc("survivors", DType.I32, keep.rows());
    var all = List.of(new Cut(0, alive.rows(), keep));
    device.rowMap(rows, patches, null, alive, all, PositionRule.KEEP);
    return patches;
  }

  private Tensor candidateRows(int image, Tensor rows, Span patches) {
    Tensor all = rows.rows(patches.from(), patches.to());
    if (!masks() || survivors[image] == null) {
      return all;
    }
    Tensor some = work.alloc("candidates", rows.dtype(), survivors[image].rows(), rows.width());
    device.gatherRows(List.of(some), List.of(all), survivors[image]);
    return some;
  }

  /**
   * Rows outside the pictures and the chosen ones inside, then the sums of a merging method over
   * their places.
   */
  private Kept gather(
      List<Cut> cutRows,
      List<Selection> chosen,
      List<Tensor> tensors,
      Tensor positions,
      PositionRule rule) {
    int dropped = 0;
    for (Cut cut : cutRows) {
      dropped += cut.count() - cut.keep().rows();
    }
    int after = positions.rows() - dropped;
    Tensor rows = work.alloc("rows", DType.I32, after);
    Tensor positionsAfter = work.alloc("positions", DType.I32, after);
    device.rowMap(rows, positionsAfter, null, positions, cutRows, rule);
    var gathered = new ArrayList<Tensor>();
    for (Tensor tensor : tensors) {
      gathered.add(work.alloc(tensor.name(), tensor.dtype(), after, tensor.width()));
    }
    device.gatherRows(gathered, tensors, rows);
    int shift = 0;
    for (int i = 0; i < cutRows.size(); i++) {
      Cut cut = cutRows.get(i);
      if (chosen.get(i).index() != null) {
        merge(cut, shift, chosen.get(i), tensors, gathered);
      }
      shift += cut.count() - cut.keep().rows();
    }
    return new Kept(List.copyOf(gathered), positionsAfter, rows);
  }

  private void merge(
      Cut cut, int shift, Selection chosen, List<Tensor> tensors, List<Tensor> gathered) {
    int to = cut.at() - shift;
    for (int i = 0; i < tensors.size(); i++) {
      device.combineRows(
          gathered.get(i).rows(to, to + cut.keep().rows()),
          tensors.get(i).rows(cut.at(), cut.at() + cut.count()),
          chosen.index(),
          chosen.weight());
    }
  }
}
