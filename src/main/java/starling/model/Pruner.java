package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import starling.device.Arguments;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Kv;
import starling.device.PositionRule;
import starling.device.Span;
import starling.device.Tensor;
import starling.input.InputException;
import starling.prune.Attention;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Selection;
import starling.prune.VlmShape;

/**
 * The cuts of one answer: asks the method what to keep of each group, and takes the other rows out
 * or hides them.
 */
final class Pruner {
  private final Workspace at;
  private final Planner planner;
  private final List<CutPoint> cuts;
  private final List<VlmShape.Group> groups;
  private final int[][] counts; // [cut][group]: kept
  private final boolean masks;
  private final List<TokenTables> tables;
  private final List<Survivors> images = new ArrayList<>();
  private final List<Stage> stages = new ArrayList<>();
  private final List<long[]> marks = new ArrayList<>();
  private Plan plan;

  /**
   * @param tables of each image
   */
  Pruner(Workspace at, Planner planner, List<TokenTables> tables) {
    this.at = at;
    this.planner = planner;
    this.cuts = planner.cuts();
    this.groups = planner.shape().groups();
    this.counts = planner.bounds();
    this.plan = planner.plan(counts);
    this.masks = planner.request().mode() == Mode.MASK;
    this.tables = tables;
    checkForm(tables.size());
    for (int i = 0; i < tables.size(); i++) {
      int image = i;
      var own = groups.stream().filter(g -> g.image() == image).toList();
      images.add(new Survivors(at, planner.shape().images().get(i), own, masks, tables.get(i)));
    }
  }

  private void checkForm(int images) {
    if (masks && cuts.stream().anyMatch(cut -> cut.sources() > 1)) {
      throw new InputException("mode=mask: a method that merges tokens has no masked form");
    }
    checkMerging();
    boolean together = masks || cuts.stream().anyMatch(c -> c.where() == CutSite.DECODER);
    if (!cuts.isEmpty() && together && images > Arguments.MAX_CUTS) {
      throw new InputException(
          images
              + " images in one prompt; at most "
              + Arguments.MAX_CUTS
              + " can be pruned in the decoder or with mode=mask");
    }
  }

  private void checkMerging() {
    for (CutPoint cut : cuts) {
      if (cut.sources() > 1 && groups.stream().anyMatch(g -> g.crop() >= 0)) {
        throw new InputException("budget=crop: a method that merges tokens counts over images");
      }
      boolean plain = tables.stream().allMatch(TokenTables::plain);
      if (cut.sources() > 1 && cut.where() == CutSite.VISION && !plain) {
        throw new InputException(
            "tokens of this image are no single rows in the tower; a method that merges them does"
                + " so before the projector or behind it");
      }
    }
  }

  boolean masks() {
    return masks;
  }

  /** The cuts at a place before the decoder, in order. */
  List<CutPoint> at(CutSite where) {
    return cuts.stream().filter(cut -> cut.where() == where).toList();
  }

  /** The cut behind {@code layer} decoder layers, or null. */
  CutPoint inDecoder(int layer) {
    return cuts.stream()
        .filter(cut -> cut.where() == CutSite.DECODER && cut.layer() == layer)
        .findFirst()
        .orElse(null);
  }

  /** The counts, as far as they are known by now. */
  Plan plan() {
    return plan;
  }

  List<Stage> stages() {
    return stages;
  }

  /** What is left of an image. */
  Survivors image(int image) {
    return images.get(image);
  }

  /** Rows of each image that are left in the decoder. */
  int[] rows() {
    return planner.rows(images.stream().mapToInt(Survivors::left).toArray());
  }

  /** Time spent on scores, selection and compaction so far. */
  double millis() {
    return marks.stream().mapToDouble(m -> at.device().elapsedMillis(m[0], m[1])).sum();
  }

  /** Counts the time since {@code start}, a mark, as pruning's. */
  void spent(long start) {
    marks.add(new long[] {start, at.device().recordEvent()});
  }

