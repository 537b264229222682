package starling.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.nio.charset.StandardCharsets;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import starling.cuda.abi.Ceilings;
import starling.cuda.abi.HostCounters;
import starling.device.DType;
import starling.device.DeviceProperties;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.nvidia.Nvml;

/**
 * What a GPU can do ({@code kernels/ceilings.cu}), how fast it runs, and what the host layer
 * counts. Calls go to the stream of the device.
 */
public final class NativeCeilings implements AutoCloseable {
  private static final int MAX_STEPS = 1024;
  private static final long FLOPS_OF_A_BLOCK_STEP = 262_144; // starling_bench.h

  private final NativeDevice device;
  private final Ceilings ceilings;
  private final TensorArena arena;
  private final Tensor sums;
  private final Nvml nvml;
  private final CapturedLaunches nothings;
  private final Map<DType, Integer> steps = new EnumMap<>(DType.class);

  NativeCeilings(NativeDevice device) {
    this.device = device;
    this.ceilings = new Ceilings(device.symbols());
    this.arena = device.arena("ceilings");
    this.nothings = new CapturedLaunches(device, this::nothing);
    this.sums = arena.alloc("sums", DType.F32, 4096);
    this.nvml = device.emulated() ? null : Nvml.open(properties().uuid());
  }

  /** The card, or the processor that plays it. */
  public DeviceProperties properties() {
    return device.card(0);
  }

  private static long bytes(Tensor t) {
    return (long) t.rows() * t.rowStride() * t.dtype().bytes();
  }

  /** {@code out = in}, the plain copy; both hold as many bytes, a multiple of 16. */
  public void copy(Tensor out, Tensor in) {
    device.call(
        (library, stream) ->
            ceilings.ceilingCopy(device.address(out), device.address(in), bytes(in), stream));
  }

  /** Reads every byte of {@code in}, a multiple of 16. */
  public void read(Tensor in) {
    device.call(
        (library, stream) ->
            ceilings.ceilingRead(device.address(sums), device.address(in), bytes(in), stream));
  }

  /**
   * Products in registers, without memory, for some tens of microseconds.
   *
   * @return the FLOPs done, a multiply-add being two
   */
  public long products(DType dtype) {
    return products(dtype, steps.computeIfAbsent(dtype, this::enough));
  }

  private long products(DType dtype, int steps) {
    int blocks = Math.min(sums.rows(), 4 * properties().multiprocessors());
    device.call(
        (library, stream) ->
            ceilings.ceilingProducts(
                device.address(sums), blocks, steps, AbiEnums.of(dtype), stream));
    return (long) blocks * steps * FLOPS_OF_A_BLOCK_STEP;
  }

  /** Steps that take a multiple of a launch's own time, so that a rate is the products'. */
  private int enough(DType dtype) {
    int steps = 2;
    double millis = 0;
    while (steps < MAX_STEPS && millis < 0.3) {
      steps *= 2;
      long from = device.recordEvent();
      products(dtype, steps);
      millis = device.elapsedMillis(from, device.recordEvent());
    }
    return steps;
  }

  /** Launches that do nothing, one after another. */
  public void nothing(int launches) {
    device.call((library, stream) -> ceilings.ceilingNothing(launches, stream));
  }

  /** The same launches, captured once and replayed. */
  public void nothingReplayed(int launches) {
    nothings.replay(launches);
  }

  /**
   * Runs {@code task}; returns what the host layer counted of the whole process meanwhile, or null
   * on cuda, where nothing is counted.
   */
  public Work counted(Runnable task) {
    SymbolLookup library = device.symbols();
    if (!device.emulated() || library.find("starling_host_counters").isEmpty()) {
      task.run();
      return null;
    }
    var counters = new HostCounters(library);
    counters.resetCounters();
    counters.record();
    task.run();
    return work(counters);
  }

  /**
   * Runs {@code task} on emulated; returns every launch with its grid, and what all did together.
   */
  public CountedLaunches countedLaunches(Runnable task) {
    var counters = new HostCounters(device.symbols());
    counters.resetCounters();
    counters.record();
    task.run();
    try (Arena memory = Arena.ofConfined()) {
      MemorySegment out = memory.allocate(JAVA_LONG, 8);
      counters.counters(out);
      long[] c = out.toArray(JAVA_LONG);
      List<CountedLaunches.Launch> launches =
          records(counters, memory).lines().map(CountedLaunches.Launch::of).toList();
      return new CountedLaunches(launches, c[2], c[3], c[4]);
    }
  }

  /** How fast the card runs now; null where it cannot be asked. */
  public Clock clock() {
    Nvml.Reading now = nvml == null ? null : nvml.reading();
    return now == null ? null : new Clock(now.mhz(), now.heldDown());
  }

  @Override
  public void close() {
    nothings.close();
    if (nvml != null) {
      nvml.close();
    }
    arena.close();
  }

  private static Work work(HostCounters counters) {
    try (Arena memory = Arena.ofConfined()) {
      MemorySegment out = memory.allocate(JAVA_LONG, 8);
      counters.counters(out);
      long[] c = out.toArray(JAVA_LONG);
      return new Work(c[0], c[1], c[2], c[3], c[4], c[5], kernels(counters, memory));
    }
  }

  /** A line of the record begins with {@code gather_rows_kernel<uint4>}. */
  private static List<String> kernels(HostCounters counters, Arena memory) {
    return records(counters, memory)
        .lines()
        .map(line -> line.replaceFirst("(_kernel)?[<\t].*", ""))
        .toList();
  }

  private static String records(HostCounters counters, Arena memory) {
    long size = counters.records(MemorySegment.NULL, 0);
    MemorySegment text = memory.allocate(size + 1);
    long copied = counters.records(text, size);
    return new String(text.asSlice(0, copied).toArray(JAVA_BYTE), StandardCharsets.UTF_8);
  }
}
