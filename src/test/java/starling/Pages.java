package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;

/** The pages for readers, and the examples that they show, which live in files of their own. */
public final class Pages {
  public static final Path README = Checkout.path("README.md");
  public static final Path FOLDER = Checkout.path("src/site/markdown");
  public static final Path EXAMPLES = Plugin.PROJECTS.resolve("examples");

  private static final Pattern BLOCK =
      Pattern.compile("^ *```(\\w*)\\n(.*?)^ *```$", Pattern.DOTALL | Pattern.MULTILINE);
  private static final List<String> ROOTS =
      List.of("README.md", ".github", "kernels", "native", "src", "tools");

  private Pages() {}

  /** A block of code: its language, empty where none is named, and its lines. */
  public record Block(Path page, String language, String text) {
    @Override
    public String toString() {
      return page + ", the block that begins with: " + text.lines().findFirst().orElse("");
    }
  }

  /** Every page of the checkout. */
  static List<Path> all() throws IOException {
    var pages = new ArrayList<Path>();
    for (String root : ROOTS) {
      pages.addAll(files(Checkout.path(root), ".md"));
    }
    return pages;
  }

  /** Files of a folder and its folders, in order; none where there is no such folder. */
  static List<Path> files(Path folder, String end) throws IOException {
    if (!Files.exists(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(f -> f.toString().endsWith(end)).sorted().toList();
    }
  }

  static String read(Path page) {
    try {
      return Files.readString(page);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public static List<Block> blocks(Path page) {
    return BLOCK
        .matcher(read(page))
        .results()
        .map(m -> new Block(page, m.group(1), m.group(2)))
        .toList();
  }

  /** A page without its blocks of code. */
  static String prose(Path page) {
    return BLOCK.matcher(read(page)).replaceAll("");
  }

  /** An example, as it is written. */
  public static String example(String name) {
    return read(EXAMPLES.resolve(name));
  }

  /**
   * Runs the commands of an example in a folder beside which the checkout seems to lie; returns
   * what they print.
   */
  public static String run(String commands, Path folder) throws Exception {
    List<String> checkout = List.of("tools", "target", "src");
    for (String name : checkout) {
      Files.createSymbolicLink(folder.resolve(name), Checkout.path(name));
    }
    Path err = folder.resolve("err");
    var builder =
        new ProcessBuilder("bash", "-e", "-c", example(commands))
            .directory(folder.toFile())
            .redirectError(err.toFile());
    String home = System.getProperty("java.home");
    builder.environment().put("JAVA_HOME", home);
    builder.environment().put("PATH", home + "/bin:" + System.getenv("PATH"));
    Process process = builder.start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), Files.readString(err));
    for (String name : checkout) {
      Files.delete(folder.resolve(name));
    }
    return out;
  }

  /** Compiles all Java examples into a folder, with everything that the tests can see. */
  public static void compileExamples(Path classes) throws IOException {
    var options =
        new ArrayList<>(
            List.of("-cp", System.getProperty("java.class.path"), "-d", classes.toString()));
    files(EXAMPLES, ".java").forEach(file -> options.add(file.toString()));
    var errors = new ByteArrayOutputStream();
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(null, null, errors, options.toArray(String[]::new));
    assertEquals(0, status, errors.toString(StandardCharsets.UTF_8));
  }
}
