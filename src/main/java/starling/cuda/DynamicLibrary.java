package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Optional;
import starling.foreign.Symbols;

/**
 * {@code dlopen}: what {@link SymbolLookup#libraryLookup} does, but with the loader's own words
 * when it fails. A library stays loaded until the process ends.
 */
@SuppressWarnings("restricted") // that is what this is for: see NativeLibrary.nativeAccess
record DynamicLibrary(MemorySegment handle) implements SymbolLookup {
  private static final int RTLD_NOW = 2; // and RTLD_LOCAL, which is 0: two backends, the same names

  private static final MethodHandle DLOPEN =
      libc("dlopen", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT));
  private static final MethodHandle DLSYM =
      libc("dlsym", FunctionDescriptor.of(ADDRESS, ADDRESS, ADDRESS));
  private static final MethodHandle DLERROR = libc("dlerror", FunctionDescriptor.of(ADDRESS));

  private static MethodHandle libc(String name, FunctionDescriptor type) {
    return Linker.nativeLinker()
        .downcallHandle(Linker.nativeLinker().defaultLookup().findOrThrow(name), type);
  }

  /** A library that the loader refuses; the message is the loader's. */
  static final class Refused extends Exception {
    private static final long serialVersionUID = 1;

    Refused(String message) {
      super(message);
    }
  }

  static DynamicLibrary open(Path file) throws Refused {
    try (Arena arena = Arena.ofConfined()) {
      var path = arena.allocateFrom(file.toAbsolutePath().toString());
      var handle = (MemorySegment) DLOPEN.invokeExact(path, RTLD_NOW);
      if (handle.address() == 0) {
        var why = (MemorySegment) DLERROR.invokeExact();
        String text = why.address() == 0 ? "dlopen failed" : why.reinterpret(4096).getString(0);
        throw new Refused(text.replace(file.toAbsolutePath() + ": ", ""));
      }
      return new DynamicLibrary(handle);
    } catch (Refused e) {
      throw e;
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }

  @Override
  public Optional<MemorySegment> find(String name) {
    try (Arena arena = Arena.ofConfined()) {
      var address = (MemorySegment) DLSYM.invokeExact(handle, arena.allocateFrom(name));
      return address.address() == 0 ? Optional.empty() : Optional.of(address);
    } catch (Throwable e) {
      throw Symbols.thrown(e);
    }
  }
}
