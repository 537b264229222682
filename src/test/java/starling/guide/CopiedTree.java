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
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;

/**
 * A copy of this checkout in which the guide is followed. Its classes lie before those of this
 * checkout, so that only what a list touches is compiled.
 */
record CopiedTree(Path dir) {
  private static final List<String> SOURCES =
      List.of("src", "native", "kernels", "tools", "README.md", ".github", "pom.xml");

  /** What a program or javac said. */
  record Ended(boolean well, String said) {}

  static CopiedTree in(Path dir) throws IOException {
    for (String source : SOURCES) {
      copy(Path.of(source), dir.resolve(source));
    }
    return new CopiedTree(dir);
  }

  /** Large files are linked: no list changes them. */
  private static void copy(Path from, Path to) throws IOException {
    Files.walkFileTree(
        from,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes of) throws IOException {
            Path copy = to.resolve(from.relativize(file).toString());
            Path target = from.toString().equals(file.toString()) ? to : copy;
            Files.createDirectories(target.getParent());
            if (of.size() > 200_000) {
              Files.createSymbolicLink(target, file.toAbsolutePath());
            } else {
              Files.copy(file, target);
            }
            return FileVisitResult.CONTINUE;
          }
        });
  }

  /** A file as the checkout has it, or none. */
  void restore(Path path) throws IOException {
    Files.deleteIfExists(dir.resolve(path));
    if (Files.exists(path)) {
      Files.copy(path, dir.resolve(path));
    }
  }

  private static String jars() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .filter(entry -> entry.endsWith(".jar"))
        .collect(Collectors.joining(File.pathSeparator));
  }

  private static String classPath(Path... first) {
    return Stream.concat(
                Stream.of(first).map(Path::toString),
                Stream.of("target/classes", "target/test-classes", "src/main/resources")
                    .map(entry -> Path.of(entry).toAbsolutePath().toString()))
            .collect(Collectors.joining(File.pathSeparator))
        + File.pathSeparator
        + jars();
  }

  /** The product as a module, and the tests on its classes. */
  Ended compileAll(Path classes, Path tests) throws IOException {
    Ended product =
        javac(
            List.of(
                "--module-path", Path.of("target/lib").toAbsolutePath() + "", "-d", classes + ""),
            java("src/main/java", "src/generated/java"));
    if (!product.well) {
      return product;
    }
    return javac(
        List.of("-cp", classes + File.pathSeparator + jars(), "-d", tests + ""),
        java("src/test/java"));
  }

  /** Some files, beside the classes of the checkout. */
  Ended compile(Collection<Path> files, Path classes) throws IOException {
    Files.createDirectories(classes);
    List<Path> java =
        files.stream().map(dir::resolve).filter(f -> f.toString().endsWith(".java")).toList();
    return java.isEmpty()
        ? new Ended(true, "")
        : javac(List.of("-cp", classPath(classes), "-d", classes + ""), java);
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
  Ended test(Collection<String> names, Path... classes) throws IOException, InterruptedException {
    var command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx1g",
                "-XX:TieredStopAtLevel=1",
                "-Djava.awt.headless=true",
                "-cp",
                classPath(classes),
                "starling.guide.RunTests"));
    for (String name : names) {
      command.add(className(name));
    }
    return run(command);
  }

  private String className(String simple) throws IOException {
    Path tests = dir.resolve("src/test/java");
    try (Stream<Path> walk = Files.walk(tests)) {
      return walk.filter(f -> f.endsWith(simple + ".java"))
          .map(f -> tests.relativize(f).toString().replace(".java", "").replace('/', '.'))
          .findFirst()
          .orElse(simple);
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
