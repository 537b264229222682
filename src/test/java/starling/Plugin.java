package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * Programs and methods from outside, compiled as their authors would: against the built classes.
 */
public final class Plugin {
  /** Folders of sources, each a module. */
  public static final Path PROJECTS = Checkout.path("src/test/projects");

  private static final String JACKSON = ".*/jackson-(annotations|core|databind)-[^/]+";
  private static final String SERVICES = "META-INF/services/starling.prune.MethodProvider";

  private Plugin() {}

  /** What an embedder has on the class path: this project's classes and Jackson. */
  public static List<Path> libraries() {
    return Stream.of(System.getProperty("java.class.path").split(java.io.File.pathSeparator, -1))
        .filter(part -> part.endsWith("target/classes") || part.matches(JACKSON))
        .map(Path::of)
        .toList();
  }

  /** As the value of {@code -cp} and {@code -p}. */
  public static String path(List<Path> parts, Path... more) {
    return String.join(
        java.io.File.pathSeparator,
        Stream.concat(parts.stream(), Stream.of(more)).map(Path::toString).toList());
  }

  /** Compiles a project as a module, and packs it into {@code dir}. */
  public static Path jar(String project, Path dir) throws IOException {
    Path sources = PROJECTS.resolve(project);
    Path classes = dir.resolve(project);
    var javac = new ArrayList<>(List.of("-nowarn", "-p", path(libraries()), "-d", "" + classes));
    try (var files = Files.walk(sources)) {
      files.map(Path::toString).filter(f -> f.endsWith(".java")).forEach(javac::add);
    }
    run("javac", javac);
    if (Files.exists(sources.resolve(SERVICES))) {
      Files.createDirectories(classes.resolve(SERVICES).getParent());
      Files.copy(sources.resolve(SERVICES), classes.resolve(SERVICES));
    }
    return packed(classes, dir.resolve(project + ".jar"));
  }

  /** Compiles one class on the class path, names it as a provider; returns the folder. */
  public static Path provider(String name, String source, Path dir) throws IOException {
    Path file = dir.resolve(name + ".java");
    Files.writeString(file, source);
    Path classes = dir.resolve(name);
    run("javac", List.of("-cp", path(libraries()), "-d", "" + classes, "" + file));
    services(classes, name);
    return classes;
  }

  public static void services(Path classes, String text) throws IOException {
    Files.createDirectories(classes.resolve(SERVICES).getParent());
    Files.writeString(classes.resolve(SERVICES), text + "\n");
  }

  public static Path packed(Path classes, Path jar) {
    run("jar", List.of("--create", "--file", "" + jar, "-C", "" + classes, "."));
    return jar;
  }

  private static void run(String tool, List<String> arguments) {
    var said = new java.io.StringWriter();
    var to = new java.io.PrintWriter(said);
    int status =
        ToolProvider.findFirst(tool).orElseThrow().run(to, to, arguments.toArray(String[]::new));
    assertEquals(0, status, said.toString());
  }
}
