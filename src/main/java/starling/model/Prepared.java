package starling.model;

import java.util.stream.IntStream;

/** A question that was counted and fits the model, ready for {@link LoadedModel#prefill}. */
public final class Prepared {
  private final Request request;
  private final Planner planner;

  Prepared(Request request, Planner planner) {
    this.request = request;
    this.planner = planner;
  }

  Request request() {
    return request;
  }

  Planner planner() {
    return planner;
  }

  /** Tokens that may be drawn, at the most. */
  public int tokenBudget() {
    return planner.plan(planner.bounds()).tokenBudget();
  }

  /**
   * Rows of keys and values that one answer needs in all layers, at the most. Where a cut is
   * counted by the device, the layers behind it get their rows by a move, for which both have to be
   * there.
   */
  long cacheRows() {
    Plan plan = planner.plan(planner.bounds());
    int layers = planner.shape().layers();
    long rows = IntStream.range(0, layers).mapToLong(plan::capacity).sum();
    return planner.known(0) == layers ? rows : 2 * rows;
  }
}
