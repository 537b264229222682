package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import starling.foreign.Symbols;

/**
 * A made-up GPU: {@code libstarling_cuda.so}'s own code over CUDA calls of {@code
 * native/test/fake_cuda}, whose kernels run on the host layer, as late as CUDA's rules allow. While
 * it is open {@code --device cuda} is this one. Closing it fails if its rules were broken, or if
 * anything was not given back.
 */
public final class FakeCuda implements AutoCloseable {
  private static final String PROPERTY = "starling.cuda.library";
  private final MethodHandle order;
  private final MethodHandle faults;
  private final MethodHandle alive;
  private final MethodHandle counts;
  private final String before; // what another test left

  @SuppressWarnings("restricted")
  public FakeCuda(String orders) {
    Native.needs(Native.FAKE);
    System.setProperty(PROPERTY, Native.FAKE.toAbsolutePath().toString());
    SymbolLookup library = SymbolLookup.libraryLookup(Native.FAKE.toAbsolutePath(), Arena.global());
    order =
        Linker.nativeLinker()
            .downcallHandle(
                library.find("fake_cuda").orElseThrow(),
                FunctionDescriptor.ofVoid(ValueLayout.ADDRESS));
    faults = text(library, "fake_cuda_faults");
    alive = text(library, "fake_cuda_alive");
    counts = text(library, "fake_cuda_counts");
    order(orders);
    before = alive();
    faults();
  }

  @SuppressWarnings("restricted")
  private static MethodHandle text(SymbolLookup library, String symbol) {
    return Linker.nativeLinker()
        .downcallHandle(
            library.find(symbol).orElseThrow(), FunctionDescriptor.of(ValueLayout.ADDRESS));
  }

  private static String call(MethodHandle text) {
    try {
      return Symbols.string((MemorySegment) text.invokeExact());
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** Which of CUDA's rules were broken since the last call, a line each. */
  public String faults() {
    return call(faults);
  }

  /** What was not given back: "2 allocations, 1 stream", or nothing. */
  public String alive() {
    return call(alive);
  }

  /**
   * What was called since the last call of this: "allocations", "frees", "memsets", "uploads",
   * "launches" (a graph is one) and "waits".
   */
  public Map<String, Integer> counts() {
    return Arrays.stream(call(counts).split(" "))
        .map(one -> one.split("="))
        .collect(Collectors.toMap(one -> one[0], one -> Integer.valueOf(one[1])));
  }

  /** What is wrong with it from now on: {@code "memory=1000000 fault=3"}; the rest is well. */
  public void order(String orders) {
    try (Arena arena = Arena.ofConfined()) {
      order.invokeExact(arena.allocateFrom(orders));
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void close() {
    order("");
    System.clearProperty(PROPERTY);
    assertEquals(before, alive());
    assertEquals("", faults());
  }
}
