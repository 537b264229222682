package starling.model.qwen;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.PositionRule;
import starling.model.qwen.QwenCheckpoint.Outcome;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Methods;
import starling.prune.Selection;
import starling.prune.VlmShape;

/** Cuts where another method cuts, and keeps what that kept in an answer, whatever it would now. */
record SameRows(String spec, List<List<int[]>> kept) implements Method {

  /** The rows of each cut among those that were left before it, image by image. */
  static SameRows of(String spec, Outcome answer) {
    var cuts = new ArrayList<List<int[]>>();
    for (int stage = 1; stage <= 2; stage++) {
      List<int[]> rows = answer.kept(stage);
      if (!rows.isEmpty()) {
        List<int[]> first = cuts.isEmpty() ? null : answer.kept(1);
        cuts.add(
            IntStream.range(0, rows.size())
                .mapToObj(i -> first == null ? rows.get(i) : places(rows.get(i), first.get(i)))
                .toList());
      }
    }
    return new SameRows(spec, cuts);
  }

  private static int[] places(int[] rows, int[] among) {
    return Arrays.stream(rows).map(row -> Arrays.binarySearch(among, row)).toArray();
  }

  @Override
  public String spec(VlmShape shape) {
    return "same as " + spec;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    List<CutPoint> cuts = Methods.parse(spec).cuts(shape);
    return IntStream.range(0, cuts.size())
        .<CutPoint>mapToObj(c -> new Same(cuts.get(c), kept.get(c)))
        .toList();
  }

  private record Same(CutPoint cut, List<int[]> kept) implements CutPoint {
    @Override
    public CutSite where() {
      return cut.where();
    }

    @Override
    public int layer() {
      return cut.layer();
    }

    @Override
    public int kept(int group) {
      return kept.get(group).length;
    }

    @Override
    public PositionRule positions() {
      return cut.positions();
    }

    @Override
    public boolean compactsCache() {
      return cut.compactsCache();
    }

    @Override
    public boolean scored() {
      return false;
    }

    @Override
    public void select(CutContext context, Selection out) {
      context.device().upload(out.keep(), MemorySegment.ofArray(kept.get(context.group())));
    }
  }
}
