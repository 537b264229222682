package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import starling.device.DType;
import starling.device.Span;
import starling.device.Tensor;
import starling.input.InputException;
import starling.prune.Attention;
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

  /** The counts of the answer, as far as they are known by now. */
  Plan plan() {
    return plan;
  }

  /** What the groups of some images keep. */
  List<Chosen> of(CutPoint cut, Span some, Sight sight) {
    int from = firstGroup(some.from());
    int to = firstGroup(some.to());
    Tensor counted = cut.counted() ? workspace.arena().alloc("counts", DType.I32, to - from) : null;
    var all = new ArrayList<Selection>();
    for (int image = some.from(); image < some.to(); image++) {
      for (int g = 0; g < images.get(image).groups().size(); g++) {
        int n = all.size();
        Tensor count = counted == null ? null : counted.rows(n, n + 1);
        all.add(select(cut, from + n, images.get(image).left(g), sight.of(image, g), count));
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
    check(cut, kept, n);
    boolean merges = cut.sources() > 1;
    var arena = workspace.arena();
    var out =
        new Selection(
            arena.alloc("keep", DType.I32, kept),
            cut.scored() ? arena.alloc("score", DType.F32, n) : null,
            merges ? arena.alloc("merge index", DType.I32, kept, cut.sources()) : null,
            merges ? arena.alloc("merge weight", DType.F32, kept, cut.sources()) : null,
            count);
    var context =
        new CutContext(
            workspace.device(),
            arena,
            group,
            n,
            seen.attention(),
            seen.features(),
            workspace.nonFinite());
    cut.select(context, out);
    return out;
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
