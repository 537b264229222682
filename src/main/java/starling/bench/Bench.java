package starling.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import starling.Devices;
import starling.bench.Operator.Sizes;
import starling.cpu.CpuDevice;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.input.InputException;
import starling.jcuda.Jcublas;

/** {@code bench kernels} and {@code bench ceilings}. */
public final class Bench {
  private Bench() {}

  /**
   * What to measure.
   *
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
      String preset,
      List<String> operators,
      Map<String, List<Integer>> axes,
      List<DType> dtypes,
      List<String> caches,
      Path source,
      String entry,
      List<Provider> providers,
      double precision,
      double seconds) {}

  private static final int MAX_ROWS = 10_000;

  /** Names of the operators, in the catalogue's order. */
  public static List<String> operators() {
    return Catalogue.OPERATORS.stream().map(Operator::name).toList();
  }

  /** Names of the presets. */
  public static List<String> presets() {
    return Stream.of(Preset.values()).map(p -> p.label).toList();
  }

  /** Every axis that some operator has. */
  public static List<String> axes() {
    var axes = new LinkedHashSet<String>();
    Catalogue.OPERATORS.forEach(o -> axes.addAll(o.axes()));
    return List.copyOf(axes);
  }

  /**
   * Measures, in rounds; says before every row which one.
   *
   * @throws InputException for an operator, axis or type that does not exist, or a device that
   *     cannot be opened
   */
  public static KernelReport kernels(Options options, Consumer<String> progress) {
    List<Case> plans = plans(options);
    try (Device device = Devices.open(options.device, Providers.OWN);
        Device reference =
            device.type() == DeviceType.CPU ? CpuDevice.scalar() : Devices.open(DeviceType.CPU);
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
        rows.addAll(new OwnKernel(options, notes, progress).rows(plans));
      }
      for (Provider provider : Provider.values()) {
        if (provider.operator != null && options.providers.contains(provider)) {
          library(provider, options, plans, reference, rows, notes, progress);
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

  /** What a library has in place of an operator of ours, as {@code op:provider}. */
  private static void library(
      Provider provider,
      Options options,
      List<Case> plans,
      Device reference,
      List<Row> rows,
      List<String> notes,
      Consumer<String> progress) {
    String op = provider.operator;
    List<Case> cases = plans.stream().filter(c -> c.name().equals(op)).toList();
    if (cases.isEmpty()) {
      return; // nothing of what was asked for is this operator
    }
    try (Device device = Devices.open(options.device, provider.device);
        Meter meter = Meter.of(device);
        Jcublas jcublas = provider == Provider.JCUBLAS ? jcublas(device) : null) {
      var counted = new AtomicLong();
      LongSupplier calls =
          jcublas == null ? ((NativeDevice) device)::libraryCalls : counted::incrementAndGet;
      List<Case> theirs =
          cases.stream()
              .map(
                  c ->
                      new Case(
                          op + ":" + provider.label(),
                          jcublas == null
                              ? c.operator()
                              : RowOperators.gemmBy(jcublas, c.operator()),
                          c.sizes(),
                          c.dtype()))
              .toList();
      try (var bench =
          new KernelBench(
              device, reference, meter, null, calls, options.precision, options.seconds)) {
        List<Row> measured = bench.rows(theirs, options.caches, progress);
        measured.stream()
            .filter(Bench::leftToUs)
            .map(
                r ->
                    "%s: %s %s %s is %s"
                        .formatted(provider.label(), op, r.sizes(), r.dtype(), r.failure()))
            .distinct()
            .forEach(notes::add);
        measured.stream().filter(r -> !leftToUs(r)).forEach(rows::add);
      }
      if (jcublas != null) {
        notes.add("jcublas: " + jcublas.description());
      }
    } catch (InputException e) {
      notes.add(provider.label() + ": not measured: " + e.getMessage());
    }
  }

  private static boolean leftToUs(Row row) {
    return KernelBench.LEFT_TO_US.equals(row.failure());
  }

  private static Jcublas jcublas(Device device) {
    if (device instanceof NativeDevice gpu && device.type() == DeviceType.CUDA) {
      return new Jcublas(gpu);
    }
    throw new InputException("JCublas needs device cuda");
  }

  /** Asks of every operator and type, at its first size, whether time grows with work. */
  private static void refuseWhatDoesNotGrow(KernelBench bench, List<Case> cases, List<Row> rows) {
    var asked = new LinkedHashSet<String>();
    for (Case c : cases) {
      boolean timed =
          rows.stream().anyMatch(r -> r.time() != null && r.isOf(c.name(), c.sizes(), c.dtype()));
      if (timed && asked.add(c.name() + c.dtype())) {
        String why = bench.growth(c);
        if (why != null) {
          rows.replaceAll(
              r ->
                  r.isOf(c.name(), c.sizes(), c.dtype())
                      ? Row.failed(r.op(), r.axes(), r.dtype(), r.cache(), why)
                      : r);
        }
      }
    }
  }

  // ---- what to measure ----

  private static List<Case> plans(Options options) {
    Preset preset = preset(options.preset);
    List<String> names = options.operators.isEmpty() ? operators() : options.operators;
    List<Operator> operators = names.stream().map(name -> operator(name, options.device)).toList();
    if (options.source != null && options.operators.size() != 1) {
      throw new InputException("--source needs one --op, whose place the kernel takes");
    }
    if (options.source != null && options.device == DeviceType.CPU) {
      throw new InputException("--source needs --device emulated or cuda: cpu runs no kernels");
    }
    for (String axis : options.axes.keySet()) {
      if (operators.stream().noneMatch(o -> o.axes().contains(axis))) {
        throw new InputException(
            "--"
                + axis
                + " is no axis of "
                + String.join(", ", options.operators)
                + (operators.size() == 1 ? ", which has " + operators.get(0).axes() : ""));
      }
    }
    var plans = new LinkedHashSet<Case>(); // one row for what is asked for twice
    for (int i = 0; i < names.size(); i++) {
      Operator o = operators.get(i);
      String name = names.get(i);
      List<Sizes> rows = preset.sizes(o);
      if (Catalogue.KERNELS.containsKey(name)) {
        rows = rows.stream().filter(s -> s.get("T") == 1).toList();
      }
      for (Sizes sizes : combined(o, rows, options.axes)) {
        List<DType> types = o.typed() ? options.dtypes : List.of(DType.F32);
        types.forEach(t -> plans.add(new Case(name, o, sizes, t)));
      }
    }
    return List.copyOf(plans);
  }

  /** With axes given, the first row of the preset fills what is not. */
  private static List<Sizes> combined(
      Operator o, List<Sizes> preset, Map<String, List<Integer>> axes) {
    if (o.axes().stream().noneMatch(axes::containsKey)) {
      return preset;
    }
    var rows = new ArrayList<Map<String, Integer>>();
    rows.add(new LinkedHashMap<>(preset.get(0).of()));
    for (String axis : o.axes()) {
      if (!axes.containsKey(axis)) {
        continue;
      }
      if ((long) rows.size() * axes.get(axis).size() > MAX_ROWS) {
        throw new InputException(
            "the sizes make more than " + MAX_ROWS + " rows; ask for fewer at a time");
      }
      var longer = new ArrayList<Map<String, Integer>>();
      for (Map<String, Integer> row : rows) {
        for (int value : axes.get(axis)) {
          var copy = new LinkedHashMap<>(row);
          copy.put(axis, value);
          longer.add(copy);
        }
      }
      rows.clear();
      rows.addAll(longer);
    }
    return rows.stream().map(Bench::consistent).map(Sizes::new).toList();
  }

  /** Sizes that hang together, or a sentence. */
  private static Map<String, Integer> consistent(Map<String, Integer> s) {
    s.forEach(
        (axis, n) -> {
          if (n < 1 && !axis.equals("causal")) {
            throw new InputException("--" + axis + " is " + n + "; it must be at least 1");
          }
        });
    if (s.getOrDefault("causal", 0) < 0 || s.getOrDefault("causal", 0) > 1) {
      throw new InputException("--causal is " + s.get("causal") + "; it is 0 or 1");
    }
    atMost(s, "k", "n");
    atMost(s, "k", "S");
    atMost(s, "n", s.containsKey("S") ? "S" : "T");
    atMost(s, "T", "S");
    return s;
  }

  private static void atMost(Map<String, Integer> s, String small, String large) {
    if (s.containsKey(small) && s.containsKey(large) && s.get(small) > s.get(large)) {
      throw new InputException(
          small + "=" + s.get(small) + " is more than " + large + "=" + s.get(large));
    }
  }

  private static Operator operator(String name, DeviceType device) {
    String kernelOf = Catalogue.KERNELS.get(name);
    if (kernelOf != null && device == DeviceType.CPU) {
      throw new InputException(
          "%s is a kernel of %s, which emulated and cuda have; on cpu there is the operator"
              .formatted(name, kernelOf));
    }
    return Catalogue.OPERATORS.stream()
        .filter(o -> o.name().equals(kernelOf == null ? name : kernelOf))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    "operator '" + name + "' is not one of " + String.join(", ", operators())));
  }

  private static Preset preset(String name) {
    return Stream.of(Preset.values())
        .filter(p -> p.label.equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    "preset '" + name + "' is not one of " + String.join(", ", presets())));
  }

