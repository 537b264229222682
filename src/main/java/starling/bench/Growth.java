package starling.bench;

import java.util.LinkedHashMap;
import java.util.Locale;
import starling.bench.Operator.Sizes;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.TensorArena;

/** Whether time grows with work: a kernel that returns early is fast at any size. */
final class Growth {
  /** How much more work is asked for. */
  private static final int FACTOR = 8;

  /** Candidates beyond which pairs of them take too long. */
  private static final int MAX_CANDIDATES = 4096;

  private final Device device;
  private final Meter meter;
  private final Ceilings ceilings;
  private double launchMicros = Double.NaN;

  Growth(Device device, Meter meter, Ceilings ceilings) {
    this.device = device;
    this.meter = meter;
    this.ceilings = ceilings;
  }

  /**
   * Eight times the work on the axis that carries it must take longer, unless both are as short as
   * a few empty launches. Returns what is wrong, or null.
   */
  String refusal(Case c) {
    String axis = axis(c.operator());
    Case larger = larger(c, axis);
    if (larger == null) {
      return null;
    }
    double small = quick(c);
    double large = quick(larger);
    if (large > 4 * launchMicros() && large < 1.1 * small) {
      return String.format(
          Locale.ROOT,
          "its time does not grow with the work: %.3g us at %s=%d and %.3g us at %s=%d",
          small,
          axis,
          c.sizes().get(axis),
          large,
          axis,
          larger.sizes().get(axis));
    }
    return null;
  }

  private static String axis(Operator operator) {
    return operator.axes().contains("out_features") ? "out_features" : operator.axes().get(0);
  }

  /** The case with more work; null if it has hardly more, or too much. */
  private Case larger(Case c, String axis) {
    long longer = (long) FACTOR * c.sizes().get(axis);
    if (longer > Integer.MAX_VALUE / 2 || (axis.equals("n") && longer > MAX_CANDIDATES)) {
      return null;
    }
    var sizes = new LinkedHashMap<>(c.sizes().of());
    sizes.put(axis, (int) longer);
    if (sizes.containsKey("S") && axis.equals("T")) {
      sizes.put("S", c.sizes().get("S") + (int) longer - c.sizes().get("T"));
    }
    var larger = new Case(c.name(), c.operator(), new Sizes(sizes), c.dtype());
    boolean grows = larger.bytes() > 4 * c.bytes();
    return grows && larger.bytes() <= meter.properties().memoryBytes() / 4 ? larger : null;
  }

  private double launchMicros() {
    if (Double.isNaN(launchMicros)) {
      launchMicros = device.type() == DeviceType.CUDA ? ceilings.launchMicros() : 1;
    }
    return launchMicros;
  }

  private double quick(Case c) {
    try (TensorArena own = device.arena("growth")) {
      Runnable call = c.on(new Inputs(device, own, c.dtype(), 0));
      return new Timer(device, meter, Timer.flushing(device, own, 1 << 20))
          .samples(false, call, 0.05, 0.2)
          .min();
    }
  }
}
