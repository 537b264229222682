package starling.bench;

import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import starling.bench.Operator.Sizes;
import starling.cuda.CountedLaunches;
import starling.cuda.CountedLaunches.Launch;
import starling.cuda.NativeCeilings;
import starling.device.Device;
import starling.device.TensorArena;

/**
 * Work of an operator at a size: grids, bytes and FLOPs as the emulated device counts them.
 *
 * @param launch the one that does the work
 * @param launches of all its kernels
 * @param read bytes that blocks asked for
 */
record Counted(Launch launch, int launches, double read, double written, double flops) {
  private static final int SMALL = 256;
  private static final Map<String, KernelWork> CODE = KernelWork.all();

  /**
   * Counts. What is linear in a size is counted at two small ones: a product in what it sums over,
   * attention in its heads, caches in their layers.
   */
  static Counted of(Case c, Device device, NativeCeilings counters) {
    Map<String, Integer> sizes = new LinkedHashMap<>(c.sizes().of());
    if (c.operator().name().equals("embed")) {
      sizes.put("V", Math.min(SMALL, sizes.get("V"))); // rows of the table that nobody reads
    }
    if (sizes.containsKey("in_features") && sizes.get("in_features") > 2 * SMALL) {
      return linear(c, sizes, "in_features", SMALL, device, counters);
    }
    if (sizes.containsKey("G") && sizes.get("G") > 2) {
      return linear(c, sizes, "G", 1, device, counters);
    }
    if (sizes.containsKey("L") && sizes.get("L") > 2) {
      return linear(c, sizes, "L", 1, device, counters);
    }
    return at(c, sizes, device, counters);
  }

  private static Counted linear(
      Case c, Map<String, Integer> sizes, String axis, int small, Device device, NativeCeilings n) {
    Counted one = at(c, with(sizes, axis, small), device, n);
    Counted two = at(c, with(sizes, axis, 2 * small), device, n);
    return one.line(two, sizes.get(axis) / (double) small);
  }

  /** Query heads go with the key heads that they share. */
  private static Map<String, Integer> with(Map<String, Integer> sizes, String axis, int n) {
    Map<String, Integer> changed = new LinkedHashMap<>(sizes);
    if (axis.equals("G") && sizes.containsKey("H")) {
      changed.put("H", sizes.get("H") / sizes.get("G") * n);
    }
    changed.put(axis, n);
    return changed;
  }

  static Counted at(Case c, Map<String, Integer> sizes, Device device, NativeCeilings counters) {
    try (TensorArena arena = device.arena("counted")) {
      Runnable call =
          c.operator().body().apply(new Inputs(device, arena, c.dtype(), 0), new Sizes(sizes));
      CountedLaunches counted = counters.countedLaunches(call);
      Comparator<Launch> work =
          Comparator.comparing((Launch l) -> multiplies(l) && counted.flops() > 0)
              .thenComparingLong(l -> l.blocks() * l.threads());
      Launch most = counted.launches().stream().max(work).orElseThrow();
      return new Counted(
          most, counted.launches().size(), counted.read(), counted.written(), counted.flops());
    }
  }

  private static boolean multiplies(Launch l) {
    KernelWork code = CODE.get(l.kernel());
    return code != null && code.loopProducts() > 0;
  }

  /** On the line through this one and that of twice the size, at {@code times} the size. */
  Counted line(Counted twice, double times) {
    Launch a = launch;
    Launch b = twice.launch;
    return new Counted(
        new Launch(
            a.kernel(),
            Math.round(line((double) a.x(), (double) b.x(), times)),
            Math.round(line((double) a.y(), (double) b.y(), times)),
            Math.round(line((double) a.z(), (double) b.z(), times)),
            a.threads(),
            a.shared()),
        launches,
        line(read, twice.read, times),
        line(written, twice.written, times),
        line(flops, twice.flops, times));
  }

  private static double line(double one, double two, double times) {
    return one + (two - one) * (times - 1);
  }
}