  // ---- ceilings alone ----

  /**
   * What the hardware reaches.
   *
   * @param launchMicros an empty launch
   * @param nodeMicros an empty node of a captured graph; null where nothing is captured
   * @param launches one kernel launched in several ways, on cuda
   */
  public record CeilingReport(
      Map<String, Object> environment,
      Ceilings.Report ceilings,
      double launchMicros,
      Double nodeMicros,
      List<Launch> launches) {
    /** The ways to launch, aligned; empty without any. */
    public String launchTable() {
      if (launches.isEmpty()) {
        return "";
      }
      var rows = new ArrayList<List<String>>();
      for (Launch l : launches) {
        rows.add(List.of(l.by, micros(l.hostMicros), micros(l.doneMicros)));
      }
      String table = new Table(List.of("one kernel by", "host us", "done us"), rows).aligned(1);
      return launches.stream()
          .filter(l -> l.absent != null)
          .map(l -> l.by + ": not measured: " + l.absent + "\n")
          .collect(Collectors.joining("", table, ""));
    }

    private static String micros(Double value) {
      return value == null ? "-" : String.format(Locale.ROOT, "%.3f", value);
    }
  }

  /**
   * One way to launch the same empty kernel, one block on one stream.
   *
   * @param by foreign function calls, JCuda's JNI or a captured graph
   * @param hostMicros until the driver has taken one of many; median of batches
   * @param doneMicros until one of many is done
   * @param absent why there are no figures, or null
   */
  public record Launch(String by, Double hostMicros, Double doneMicros, String absent) {}

  public static CeilingReport ceilings(DeviceType type, double seconds) {
    try (Device device = Devices.open(type);
        Device reference = Devices.open(DeviceType.CPU);
        Meter meter = Meter.of(device);
        var bench = new KernelBench(device, reference, meter, null, 0.01, seconds)) {
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
