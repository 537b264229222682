package starling.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.SymbolLookup;
import java.net.URISyntaxException;
import java.nio.file.FileSystemNotFoundException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.UnaryOperator;
import starling.cuda.abi.AbiConstants;
import starling.cuda.abi.Bindings;
import starling.foreign.Symbols;
import starling.input.InputException;

/**
 * Finds and loads {@code libstarling_cuda.so} or {@code libstarling_host.so}. Looked for in this
 * order: the system property {@code starling.cuda.library} (or {@code starling.emulated.library}),
 * the environment variable {@code STARLING_CUDA_LIBRARY} (or {@code STARLING_EMULATED_LIBRARY}),
 * the class path ({@code starling/native/linux-x86_64/}, unpacked to a private folder of the user
 * that {@code starling.cache} may choose), and the build folder that this code lies in. A library
 * that was named must work; of the others the first that does is used.
 */
final class NativeLibrary {
  /** What this Java code was written against. */
  static final int ABI_VERSION = AbiConstants.ABI_VERSION;

  private static final Map<String, String> FILES =
      Map.of("cuda", "libstarling_cuda.so", "emulated", "libstarling_host.so");

  /** One place that was tried. */
  record Attempt(String place, String outcome) {}

  private final String backend;
  private final UnaryOperator<String> properties;
  private final UnaryOperator<String> environment;
  private final List<Attempt> attempts = new ArrayList<>();
  private Bindings bindings;
  private SymbolLookup symbols;
  private Map<String, String> replaced = Map.of();

  private NativeLibrary(
      String backend, UnaryOperator<String> properties, UnaryOperator<String> environment) {
    this.backend = backend;
    this.properties = properties;
    this.environment = environment;
  }

  /**
   * Searches; {@link #bindings} then throws if nothing was found.
   *
   * @param backend {@code cuda} or {@code emulated}
   */
  static NativeLibrary search(String backend) {
    return search(backend, System::getProperty, System::getenv);
  }

  static NativeLibrary search(
      String backend, UnaryOperator<String> properties, UnaryOperator<String> environment) {
    var library = new NativeLibrary(backend, properties, environment);
    if (nativeAccess(library)) {
      library.searchAll();
    }
    return library;
  }

  /** One library, in which {@code entry} takes the place of {@code symbol}. */
  static NativeLibrary of(String backend, Path file, String symbol, String entry) {
    var library = new NativeLibrary(backend, System::getProperty, System::getenv);
    library.replaced = Map.of(symbol, entry);
    library.use(file.toString(), file);
    return library;
  }

  private static boolean nativeAccess(NativeLibrary library) {
    Module module = NativeLibrary.class.getModule();
    if (module.isNativeAccessEnabled()) {
      return true;
    }
    library.failed(
        "java",
        "native access is not enabled: start java with --enable-native-access="
            + (module.isNamed() ? module.getName() : "ALL-UNNAMED")
            + ", or put Enable-Native-Access: ALL-UNNAMED into the manifest of the program's jar");
    return false;
  }

  /** Every place, in the order it was tried, with what came of it. */
  List<Attempt> attempts() {
    return List.copyOf(attempts);
  }

  /**
   * @throws InputException if no library could be used, with the reasons
   */
  Bindings bindings() {
    if (bindings == null) {
      var text = new StringBuilder("device " + backend + ": no library could be used");
      attempts.forEach(a -> text.append("; ").append(a.place).append(": ").append(a.outcome));
      throw new InputException(text.toString());
    }
    return bindings;
  }

  /** For functions that only one backend has. */
  SymbolLookup symbols() {
    return symbols;
  }

  private void failed(String place, String why) {
    attempts.add(new Attempt(place, why));
  }

  // ---- places ----

  private void searchAll() {
    String property = "starling." + backend + ".library";
    String variable = "STARLING_" + backend.toUpperCase(Locale.ROOT) + "_LIBRARY";
    String named = properties.apply(property);
    if (named != null) {
      use("property " + property + " = " + named, Path.of(named));
      return;
    }
    named = environment.apply(variable);
    if (named != null && !named.isEmpty()) {
      use("variable " + variable + " = " + named, Path.of(named));
      return;
    }
    if (!useClassPath()) {
      useBuildFolder();
    }
  }

