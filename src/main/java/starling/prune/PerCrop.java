package starling.prune;

import java.util.List;

/** A method whose numbers count over each crop of an image. */
record PerCrop(Method method) implements Method {
  @Override
  public String spec(VlmShape shape) {
    return method.spec(shape) + ",budget=crop";
  }

  @Override
  public Budget budget() {
    return Budget.CROP;
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    return method.cuts(shape);
  }
}
