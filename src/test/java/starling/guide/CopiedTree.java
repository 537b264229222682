package starling.guide;

import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import starling.Checkout;

/**
 * A copy of this checkout in which the guide is followed. Its classes lie before those of this
 * checkout, so that only what a list touches is compiled.
 */
record CopiedTree(Path dir) {
  private static final List<String> SOURCES =
      List.of("src", "native", "kernels", "tools", "README.md", ".github", "pom.xml");

  private static final String BINDINGS = "src/generated/java/starling/cuda";

  /** What a program or javac said. */
  record Ended(boolean well, String said) {}

  static CopiedTree in(Path dir) throws IOException {
    for (String source : SOURCES) {
      copy(Checkout.path(source), dir.resolve(source));
    }
    return new CopiedTree(dir);
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.walkFileTree(
        from,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes of) throws IOException {
            Path target = file.equals(from) ? to : to.resolve(from.relativize(file));
            Files.createDirectories(target.getParent());
            Files.copy(file, target);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  /** A file as the checkout has it, or none. */
  void restore(Path path) throws IOException {
    Files.deleteIfExists(dir.resolve(path));
    if (Files.exists(Checkout.ROOT.resolve(path))) {
      Files.copy(Checkout.ROOT.resolve(path), dir.resolve(path));
    }
  }

  /** What {@code tools/generate-bindings} has written, as the checkout has it. */
  void restoreBindings() throws IOException {
    clear(dir.resolve(BINDINGS));
    copy(Checkout.path(BINDINGS), dir.resolve(BINDINGS));
  }

  private Path classes() {
    return dir.resolve("target/classes");
  }

  private Path testClasses() {
    return dir.resolve("target/test-classes");
  }

  private static String jars() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .filter(entry -> entry.endsWith(".jar"))
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static String joined(Object... entries) {
    return Stream.of(entries).map(Object::toString).collect(Collectors.joining(File.pathSeparator));
  }

  /** This tree's classes before those of the checkout. */
  private String classPath() {
    return joined(
        testClasses(),
        classes(),
        Checkout.path("target/test-classes"),
        Checkout.path("target/classes"),
        jars());
  }

  /** The product as a module, and the tests on its classes. */
  Ended compileAll() throws IOException {
    String lib = Checkout.path("target/lib").toString();
    Ended product =
        javac(
            List.of("--module-path", lib, "-d", classes().toString()),
            java("src/main/java", "src/generated/java"));
    return product.well
        ? javac(
            List.of("-cp", joined(classes(), jars()), "-d", testClasses().toString()),
            java("src/test/java"))
        : product;
  }

  /** Some files, beside the classes of the checkout, in place of what was compiled before. */
  Ended compile(Collection<Path> files) throws IOException {
    clear(dir.resolve("target"));
    Files.createDirectories(classes());
    List<Path> java = new ArrayList<>();
    java.add(dir.resolve("src/test/java/starling/Checkout.java")); // so that tests find this tree
    files.stream().map(dir::resolve).filter(f -> f.toString().endsWith(".java")).forEach(java::add);
    try (Stream<Path> generated = Files.walk(dir.resolve(BINDINGS))) {
      generated.filter(this::isNew).forEach(java::add);
    }
    return javac(List.of("-cp", classPath(), "-d", classes().toString()), java);
  }

  private boolean isNew(Path file) {
    try {
      Path known = Checkout.ROOT.resolve(dir.relativize(file));
      return file.toString().endsWith(".java")
          && !(Files.exists(known) && Files.mismatch(known, file) < 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void clear(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  /**
   * The host library, and the one on a made-up GPU, with this tree's kernels that the checkout has
   * not; the others as they were built there. Without a library there, none.
   */
  void linkKernels() throws IOException, InterruptedException {
    Path built = Checkout.path("target/native");
    Path kernels = built.resolve("host/CMakeFiles/starling_host_objects.dir");
    if (!Files.isDirectory(kernels)) {
      return;
    }
    List<String> shared = objects(kernels);
    shared.addAll(newKernels());
    link(library(), built.resolve("host/CMakeFiles/starling_host.dir"), shared);
    Path fake = dir.resolve("target/native/test/libstarling_fake_cuda.so");
    link(fake, built.resolve("test/CMakeFiles/starling_fake_cuda.dir"), shared);
  }

  private void link(Path library, Path own, List<String> shared)
      throws IOException, InterruptedException {
    if (!Files.isDirectory(own)) {
      return;
    }
    Files.createDirectories(library.getParent());
    var link = new ArrayList<>(List.of("g++", "-shared", "-pthread", "-o", library.toString()));
    link.addAll(objects(own));
    link.addAll(shared);
    well(run(link));
  }

  private static List<String> objects(Path folder) throws IOException {
    try (Stream<Path> built = Files.walk(folder)) {
      return built
          .map(Path::toString)
          .filter(f -> f.endsWith(".o"))
          .collect(Collectors.toCollection(ArrayList::new));
    }
  }

  /** Compiles the kernels that the checkout has not. */
  private List<String> newKernels() throws IOException, InterruptedException {
    List<String> compiled = new ArrayList<>();
    try (Stream<Path> kernels = Files.list(dir.resolve("kernels"))) {
      for (Path kernel : kernels.filter(f -> f.toString().endsWith(".cu")).toList()) {
        if (!Files.exists(Checkout.ROOT.resolve(dir.relativize(kernel)))) {
          Path object = dir.resolve(kernel.getFileName() + ".o"); // the same at every step
          if (!Files.exists(object)) {
            well(run(compiler(kernel, object)));
          }
          compiled.add(object.toString());
        }
      }
    }
    return compiled;
  }

  private Path library() {
    return dir.resolve("target/native/host/libstarling_host.so");
  }

  private static List<String> compiler(Path kernel, Path object) {
    String options =
        "g++ -std=c++20 -O1 -fPIC -fvisibility=hidden -march=x86-64-v3 -fno-strict-aliasing"
            + " -ffp-contract=off -ftls-model=initial-exec -DHOST_COARSE -Wall -Wextra -Werror"
            + " -Wno-unused-parameter -Inative -Inative/include -Inative/host -Ikernels -xc++ -c";
    var command = new ArrayList<>(List.of(options.split(" ")));
    command.addAll(List.of(kernel.toString(), "-o", object.toString()));
    return command;
  }

  private static void well(Ended ended) {
    if (!ended.well) {
      throw new AssertionError(ended.said);
    }
  }

  private static Ended javac(List<String> options, List<Path> files) {
    var command = new ArrayList<>(List.of("-nowarn", "-proc:none", "-parameters"));
    command.addAll(List.of("--add-modules", "jdk.incubator.vector"));
    command.addAll(options);
    var said = new StringWriter();
    var javac = ToolProvider.getSystemJavaCompiler();
    try (var manager = javac.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
      boolean well =
          javac
              .getTask(
                  said, manager, null, command, null, manager.getJavaFileObjectsFromPaths(files))
              .call();
      return new Ended(well, said.toString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private List<Path> java(String... folders) throws IOException {
    var files = new ArrayList<Path>();
    for (String folder : folders) {
      try (Stream<Path> walk = Files.walk(dir.resolve(folder))) {
        walk.filter(f -> f.toString().endsWith(".java")).forEach(files::add);
      }
    }
    return files;
  }

  /** Runs tests by their simple names, in this tree. */
  Ended test(Collection<String> names) throws IOException, InterruptedException {
    var command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx1g",
                names.size() == 1 ? "-XX:TieredStopAtLevel=1" : "-XX:+TieredCompilation",
                "-Djava.awt.headless=true",
                "-Dstarling.emulated.library=" + library(),
                "-cp",
                classPath(),
                "starling.guide.RunTests"));
    for (String name : names) {
      command.add(className(name));
    }
    return run(command);
  }

  private String className(String simple) throws IOException {
    String[] parts = simple.split("(?=#)", -1);
    Path tests = dir.resolve("src/test/java");
    try (Stream<Path> walk = Files.walk(tests)) {
      String name =
          walk.filter(f -> f.endsWith(parts[0] + ".java"))
              .map(f -> tests.relativize(f).toString().replace(".java", "").replace('/', '.'))
              .findFirst()
              .orElse(parts[0]);
      return parts.length == 1 ? name : name + parts[1];
    }
  }

  /** A program, in this tree. */
  Ended run(List<String> command) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(command).directory(dir.toFile()).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ended(process.waitFor() == 0, said);
  }
}
