package starling.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import starling.Devices;
import starling.cpu.CpuDevice;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.input.InputException;

/** {@code bench kernels} and {@code bench ceilings}. */
public final class Bench {
  /** Of a ceiling measured alone: its median is known within this part of it. */
  private static final double CEILING_PRECISION = 0.01;

  private Bench() {}

  /**
   * What to measure.
   *
   * @param device where to measure
   * @param preset sizes of a model, for operators and axes that nothing else is said of
   * @param operators names; empty for all
   * @param axes values per axis; every combination is a row
   * @param dtypes element types
   * @param caches cold, warm
   * @param source a user's own kernel, or null
   * @param entry its function
   * @param providers whose kernels
   * @param precision samples are taken until the median is known this well, as a part of it
   * @param seconds or for this long, per row, all its rounds together
   */
  public record Options(
      DeviceType device,
      Preset preset,
      List<String> operators,
      Map<String, List<Integer>> axes,
      List<DType> dtypes,
      List<CacheState> caches,
      Path source,
      String entry,
      List<Provider> providers,
      double precision,
      double seconds) {}

  /** Names of the operators, in the catalogue's order. */
  public static List<String> operators() {
    return Catalogue.OPERATORS.stream().map(Operator::name).toList();
  }

  /** Every axis that some operator has. */
  public static List<String> axes() {
    var axes = new LinkedHashSet<String>();
    Catalogue.OPERATORS.forEach(o -> axes.addAll(o.axes()));
    return List.copyOf(axes);
  }

  /**
   * Measures, in rounds.
   *
   * @param progress is told before every row which one
   * @throws InputException for an operator, axis or type that does not exist, or a device that
   *     cannot be opened
   */
  public static KernelReport kernels(Options options, Consumer<String> progress) {
    List<Case> plans = Plans.of(options);
    try (Device device = Devices.open(options.device, Providers.OWN);
        Device reference = reference(device);
        Meter meter = Meter.of(device);
        var bench =
            new KernelBench(
                device,
                reference,
                meter,
                () -> meter.products(DType.F32),
                options.precision,
                options.seconds)) {
      Map<String, Object> environment = Environment.of(device, meter);
      var rows = new ArrayList<Row>();
      var notes = new ArrayList<String>();
      if (options.source != null) {
        rows.addAll(new UserKernelBench(options, notes, progress).rows(plans));
      }
      var libraries = new Libraries(options, reference, progress, rows, notes);
      for (Provider provider : Provider.values()) {
        if (provider != Provider.OWN && options.providers.contains(provider)) {
          libraries.measure(provider, plans);
        }
      }
      if (options.providers.contains(Provider.OWN)) {
        List<Row> ours = new ArrayList<>(bench.rows(plans, options.caches, progress));
        refuseWhatDoesNotGrow(bench, plans, ours);
        rows.addAll(ours);
      }
      boolean timed = rows.stream().anyMatch(r -> r.time() != null);
      return new KernelReport(
          environment, timed ? bench.ceilings.report() : null, bench.controls(), notes, rows);
    }
  }

  /** Computes what is right, by other code than the device under test. */
  private static Device reference(Device device) {
    return device.type() == DeviceType.CPU ? CpuDevice.scalar() : CpuDevice.open();
  }

  /** Asks of every operator and type, at its first size, whether time grows with work. */
  private static void refuseWhatDoesNotGrow(KernelBench bench, List<Case> cases, List<Row> rows) {
    var asked = new LinkedHashSet<String>();
    for (Case c : cases) {
      boolean timed = rows.stream().anyMatch(r -> r.time() != null && r.isOf(c));
      if (timed && asked.add(c.name() + c.dtype())) {
        String why = bench.growth(c);
        if (why != null) {
          rows.replaceAll(r -> r.isOf(c) ? r.failed(why) : r);
        }
      }
    }
  }

  /**
   * Measures what the hardware reaches.
   *
   * @param seconds a fifth of it at most is for one figure
   * @throws InputException if the device cannot be opened
   */
  public static CeilingReport ceilings(DeviceType type, double seconds) {
    try (Device device = Devices.open(type);
        Device reference = CpuDevice.open();
        Meter meter = Meter.of(device);
        var bench = new KernelBench(device, reference, meter, null, CEILING_PRECISION, seconds)) {
      for (DType t : List.of(DType.F32, DType.BF16, DType.F16)) {
        bench.ceilings.products(t);
      }
      bench.ceilings.bandwidth(true, 0);
      bench.ceilings.bandwidth(false, 0);
      double node = bench.ceilings.nodeMicros();
      return new CeilingReport(
          Environment.of(device, meter),
          bench.ceilings.report(),
          bench.ceilings.launchMicros(),
          Double.isNaN(node) ? null : node,
          type == DeviceType.CUDA ? Launches.of((NativeDevice) device) : List.of());
    }
  }
}
