package starling.nvidia;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.NoSuchElementException;
import starling.foreign.Symbols;

/**
 * The driver's management library, asked for the clock and for what holds it down (nvml.h; reading
 * only). Without it, or on a MIG slice, a report has no clocks.
 */
public final class Nvml implements AutoCloseable {
  /**
   * How fast a GPU's cores run at a moment.
   *
   * @param mhz the multiprocessors' clock
   * @param heldDown whether power, heat or the driver hold it below what it could be
   */
  public record Reading(int mhz, boolean heldDown) {}

  private static final MethodHandle NO_ARGUMENTS = Symbols.function(JAVA_INT);
  private static final MethodHandle BY_UUID = Symbols.function(JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle CLOCK = Symbols.function(JAVA_INT, ADDRESS, JAVA_INT, ADDRESS);
  private static final MethodHandle REASONS = Symbols.function(JAVA_INT, ADDRESS, ADDRESS);
  private static final int SM = 1; // NVML_CLOCK_SM

  /** Power cap, hardware slowdown, thermal and power-brake slowdowns; not idle or settings. */
  private static final long HELD_DOWN = 0x4 | 0x8 | 0x20 | 0x40 | 0x80;

  private final SymbolLookup library;
  private final Arena memory;
  private final MemorySegment out;
  private final MemorySegment device;

  private Nvml(SymbolLookup library, Arena memory, String uuid) throws Throwable {
    this.library = library;
    this.memory = memory;
    this.out = memory.allocate(16);
    check((int) NO_ARGUMENTS.invokeExact(Symbols.find(library, "nvmlInit_v2")));
    check(
        (int)
            BY_UUID.invokeExact(
                Symbols.find(library, "nvmlDeviceGetHandleByUUID"),
                memory.allocateFrom(uuid),
                out));
    device = out.get(ADDRESS, 0);
  }

  /**
   * Null if the library or the card is not there.
   *
   * @param uuid of the card, as the driver writes it: "GPU-…"
   */
  @SuppressWarnings("restricted")
  public static Nvml open(String uuid) {
    try {
      return of(SymbolLookup.libraryLookup("libnvidia-ml.so.1", Arena.global()), uuid);
    } catch (IllegalArgumentException e) { // no such library
      return null;
    }
  }

  static Nvml of(SymbolLookup library, String uuid) {
    Arena memory = Arena.ofShared();
    try {
      return new Nvml(library, memory, uuid);
    } catch (IllegalStateException | NoSuchElementException e) {
      memory.close();
      return null;
    } catch (Throwable e) {
      memory.close();
      throw Symbols.thrown(e);
    }
  }

  private static void check(int result) {
    if (result != 0) {
      throw new IllegalStateException("NVML error " + result);
    }
  }

  /** The clock now; null if it cannot be asked. */
  public Reading reading() {
    try {
      check(
          (int)
              CLOCK.invokeExact(Symbols.find(library, "nvmlDeviceGetClockInfo"), device, SM, out));
      int mhz = out.get(JAVA_INT, 0);
      check(
          (int)
              REASONS.invokeExact(
                  Symbols.find(library, "nvmlDeviceGetCurrentClocksThrottleReasons"), device, out));
      return new Reading(mhz, (out.get(JAVA_LONG, 0) & HELD_DOWN) != 0);
    } catch (IllegalStateException | NoSuchElementException e) {
      return null;
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  @Override
  public void close() {
    try {
      int ignored = (int) NO_ARGUMENTS.invokeExact(Symbols.find(library, "nvmlShutdown"));
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
    memory.close();
  }
}
