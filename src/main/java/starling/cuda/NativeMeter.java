package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import starling.device.Card;
import starling.device.Clock;
import starling.device.DType;
import starling.device.Meter;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.device.Work;

/** Ceilings of a GPU ({@code kernels/ceilings.cu}), and what the host layer counts. */
public final class NativeMeter implements Meter {
  private static final int MOST_STEPS = 1024;
  private static final long FLOPS_OF_A_BLOCK_STEP = 262_144; // starling.h

  private final NativeDevice device;
  private final TensorArena arena;
  private final Tensor sums;
  private final Nvml nvml;
  private final CapturedLaunches nothings;
  private final Map<DType, Integer> steps = new EnumMap<>(DType.class);

  NativeMeter(NativeDevice device) {
    this.device = device;
    this.arena = device.arena("meter");
    this.nothings = new CapturedLaunches(device, this::nothing);
    this.sums = arena.alloc("sums", DType.F32, 4096);
    this.nvml = device.emulated() ? null : Nvml.open(card().uuid());
  }

  @Override
  public Card card() {
    return device.card(0);
  }

  private static long bytes(Tensor t) {
    return (long) t.rows() * t.rowStride() * t.dtype().bytes();
  }

  @Override
  public void copy(Tensor out, Tensor in) {
    device.call(
        (library, stream) ->
            library.ceilingCopy(device.address(out), device.address(in), bytes(in), stream));
  }

  @Override
  public void read(Tensor in) {
    device.call(
        (library, stream) ->
            library.ceilingRead(device.address(sums), device.address(in), bytes(in), stream));
  }

  @Override
  public long products(DType dtype) {
    return products(dtype, steps.computeIfAbsent(dtype, this::enough));
  }

  private long products(DType dtype, int steps) {
    int blocks = Math.min(sums.rows(), 4 * card().multiprocessors());
    device.call(
        (library, stream) ->
            library.ceilingProducts(
                device.address(sums), blocks, steps, Numbers.of(dtype), stream));
    return (long) blocks * steps * FLOPS_OF_A_BLOCK_STEP;
  }

  /** Steps that take a multiple of a launch's own time, so that a rate is the products'. */
  private int enough(DType dtype) {
    int steps = 2;
    double millis = 0;
    while (steps < MOST_STEPS && millis < 0.3) {
      steps *= 2;
      long from = device.mark();
      products(dtype, steps);
      millis = device.millis(from, device.mark());
    }
    return steps;
  }

  @Override
  public void nothing(int launches) {
    device.call((library, stream) -> library.ceilingNothing(launches, stream));
  }

  @Override
  public boolean nothingReplayed(int launches) {
    nothings.replay(launches);
    return true;
  }

  /** The host layer's counters concern the whole process. */
  @Override
  public Work counted(Runnable task) {
    HostCounters counters = device.emulated() ? HostCounters.of(device) : null;
    if (counters == null) {
      task.run();
      return null;
    }
    counters.start();
    task.run();
    return counters.read();
  }

  @Override
  public Clock clock() {
    return nvml == null ? null : nvml.clock();
  }

  @Override
  public void close() {
    nothings.close();
    if (nvml != null) {
      nvml.close();
    }
    arena.close();
  }

  /** Counters and records of {@code starling_host.h}, which only the host layer's library has. */
  private record HostCounters(SymbolLookup library) {
    private static final MethodHandle NO_ARGUMENTS = Symbols.procedure();
    private static final MethodHandle READ = Symbols.procedure(ADDRESS);
    private static final MethodHandle RECORDS = Symbols.function(JAVA_LONG, ADDRESS, JAVA_LONG);

    static HostCounters of(NativeDevice device) {
      SymbolLookup library = device.symbols();
      return library.find("starling_host_counters").isPresent() ? new HostCounters(library) : null;
    }

    void start() {
      try {
        NO_ARGUMENTS.invokeExact(Symbols.find(library, "starling_host_reset_counters"));
        NO_ARGUMENTS.invokeExact(Symbols.find(library, "starling_host_record"));
      } catch (Throwable e) {
        throw Symbols.thrown(e);
      }
    }

    Work read() {
      try (Arena memory = Arena.ofConfined()) {
        MemorySegment out = memory.allocate(JAVA_LONG, 8);
        READ.invokeExact(Symbols.find(library, "starling_host_counters"), out);
        long[] c = out.toArray(JAVA_LONG);
        return new Work(c[0], c[1], c[2], c[3], c[4], c[5], kernels(memory));
      } catch (Throwable e) {
        throw Symbols.thrown(e);
      }
    }

    /** A line of the record begins with "gather_rows_kernel<uint4>". */
    private List<String> kernels(Arena memory) throws Throwable {
      MemorySegment records = Symbols.find(library, "starling_host_records");
      long size = (long) RECORDS.invokeExact(records, MemorySegment.NULL, 0L);
      MemorySegment text = memory.allocate(size + 1);
      long copied = (long) RECORDS.invokeExact(records, text, size);
      return new String(text.asSlice(0, copied).toArray(JAVA_BYTE), StandardCharsets.UTF_8)
          .lines()
          .map(line -> line.replaceFirst("(_kernel)?[<\t].*", ""))
          .toList();
    }
  }
}