  private boolean useClassPath() {
    String resource = "starling/native/linux-x86_64/" + FILES.get(backend);
    byte[] library;
    try (InputStream in = NativeLibrary.class.getClassLoader().getResourceAsStream(resource)) {
      if (in == null) {
        failed("class path", "no " + resource);
        return false;
      }
      library = in.readAllBytes();
    } catch (IOException e) {
      failed("class path", e.toString());
      return false;
    }
    return useUnpacked(library);
  }

  /** The first place that can be written to and run from. */
  boolean useUnpacked(byte[] library) {
    for (Path place : cachePlaces()) {
      try {
        if (use(place.toString(), Unpacked.unpack(library, FILES.get(backend), place))) {
          return true;
        }
      } catch (IOException e) {
        failed(
            place.toString(),
            "cannot be written (" + e + "); -Dstarling.cache=DIR chooses another");
      } catch (DynamicLibrary.Refused e) {
        failed(place.toString(), e.getMessage() + "; -Dstarling.cache=DIR chooses another");
      }
    }
    return false;
  }

  private List<Path> cachePlaces() {
    String chosen = properties.apply("starling.cache");
    if (chosen != null) {
      return List.of(Path.of(chosen));
    }
    var places = new ArrayList<Path>();
    String xdg = environment.apply("XDG_CACHE_HOME");
    String home = properties.apply("user.home");
    if (xdg != null && !xdg.isEmpty()) {
      places.add(Path.of(xdg, "starling"));
    } else if (home != null) {
      places.add(Path.of(home, ".cache", "starling"));
    }
    places.add(
        Path.of(properties.apply("java.io.tmpdir"), "starling-" + properties.apply("user.name")));
    return places;
  }

  private void useBuildFolder() {
    Path code = code();
    Path file = buildFile(code, backend);
    if (file == null) {
      failed("build folder", "none: the program runs from " + code);
    } else if (Files.exists(file)) {
      use(file.toString(), file);
    } else {
      failed(file.toString(), "not there; tools/build-native makes it");
    }
  }

  /**
   * {@code target/native} beside {@code target/classes} or a jar in {@code target}. A jar anywhere
   * else may lie in a folder that others write to, and has no build beside it.
   */
  static Path buildFile(Path code, String backend) {
    Path target = code == null ? null : code.getParent();
    if (target == null || !target.endsWith("target")) {
      return null;
    }
    String folder = backend.equals("cuda") ? "cuda" : "host";
    return target.resolve("native").resolve(folder).resolve(FILES.get(backend));
  }

  /** Where this code lies, or null if that is no file. */
  private static Path code() {
    CodeSource source = NativeLibrary.class.getProtectionDomain().getCodeSource();
    try {
      return source == null ? null : Path.of(source.getLocation().toURI());
    } catch (URISyntaxException | IllegalArgumentException | FileSystemNotFoundException e) {
      return null;
    }
  }

  // ---- one library ----

  private boolean use(String place, Path file) {
    try {
      if (!Files.isRegularFile(file)) {
        throw new DynamicLibrary.Refused("not a file");
      }
      ElfHeader.check(file);
      SymbolLookup all = DynamicLibrary.open(file);
      SymbolLookup lookup = symbol -> all.find(replaced.getOrDefault(symbol, symbol));
      var found = new Bindings(lookup);
      int version = found.abiVersion();
      if (version != ABI_VERSION) {
        throw new DynamicLibrary.Refused(
            "its interface has version " + version + ", this program needs " + ABI_VERSION);
      }
      String name = Symbols.string(found.backend());
      if (!name.equals(backend)) {
        throw new DynamicLibrary.Refused("it is the library of device " + name);
      }
      bindings = found;
      symbols = lookup;
      attempts.add(new Attempt(place, "used"));
      return true;
    } catch (NoSuchElementException e) {
      failed(place, "not a Starling library, or of another version: it has no " + e.getMessage());
    } catch (IOException e) {
      failed(place, e.toString());
    } catch (DynamicLibrary.Refused e) {
      String why = e.getMessage();
      failed(
          place,
          why.contains("failed to map segment")
              ? why + " (mounted noexec?); -Dstarling.cache=DIR chooses another folder"
              : why);
    }
    return false;
  }
}
