package starling.bench;

import starling.device.Device;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/** Whether an operator of one device gives what it gives on another. */
final class Checker {
  private final Device device;
  private final Device reference;

  /**
   * @param device under test
   * @param reference computes what is right
   */
  Checker(Device device, Device reference) {
    this.device = device;
    this.reference = reference;
  }

  /** Puts the inputs of another seed into the same tensors. */
  void refill(Run run, int seed) {
    try (TensorArena own = device.arena("other inputs")) {
      var other = new Inputs(device, own, run.of.dtype(), seed);
      run.of.on(other);
      run.inputs.take(other);
    }
  }

  /**
   * Runs once on poisoned outputs and compares with the reference.
   *
   * @return the largest relative distance
   * @throws WrongResult if it is not rounding
   */
  double check(Run run, int seed) {
    run.inputs.poison();
    run.call.run();
    return distance(run, seed);
  }

  /** What the outputs hold, against the reference on the inputs of a seed. */
  double distance(Run run, int seed) {
    try (TensorArena own = reference.arena("reference")) {
      var expected = new Inputs(reference, own, run.of.dtype(), seed);
      Runnable right = run.of.on(expected);
      return distance(run.inputs, expected, right);
    }
  }

  private static double distance(Inputs inputs, Inputs expected, Runnable right) {
    String trespass = inputs.trespass();
    if (trespass != null) {
      throw new WrongResult(trespass);
    }
    expected.poison();
    right.run();
    double worst = 0;
    for (int i = 0; i < expected.outputs().size(); i++) {
      Tensor e = expected.outputs().get(i);
      Tensor a = inputs.outputs().get(i);
      double distance = Reference.distance(e, expected.values(e), inputs.values(a), scores(inputs));
      worst = Math.max(worst, distance);
    }
    return worst;
  }

  /** What a choice of tokens was made by, on the device under test; null where there is none. */
  private static double[] scores(Inputs inputs) {
    return inputs.outputs().stream()
        .filter(t -> t.name().equals("score"))
        .findFirst()
        .map(inputs::values)
        .orElse(null);
  }

  /**
   * Tries inputs that are not finite, where the operator says what becomes of them; returns what is
   * wrong, or null.
   */
  String notFinite(Case c, int seed) {
    String spoiled = Catalogue.NOT_FINITE.get(c.operator().name());
    if (spoiled == null) {
      return null;
    }
    try (TensorArena own = device.arena("not finite");
        TensorArena right = reference.arena("reference")) {
      var inputs = new Inputs(device, own, c.dtype(), seed);
      Runnable call = c.on(inputs);
      var expected = new Inputs(reference, right, c.dtype(), seed);
      Runnable definition = c.on(expected);
      inputs.spoil(spoiled);
      expected.spoil(spoiled);
      inputs.poison();
      call.run();
      distance(inputs, expected, definition);
      return null;
    } catch (WrongResult | IllegalArgumentException | IllegalStateException | InputException e) {
      return e.getMessage();
    }
  }
}