  // ---- choosing ----

  /** What a method sees of one group. */
  record Seen(Attention attention, Tensor features) {}

  /** Tells what the method sees of group {@code group} of an image. */
  interface Sight {
    Seen of(int image, int group);
  }

  /** What the groups of an image keep of the candidates that were left before. */
  record Chosen(List<Selection> groups) {
    List<Tensor> keeps() {
      return groups.stream().map(Selection::keep).toList();
    }
  }

  /** Asks the method about the groups of some images, and reads back what only the device knows. */
  List<Chosen> choose(CutPoint cut, Span some, Sight sight) {
    int from = firstGroup(some.from());
    int to = firstGroup(some.to());
    Tensor counted = cut.counted() ? at.arena().alloc("counts", DType.I32, to - from) : null;
    var all = new ArrayList<Selection>();
    for (int image = some.from(); image < some.to(); image++) {
      for (int g = 0; g < images.get(image).groups().size(); g++) {
        int group = from + all.size();
        Tensor count = counted == null ? null : counted.rows(all.size(), all.size() + 1);
        all.add(select(cut, group, images.get(image).left(g), sight.of(image, g), count));
      }
    }
    if (counted != null) {
      read(cut, counted, from, all);
    }
    var chosen = new ArrayList<Chosen>();
    for (int image = some.from(); image < some.to(); image++) {
      int first = firstGroup(image) - from;
      chosen.add(new Chosen(List.copyOf(all.subList(first, firstGroup(image + 1) - from))));
    }
    return chosen;
  }

  private int firstGroup(int image) {
    return images.subList(0, image).stream().mapToInt(i -> i.groups().size()).sum();
  }

