package starling.nvidia;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;

/**
 * Finds one of NVIDIA's own libraries. Each is used where it is found, and none is needed. They are
 * looked for in this order: the system property {@code starling.NAME.library}, the variable {@code
 * STARLING_NAME_LIBRARY}, the loader's path, CUDA's toolkit, pip's wheels. A library that was named
 * must work; of the others the first that loads is used. Folders relative to the working directory
 * are passed over, because anybody may have put files there.
 *
 * <p>What is loaded stays until the program ends: generated bindings look symbols up once.
 */
public final class NvidiaLibrary {
  /** One place that was tried. */
  record Attempt(String place, String outcome) {}

  private final String name;
  private final List<String> files;
  private final UnaryOperator<String> properties;
  private final UnaryOperator<String> environment;
  private final List<Attempt> attempts = new ArrayList<>();
  private String loaded;

  private NvidiaLibrary(
      String name,
      List<String> files,
      UnaryOperator<String> properties,
      UnaryOperator<String> environment) {
    this.name = name;
    this.files = files;
    this.properties = properties;
    this.environment = environment;
  }

  /**
   * Searches and loads.
   *
   * @param name {@code cublaslt}, {@code cudnn}, {@code cublas}, {@code driver}
   * @param files file names to look for, the best first
   */
  public static NvidiaLibrary search(String name, List<String> files) {
    return search(name, files, System::getProperty, System::getenv);
  }

  static NvidiaLibrary search(
      String name,
      List<String> files,
      UnaryOperator<String> properties,
      UnaryOperator<String> environment) {
    var library = new NvidiaLibrary(name, files, properties, environment);
    library.searchAll();
    return library;
  }

  /** Every place, in the order it was tried, with what came of it. */
  List<Attempt> attempts() {
    return List.copyOf(attempts);
  }

  /** The same, a line each. */
  public List<String> lines() {
    return attempts.stream().map(a -> a.place() + ": " + a.outcome()).toList();
  }

  /** Where it was found, or null. */
  public String loaded() {
    return loaded;
  }

  private void searchAll() {
    String property = "starling." + name + ".library";
    String variable = "STARLING_" + name.toUpperCase(Locale.ROOT) + "_LIBRARY";
    String named = properties.apply(property);
    String how = "property " + property;
    if (named == null) {
      named = environment.apply(variable);
      how = "variable " + variable;
    }
    if (named != null && !named.isEmpty()) {
      load(how + " = " + named, Path.of(named));
      return;
    }
    if (!files.stream().anyMatch(this::loadFromLoaderPath)) {
      searchFolders("CUDA toolkit", toolkits());
      searchFolders("pip wheel", wheels());
    }
  }

  private boolean loadFromLoaderPath(String file) {
    // What the loader would find, by the file, so that doctor can say which one it is.
    for (String folder : List.of("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/lib")) {
      if (Files.exists(Path.of(folder, file))) {
        return load("loader path", Path.of(folder, file));
      }
    }
    String own = environment.apply("LD_LIBRARY_PATH");
    for (String folder : own == null ? new String[0] : own.split(":")) {
      if (Path.of(folder).isAbsolute() && Files.exists(Path.of(folder, file))) {
        return load("LD_LIBRARY_PATH", Path.of(folder, file));
      }
    }
    attempts.add(new Attempt("loader path", "no " + file));
    return false;
  }

  private void searchFolders(String kind, List<Path> folders) {
    if (loaded != null) {
      return;
    }
    for (Path folder : folders) {
      for (String file : files) {
        Path path = folder.resolve(file);
        if (Files.exists(path) && load(kind, path)) {
          return;
        }
      }
    }
    attempts.add(
        new Attempt(
            kind,
            folders.isEmpty()
                ? "there is none"
                : "no " + String.join(", ", files) + " in " + folders.size() + " folders"));
  }

  private boolean load(String place, Path file) {
    String where = place.contains(file.toString()) ? place : place + " " + file;
    try {
      System.load(file.toAbsolutePath().toString());
      loaded = file.toString();
      attempts.add(new Attempt(where, "loaded"));
      return true;
    } catch (UnsatisfiedLinkError | IllegalCallerException e) {
      String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("it does not load");
      attempts.add(new Attempt(where, why.replace(file.toAbsolutePath() + ": ", "")));
      return false;
    }
  }

  // ---- places ----

  private List<Path> toolkits() {
    var folders = new ArrayList<Path>();
    for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
      below(variable, "lib64").forEach(folder -> addIfThere(folders, folder));
    }
    addIfThere(folders, Path.of("/usr/local/cuda/lib64"));
    for (Path home : matching(Path.of("/usr/local"), "cuda-*")) {
      addIfThere(folders, home.resolve("lib64"));
    }
    return folders;
  }

  /** {@code nvidia/…/lib} in every site-packages that can be guessed. */
  private List<Path> wheels() {
    var roots = new ArrayList<Path>();
    for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
      roots.addAll(below(variable, "lib"));
    }
    roots.addAll(below("HOME", ".local/lib"));
    roots.add(Path.of("/usr/local/lib"));
    roots.add(Path.of("/usr/lib"));
    var folders = new ArrayList<Path>();
    for (Path root : roots) {
      for (Path python : matching(root, "python3*")) {
        for (String packages : List.of("site-packages", "dist-packages")) {
          for (Path part : matching(python.resolve(packages).resolve("nvidia"), "*")) {
            addIfThere(folders, part.resolve("lib"));
          }
        }
      }
    }
    return folders;
  }

  /** A folder in the one that a variable names, if it names one. */
  private List<Path> below(String variable, String folder) {
    String home = environment.apply(variable);
    return home == null || !Path.of(home).isAbsolute() ? List.of() : List.of(Path.of(home, folder));
  }

  private static void addIfThere(List<Path> folders, Path folder) {
    if (Files.isDirectory(folder) && !folders.contains(folder)) {
      folders.add(folder);
    }
  }

  private static List<Path> matching(Path folder, String glob) {
    var found = new ArrayList<Path>();
    if (Files.isDirectory(folder)) {
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, glob)) {
        entries.forEach(found::add);
      } catch (IOException e) {
        return List.of(); // a folder that cannot be read has nothing for us
      }
    }
    found.sort(null);
    return found;
  }
}
