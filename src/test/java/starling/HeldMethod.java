package starling;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import starling.device.PositionRule;
import starling.prune.AttentionCut;
import starling.prune.CutContext;
import starling.prune.CutPoint;
import starling.prune.CutSite;
import starling.prune.Method;
import starling.prune.Queries;
import starling.prune.Selection;
import starling.prune.VlmShape;

/** A method that stops the model's own thread in a layer until the test lets it go on. */
final class HeldMethod implements Method, CutPoint {
  private final AttentionCut cut =
      new AttentionCut(CutSite.DECODER, 4, Queries.LAST, List.of(576), PositionRule.KEEP, false);
  final CountDownLatch reached = new CountDownLatch(1);
  private final CountDownLatch go = new CountDownLatch(1);
  private volatile Runnable inside = () -> {};

  /** What the model's own thread does while it is held. */
  HeldMethod doing(Runnable work) {
    inside = work;
    return this;
  }

  /** Waits until the model's thread is in the cut. */
  void await() {
    Quietly.await(reached);
  }

  /** Lets it go on. */
  void go() {
    go.countDown();
  }

  @Override
  public String spec(VlmShape shape) {
    return "held";
  }

  @Override
  public List<CutPoint> cuts(VlmShape shape) {
    return List.of(this);
  }

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
    return cut.kept(group);
  }

  @Override
  public void select(CutContext context, Selection out) {
    reached.countDown();
    Quietly.await(go);
    inside.run();
    cut.select(context, out);
  }
}
