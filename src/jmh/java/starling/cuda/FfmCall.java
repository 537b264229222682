package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.CompilerControl;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import starling.HostCost;
import starling.cuda.abi.AbiConstants;
import starling.cuda.abi.AbiTensor;
import starling.cuda.abi.Bindings;
import starling.cuda.abi.RmsnormArgs;
import starling.foreign.Symbols;

/**
 * What it costs to get from Java into the library and back, without anything done there. Nothing is
 * allocated: {@code tools/host-cost FfmCall -prof gc} shows it.
 */
public class FfmCall extends HostCost {
  private final Arena handles = Arena.ofShared(); // as NativeDevice has it
  private final RmsnormArgs arguments = new RmsnormArgs(handles);
  private final long memory = handles.allocate(256, 16).address();
  private Bindings library;
  private MemorySegment stream;

  @Setup
  @SuppressWarnings("restricted") // the stream as NativeDevice hands it over
  public void open() {
    library = NativeLibrary.search("emulated").bindings();
    MemorySegment out = handles.allocate(ADDRESS);
    if (library.streamCreate(out, 0) != 0) {
      throw new IllegalStateException(Symbols.string(library.error()));
    }
    stream = out.get(ADDRESS, 0).reinterpret(1, handles, null);
    if (operator() != 0) {
      throw new IllegalStateException(Symbols.string(library.error()));
    }
  }

  @TearDown
  public void close() {
    library.streamDestroy(stream);
    handles.close();
  }

  /** The baseline: a call that stays in Java. */
  @Benchmark
  @CompilerControl(CompilerControl.Mode.DONT_INLINE)
  public int javaCall() {
    return NativeLibrary.ABI_VERSION;
  }

  /** No arguments, returns a constant. */
  @Benchmark
  public int noArguments() {
    return library.abiVersion();
  }

  /** The arguments of an operator, put into their structure; no rows, so no launch. */
  @Benchmark
  public int operator() {
    put(arguments.out, 0, 64);
    put(arguments.x, 0, 64);
    put(arguments.weight, 64, 1);
    arguments.eps(1e-5f);
    return library.rmsnorm(arguments, stream);
  }

  private void put(AbiTensor t, int rows, int width) {
    t.data(memory);
    t.stride(width);
    t.rows(rows);
    t.width(width);
    t.dtype(AbiConstants.F32);
  }
}
