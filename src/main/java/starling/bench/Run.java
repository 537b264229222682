package starling.bench;

import java.util.EnumMap;
import java.util.Map;
import starling.cuda.Clock;
import starling.cuda.Work;
import starling.input.InputException;

/** A case with its inputs on the device, and what was found so far. */
final class Run {
  final Case of;

  /** Samples by cache state. */
  final Map<CacheState, Timer.Series> series = new EnumMap<>(CacheState.class);

  /** What a call takes the host, by cache state. */
  final Map<CacheState, Double> hostMicros = new EnumMap<>(CacheState.class);

  Inputs inputs;
  Runnable call;

  /** Largest relative distance from the reference. */
  double error;

  Work work;
  Clock before;

  /** Why there are no figures, or null. */
  String failure;

  Run(Case of) {
    this.of = of;
  }

  /** Does a step; once one has failed nothing more is done. */
  void attempt(Runnable step) {
    if (failure != null) {
      return;
    }
    try {
      step.run();
    } catch (WrongResult | IllegalArgumentException | IllegalStateException | InputException e) {
      failure = e.getMessage();
    } catch (ArithmeticException | NegativeArraySizeException e) {
      failure = "its sizes are too large together (" + e.getMessage() + ")";
    } catch (OutOfMemoryError e) {
      failure = "its tensors and those that it is checked with do not fit into memory";
    }
  }
}
