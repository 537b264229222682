package starling.jcuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import jcuda.driver.JCudaDriver;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import starling.HostCost;

/**
 * The same function of the same library, {@code cuDriverGetVersion} of {@code libcuda.so.1}, by a
 * foreign function call and by JCuda's JNI as JCuda offers it. Where there is no CUDA driver the
 * library is the one that the tests play it with, which does nothing but write the number.
 */
public class NoopCall extends HostCost {
  private static final MethodHandle CALL =
      Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(JAVA_INT, ADDRESS));

  private final Arena arena = Arena.ofShared();
  private final MemorySegment out = arena.allocate(JAVA_INT);
  private final int[] version = new int[1];
  private MemorySegment function;

  @Setup
  @SuppressWarnings("restricted")
  public void open() {
    String played = System.getProperty("starling.driver.library");
    SymbolLookup driver =
        SymbolLookup.libraryLookup(played == null ? "libcuda.so.1" : played, Arena.global());
    function = driver.find("cuDriverGetVersion").orElseThrow();
    if (jni() != 0 || version[0] == 0) {
      throw new IllegalStateException("cuDriverGetVersion gave " + version[0]);
    }
  }

  @TearDown
  public void close() {
    arena.close();
  }

  @Benchmark
  public int ffm() throws Throwable {
    return (int) CALL.invokeExact(function, out);
  }

  @Benchmark
  public int jni() {
    return JCudaDriver.cuDriverGetVersion(version);
  }
}
