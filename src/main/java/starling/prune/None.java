package starling.prune;

import java.util.List;

/** The unpruned model. */
record None() implements Method {
  @Override
  public String spec(VlmShape shape) {
    return "none";
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    return List.of();
  }
}
