package starling.bench;

import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import starling.Devices;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.jcuda.Jcublas;

/** What NVIDIA's libraries have in place of operators of ours, as rows {@code op:provider}. */
final class Libraries {
  private final Bench.Options options;
  private final Device reference;
  private final Consumer<String> progress;
  private final List<Row> rows;
  private final List<String> notes;

  /**
   * @param reference computes what is right
   * @param rows get what was measured
   * @param notes get why a library is absent, and what it leaves to our own kernels
   */
  Libraries(
      Bench.Options options,
      Device reference,
      Consumer<String> progress,
      List<Row> rows,
      List<String> notes) {
    this.options = options;
    this.reference = reference;
    this.progress = progress;
    this.rows = rows;
    this.notes = notes;
  }

  /** Measures the cases of the operator that a library has; none is no error. */
  void measure(Provider provider, List<Case> plans) {
    List<Case> ours = plans.stream().filter(c -> c.name().equals(provider.operator)).toList();
    if (ours.isEmpty()) {
      return; // nothing of what was asked for is this operator
    }
    try (Device device = Devices.open(options.device(), provider.device());
        Meter meter = Meter.of(device);
        Jcublas jcublas = provider == Provider.JCUBLAS ? jcublas(device) : null) {
      LongSupplier calls =
          jcublas == null
              ? ((NativeDevice) device)::libraryCalls
              : new AtomicLong()::incrementAndGet;
      List<Case> theirs = ours.stream().map(c -> theirs(c, provider, jcublas)).toList();
      try (var bench =
          new KernelBench(
              device, reference, meter, null, calls, options.precision(), options.seconds())) {
        add(provider, bench.rows(theirs, options.caches(), progress));
      }
      if (jcublas != null) {
        notes.add("jcublas: " + jcublas.description());
      }
    } catch (InputException e) {
      notes.add(provider.label() + ": not measured: " + e.getMessage());
    }
  }

  private static Jcublas jcublas(Device device) {
    if (device instanceof NativeDevice gpu && device.type() == DeviceType.CUDA) {
      return new Jcublas(gpu);
    }
    throw new InputException("JCublas needs device cuda");
  }

  private static Case theirs(Case ours, Provider provider, Jcublas jcublas) {
    return new Case(
        provider.operator + ":" + provider.label(),
        jcublas == null ? ours.operator() : RowOperators.gemmBy(jcublas, ours.operator()),
        ours.sizes(),
        ours.dtype());
  }

  private void add(Provider provider, List<Row> measured) {
    measured.stream()
        .filter(Libraries::leftToUs)
        .map(
            r ->
                "%s: %s %s %s is %s"
                    .formatted(
                        provider.label(),
                        provider.operator,
                        r.sizes(),
                        r.dtype().label(),
                        r.failure()))
        .distinct()
        .forEach(notes::add);
    measured.stream().filter(r -> !leftToUs(r)).forEach(rows::add);
  }

  private static boolean leftToUs(Row row) {
    return KernelBench.LEFT_TO_US.equals(row.failure());
  }
}
