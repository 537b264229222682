package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.List;
import starling.foreign.Symbols;
import starling.input.InputException;
import starling.nvidia.NvidiaLibrary;

/**
 * A kernel that does nothing, launched through the CUDA driver by foreign function calls: one block
 * of 32 threads on a device's stream. It says what a launch costs beside other ways to launch the
 * same.
 */
public final class EmptyKernel implements AutoCloseable {
  /** What every way launches; the driver compiles it. */
  public static final String PTX =
      """
      .version 7.0
      .target sm_52
      .address_size 64
      .visible .entry noop() { ret; }
      """;

  /** The name of its entry in {@link #PTX}. */
  public static final String NAME = "noop";

  /** Threads of its one block. */
  public static final int THREADS = 32;

  private static final MethodHandle LOAD = Symbols.function(JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle FUNCTION =
      Symbols.function(JAVA_INT, ADDRESS, ADDRESS, ADDRESS);
  private static final MethodHandle UNLOAD = Symbols.function(JAVA_INT, ADDRESS);
  private static final MethodHandle LAUNCH =
      Symbols.function(
          JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT,
          ADDRESS, ADDRESS, ADDRESS);

  private static NvidiaLibrary driver;

  private final NativeDevice device;
  private final MemorySegment launch;
  private final MemorySegment unload;
  private final MemorySegment module;
  private final MemorySegment function;
  private final MemorySegment stream;
  private final CapturedLaunches captured;

  /**
   * @throws InputException if there is no driver, or it refuses the kernel
   */
  public EmptyKernel(NativeDevice device) {
    if (driver().loaded() == null) {
      throw new InputException("no CUDA driver: " + String.join("; ", driver().lines()));
    }
    this.device = device;
    this.captured =
        new CapturedLaunches(
            device,
            count -> {
              for (int i = 0; i < count; i++) {
                launch();
              }
            });
    this.stream = MemorySegment.ofAddress(device.cudaStream());
    SymbolLookup symbols = SymbolLookup.loaderLookup();
    this.launch = Symbols.find(symbols, "cuLaunchKernel");
    this.unload = Symbols.find(symbols, "cuModuleUnload");
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      check(
          "cuModuleLoadData",
          (int)
              LOAD.invokeExact(
                  Symbols.find(symbols, "cuModuleLoadData"), out, arena.allocateFrom(PTX)));
      module = out.get(ADDRESS, 0);
      check(
          "cuModuleGetFunction",
          (int)
              FUNCTION.invokeExact(
                  Symbols.find(symbols, "cuModuleGetFunction"),
                  out,
                  module,
                  arena.allocateFrom(NAME)));
      function = out.get(ADDRESS, 0);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  private static synchronized NvidiaLibrary driver() {
    if (driver == null || driver.loaded() == null) {
      driver = NvidiaLibrary.search("driver", List.of("libcuda.so.1"));
    }
    return driver;
  }

  private static void check(String call, int status) {
    if (status != 0) {
      throw new InputException("the CUDA driver's " + call + " gave " + status);
    }
  }

  /** Launches it; returns when the driver has taken it. */
  public void launch() {
    try {
      int status =
          (int)
              LAUNCH.invokeExact(
                  launch,
                  function,
                  1,
                  1,
                  1,
                  THREADS,
                  1,
                  1,
                  0,
                  stream,
                  MemorySegment.NULL,
                  MemorySegment.NULL);
      check("cuLaunchKernel", status);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  /** Launches a captured graph of {@code launches} of them, one after another. */
  public void replay(int launches) {
    captured.replay(launches);
  }

  /** Waits until all of them are done. */
  public void await() {
    device.call((library, own) -> library.streamWait(own));
  }

  @Override
  public void close() {
    await();
    captured.close();
    try {
      check("cuModuleUnload", (int) UNLOAD.invokeExact(unload, module));
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }
}
