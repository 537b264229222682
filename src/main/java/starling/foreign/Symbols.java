package starling.foreign;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.NoSuchElementException;

/**
 * What bindings of C functions are made with. A handle takes the function's address first, so that
 * one constant handle, which the JIT compiler inlines, serves every library that has the function.
 */
@SuppressWarnings("restricted") // that is what this is for
public final class Symbols {
  private Symbols() {}

  /** A handle for functions of these types: {@code (MemorySegment function, parameters) result}. */
  public static MethodHandle function(MemoryLayout result, MemoryLayout... parameters) {
    return Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(result, parameters));
  }

  /** The same for functions that return nothing. */
  public static MethodHandle procedure(MemoryLayout... parameters) {
    return Linker.nativeLinker().downcallHandle(FunctionDescriptor.ofVoid(parameters));
  }

  /**
   * The address of a function.
   *
   * @throws NoSuchElementException with its name, if the library does not have it
   */
  public static MemorySegment find(SymbolLookup library, String symbol) {
    return library.find(symbol).orElseThrow(() -> new NoSuchElementException(symbol));
  }

  /** The C string at {@code pointer}, which is not null, as UTF-8. */
  public static String string(MemorySegment pointer) {
    return pointer.reinterpret(Integer.MAX_VALUE, Arena.global(), null).getString(0);
  }

  /**
   * What a call of a handle threw, to be thrown on. A native function throws nothing itself; what
   * comes here is the check of a segment's lifetime.
   */
  public static RuntimeException thrown(Throwable e) {
    if (e instanceof RuntimeException unchecked) {
      return unchecked;
    }
    throw new AssertionError(e);
  }
}
