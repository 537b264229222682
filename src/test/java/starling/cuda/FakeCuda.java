package starling.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * A made-up GPU: {@code libstarling_cuda.so}'s own code over CUDA calls of {@code
 * native/test/fake_cuda}, whose kernels run on the host layer. While it is open {@code --device
 * cuda} is this one.
 */
public final class FakeCuda implements AutoCloseable {
  private static final String PROPERTY = "starling.cuda.library";
  private final MethodHandle order;

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
    order(orders);
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
  }
}