  private Selection select(CutPoint cut, int group, int n, Seen seen, Tensor count) {
    int kept = cut.kept(group);
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
              + " visual tokens of an image; at most "
              + Arguments.MAX_CANDIDATES
              + " are compared");
    }
    boolean merges = cut.sources() > 1;
    var out =
        new Selection(
            at.arena().alloc("keep", DType.I32, kept),
            cut.scored() ? at.arena().alloc("score", DType.F32, n) : null,
            merges ? at.arena().alloc("merge index", DType.I32, kept, cut.sources()) : null,
            merges ? at.arena().alloc("merge weight", DType.F32, kept, cut.sources()) : null,
            count);
    cut.select(
        new CutContext(
            at.device(), at.arena(), group, n, seen.attention(), seen.features(), at.nonFinite()),
        out);
    return out;
  }

  /** One wait for all groups: how many they keep, and a plan that goes by it. */
  private void read(CutPoint cut, Tensor counted, int from, List<Selection> all) {
    int[] read = new int[counted.rows()];
    at.device().download(MemorySegment.ofArray(read), counted);
    for (int i = 0; i < read.length; i++) {
      int most = all.get(i).keep().rows();
      if (read[i] < 1 || read[i] > most) {
        throw new InputException(
            "stage "
                + stageNumber(cut)
                + " keeps "
                + read[i]
                + " visual tokens; the method said 1 to "
                + most);
      }
      counts[cuts.indexOf(cut)][from + i] = read[i];
      all.set(i, all.get(i).first(read[i]));
    }
    plan = planner.plan(counts);
  }

  /** Takes note of a cut, once {@link Survivors#cut} has left what was chosen. */
  void note(CutPoint cut, int image, Chosen chosen) {
    Survivors left = images.get(image);
    for (int g = 0; g < chosen.groups().size(); g++) {
      stages.add(
          new Stage(
              stageNumber(cut),
              image,
              left.groups().get(g).crop(),
              cut.where(),
              cut.layer(),
              left.kept(g),
              chosen.groups().get(g).score(),
              cut.counted()));
    }
  }

  private int stageNumber(CutPoint cut) {
    long earlier =
        cuts.stream().filter(c -> c.where() == CutSite.DECODER && c.layer() < cut.layer()).count();
    return cut.where() == CutSite.DECODER ? 2 + (int) earlier : 1;
  }

  // ---- inside the decoder ----

  /**
   * The positions of the rows that enter the decoder, and who of them is hidden.
   *
   * @param positions of the prompt with nothing dropped, i32 {@code [T]} or {@code [A, T]}; null if
   *     they simply count
   */
  Hidden enter(Tensor positions) {
    Layout prompt = planner.prompt();
    PositionRule rule = planner.ruleBefore();
    int rows = plan.layout().rows();
    boolean dropped = rows < prompt.rows();
    if (dropped && rule == PositionRule.CONTIGUOUS) {
      return new Hidden(null, at.iota().rows(0, rows));
    }
    Tensor dense = positions == null ? at.iota().rows(0, prompt.rows()) : positions;
    if (masks) {
      return hide(prompt, dense, plan.capacity(0), rule);
    }
    if (!dropped) {
      return new Hidden(null, dense);
    }
    Tensor after = positions(dense, rows);
    at.device()
        .rowMap(at.indices("rows", rows), after, null, dense, dropped(prompt), PositionRule.KEEP);
    return new Hidden(null, after);
  }

  /** Room for n positions on as many axes as {@code like} has. */
  private Tensor positions(Tensor like, int n) {
    return like.rank() == 1
        ? at.indices("positions", n)
        : at.work().alloc("positions", DType.I32, like.rows(), n);
  }

  /**
   * What a cut leaves: the tensors of the rows that go on, their positions, and the rows they came
   * from.
   */
  record Kept(List<Tensor> tensors, Tensor positions, Tensor rows) {}

  /** Cuts every image of a sequence; the rows come back shortened. */
  Kept cut(
      CutPoint cut,
      Sight sight,
      List<Tensor> tensors,
      Layout layout,
      Tensor positions,
      List<Kv> before) {
    long start = at.device().recordEvent();
    var one = new ArrayList<Cut>();
    List<Chosen> chosen = choose(cut, new Span(0, images.size()), sight);
    for (int image = 0; image < images.size(); image++) {
      Survivors left = images.get(image);
      List<Tensor> keeps = chosen.get(image).keeps();
      one.add(left.decoderCut(layout.images().get(image).from(), left.keep(keeps)));
      left.cut(keeps);
      note(cut, image, chosen.get(image));
    }
    Kept kept = new Taking(at, one, chosen).of(tensors, positions, cut.positions());
    if (cut.compactsCache()) {
      at.device().compactRows(before, kept.rows());
    }
    spent(start);
    return kept;
  }

  /** Rows nobody attends, and the positions of the others. */
  record Hidden(Tensor hidden, Tensor positions) {}

  /** The masked form: the same choice, and who is hidden from then on. */
  Hidden hide(CutPoint cut, Sight sight, Layout layout, Tensor positions, int capacity) {
    long start = at.device().recordEvent();
    List<Chosen> chosen = choose(cut, new Span(0, images.size()), sight);
    for (int image = 0; image < images.size(); image++) {
      images.get(image).cut(chosen.get(image).keeps());
      note(cut, image, chosen.get(image));
    }
    Hidden hidden = hide(layout, positions, capacity, cut.positions());
    spent(start);
    return hidden;
  }

  /** Hides whatever the cuts so far have dropped. */
  Hidden hide(Layout layout, Tensor positions, int capacity, PositionRule rule) {
    Tensor hidden = at.arena().alloc("hidden", DType.U8, capacity);
    Tensor after = positions(positions, layout.rows());
    at.device().hideRows(hidden, after, positions, dropped(layout), rule);
    return new Hidden(hidden, after);
  }

  /** What the cuts so far have dropped of rows that never moved. */
  private List<Cut> dropped(Layout layout) {
    var dropped = new ArrayList<Cut>();
    for (int image = 0; image < images.size(); image++) {
      if (images.get(image).kept() != null) {
        dropped.add(images.get(image).hidden(layout.images().get(image).from()));
      }
    }
    return dropped;
  }
}
