package starling.cuda;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.NoSuchElementException;

/**
 * What the bindings are made with. A handle takes the function's address first, so that one
 * constant handle, which the JIT compiler inlines, serves every library that has the function.
 */
@SuppressWarnings("restricted") // that is what this is for: see NativeLibrary.nativeAccess
final class Symbols {
  private Symbols() {}

  static MethodHandle function(MemoryLayout result, MemoryLayout... parameters) {
    return Linker.nativeLinker().downcallHandle(FunctionDescriptor.of(result, parameters));
  }

  static MethodHandle procedure(MemoryLayout... parameters) {
    return Linker.nativeLinker().downcallHandle(FunctionDescriptor.ofVoid(parameters));
  }

  static MemorySegment find(SymbolLookup library, String symbol) {
    return library.find(symbol).orElseThrow(() -> new NoSuchElementException(symbol));
  }

  /** A native call throws nothing itself; what comes here is the check of a segment's lifetime. */
  static RuntimeException thrown(Throwable e) {
    if (e instanceof RuntimeException unchecked) {
      return unchecked;
    }
    throw new AssertionError(e);
  }
}
