package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import starling.device.DType;
import starling.device.RowMapping;
import starling.device.Span;
import starling.device.Tensor;
import starling.input.InputException;
import starling.prune.Attention;
import starling.prune.AttentionCut;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.Selection;

/**
 * Asks the method what to keep of each group. Where the device decides how many that are, the
 * counts are read back, and {@link #plan} goes by them from then on.
 */
final class Choices {
  private final Workspace workspace;
  private final Planner planner;
  private final List<Survivors> images;
  private final int[][] counts; // [cut][group]: kept
  private Plan plan;

  /**
   * @param images what is left of each
   */
  Choices(Workspace workspace, Planner planner, List<Survivors> images) {
    this.workspace = workspace;
    this.planner = planner;
    this.images = images;
    this.counts = planner.bounds();
    this.plan = planner.plan(counts);
  }

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

  /** Says what is to name the rows that stay behind a cut, when its lists have their memory. */
  interface Rows {
    RowMapping of(List<Chosen> chosen);
  }

  /**
   * A cut that was made.
   *
   * @param chosen what each image keeps
   * @param rows those that stay, named by now; null if nobody asked
   */
  record Made(List<Chosen> chosen, RowMapping rows) {}

  /** The counts of the answer, as far as they are known by now. */
  Plan plan() {
    return plan;
  }

  /**
   * What the groups of some images keep, and which rows stay. The last choice of an {@link
   * AttentionCut} names them in its own launch. Any other method may do with its lists what it
   * likes until it returns, and the lists of an image's groups are put together first; there the
   * rows are named behind all choices.
   *
   * @param rows null if no rows go
   */
  Made of(CutPoint cut, Span some, Sight sight, Rows rows) {
    Tensor counted =
        cut.counted() ? workspace.arena().alloc("counts", DType.I32, groups(some)) : null;
    List<Selection> all = room(cut, some, counted);
    boolean atOnce = rows != null && cut instanceof AttentionCut && haveOneGroup(some);
    RowMapping named = atOnce ? rows.of(byImage(some, all)) : null;
    int n = 0;
    for (int image = some.from(); image < some.to(); image++) {
      for (int g = 0; g < images.get(image).groups().size(); g++, n++) {
        CutContext context = context(image, g, sight);
        if (named != null && n == all.size() - 1) {
          ((AttentionCut) cut).select(context, all.get(n), named);
        } else {
          cut.select(context, all.get(n));
        }
      }
    }
    if (counted != null) {
      read(cut, counted, firstGroup(some.from()), all);
    }
    List<Chosen> chosen = byImage(some, all);
    if (rows != null && !atOnce) {
      named = rows.of(chosen);
      workspace.device().rowMap(named);
    }
    return new Made(chosen, named);
  }

  /** Whether there are images, and no lists of an image's groups are to be put together. */
  private boolean haveOneGroup(Span some) {
    return some.length() > 0
        && images.subList(some.from(), some.to()).stream().allMatch(i -> i.groups().size() == 1);
  }

  private int groups(Span some) {
    return firstGroup(some.to()) - firstGroup(some.from());
  }

  private List<Chosen> byImage(Span some, List<Selection> all) {
    int from = firstGroup(some.from());
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

  /** Memory for what each group keeps, one after the other. */
  private List<Selection> room(CutPoint cut, Span some, Tensor counted) {
    int from = firstGroup(some.from());
    var all = new ArrayList<Selection>();
    for (Survivors image : images.subList(some.from(), some.to())) {
      for (int g = 0; g < image.groups().size(); g++) {
        int n = all.size();
        Tensor count = counted == null ? null : counted.rows(n, n + 1);
        all.add(room(cut, from + n, image.left(g), count));
      }
    }
    return all;
  }

  private Selection room(CutPoint cut, int group, int n, Tensor count) {
    int kept = cut.kept(group);
    check(cut, kept, n);
    boolean merges = cut.sources() > 1;
    var arena = workspace.arena();
    return new Selection(
        arena.alloc("keep", DType.I32, kept),
        cut.scored() ? arena.alloc("score", DType.F32, n) : null,
        merges ? arena.alloc("merge index", DType.I32, kept, cut.sources()) : null,
        merges ? arena.alloc("merge weight", DType.F32, kept, cut.sources()) : null,
        count);
  }

  private CutContext context(int image, int g, Sight sight) {
    Seen seen = sight.of(image, g);
    return new CutContext(
        workspace.device(),
        workspace.arena(),
        firstGroup(image) + g,
        images.get(image).left(g),
        seen.attention(),
        seen.features(),
        workspace.nonFinite());
  }

  private void check(CutPoint cut, int kept, int n) {
    String stage = "stage " + planner.stageNumber(cut);
    if (kept > n) {
      throw new InputException(
          stage + " would keep " + kept + " visual tokens, but only " + n + " are left");
    }
    if (cut.scored() && n > cut.mostCandidates()) {
      throw new InputException(
          stage
              + " would choose among "
              + n
              + " visual tokens of an image; at most "
              + cut.mostCandidates()
              + " are compared");
    }
  }

  /** One wait for all groups: how many they keep, and a plan that goes by it. */
  private void read(CutPoint cut, Tensor counted, int from, List<Selection> all) {
    int[] read = new int[counted.rows()];
    workspace.device().download(MemorySegment.ofArray(read), counted);
    for (int i = 0; i < read.length; i++) {
      int most = all.get(i).keep().rows();
      if (read[i] < 1 || read[i] > most) {
        throw new InputException(
            "stage "
                + planner.stageNumber(cut)
                + " keeps "
                + read[i]
                + " visual tokens; the method said 1 to "
                + most);
      }
      counts[planner.cuts().indexOf(cut)][from + i] = read[i];
      all.set(i, all.get(i).first(read[i]));
    }
    plan = planner.plan(counts);
  }
}
