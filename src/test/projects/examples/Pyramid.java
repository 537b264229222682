import java.util.ArrayList;
import java.util.List;
import starling.device.PositionRule;
import starling.prune.*;

public record Pyramid(double ratio, int stages) implements Method {
  public static class Provider implements MethodProvider {
    public String name() {
      return "pyramid";
    }

    public Method parse(Spec spec) {
      return new Pyramid(spec.fraction("ratio", 0.5), spec.integer("stages", 3));
    }
  }

  public String spec(VlmShape shape) {
    return "pyramid:ratio=" + ratio + ",stages=" + stages;
  }

  public List<CutPoint> cuts(VlmShape shape) {
    var cuts = new ArrayList<CutPoint>();
    for (int i = 1; i <= stages; i++) {
      int layer = i * shape.layers() / (stages + 1);
      double part = Math.pow(ratio, i);
      List<Integer> counts = shape.counts(group -> (int) Math.max(1, part * group.size()));
      Spec.checkLayer("pyramid", layer, shape);
      cuts.add(
          new AttentionCut(
              CutSite.DECODER, layer, Queries.LAST, counts, PositionRule.CONTIGUOUS, false));
    }
    return cuts;
  }
}
