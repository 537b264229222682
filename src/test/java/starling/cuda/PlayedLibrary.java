package starling.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import starling.Checkout;

/**
 * One of NVIDIA's libraries as {@code native/test/fake_NAME} plays it. While it is open it is the
 * one that is found; a library stays loaded, so for the tests that come later it does not start.
 */
public final class PlayedLibrary implements AutoCloseable {
  private final String name;
  private final String property;
  private final SymbolLookup symbols;

  @SuppressWarnings("restricted")
  public PlayedLibrary(String name) {
    this.name = name;
    this.property = "starling." + name + ".library";
    Path file = Checkout.path("target/native/test/libfake_" + name + ".so");
    Native.needs(Checkout.path("target/native/test/libfake_" + name + ".so"));
    System.setProperty(property, file.toString());
    symbols = SymbolLookup.libraryLookup(file, Arena.global());
    order("");
  }

  /** What goes wrong from now on; the rest is well, and the calls are counted anew. */
  @SuppressWarnings("restricted")
  public void order(String orders) {
    try (Arena arena = Arena.ofConfined()) {
      Linker.nativeLinker()
          .downcallHandle(
              symbols.find("fake_" + name).orElseThrow(),
              FunctionDescriptor.ofVoid(ValueLayout.ADDRESS))
          .invoke(arena.allocateFrom(orders));
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  /** One of its counters: {@code alive} is what was created and not destroyed. */
  @SuppressWarnings("restricted")
  public int count(String what) {
    try {
      return (int)
          Linker.nativeLinker()
              .downcallHandle(
                  symbols.find("fake_" + name + "_" + what).orElseThrow(),
                  FunctionDescriptor.of(ValueLayout.JAVA_INT))
              .invoke();
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void close() {
    order("create=1");
    System.clearProperty(property);
  }
}
