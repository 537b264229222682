package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.Demo;
import starling.input.InputException;

/** Whatever ends a command is one sentence that says what to do about it. */
class FailureTest {
  private static final String FAULT =
      "a fault occurred in an unsafe memory access operation"; // the JVM's words

  @TempDir Path dir;

  record Kind(Throwable thrown, String... parts) {}

  private static Throwable initialiser(Throwable cause) {
    return new ExceptionInInitializerError(cause);
  }

  static List<Kind> kinds() {
    String unit =
        "unable to create native thread: possibly out of memory or process/resource limits";
    return List.of(
        new Kind(
            new OutOfMemoryError("Java heap space"), "MB of Java heap", "--max-tokens", "-Xmx"),
        new Kind(new OutOfMemoryError("GC overhead limit exceeded"), "Java heap", "-Xmx"),
        new Kind(
            new OutOfMemoryError("Requested array size exceeds VM limit"),
            "smaller images",
            "-Xmx"),
        new Kind(new OutOfMemoryError(unit), "no thread can be started", "ulimit -u"),
        new Kind(new OutOfMemoryError("Metaspace"), "(Metaspace)", "MaxMetaspaceSize"),
        new Kind(new OutOfMemoryError("Compressed class space"), "CompressedClassSpaceSize"),
        new Kind(
            new OutOfMemoryError("Cannot reserve 9 bytes of direct buffer memory"),
            "beside the Java heap",
            "MaxDirectMemorySize"),
        new Kind(new OutOfMemoryError("Map failed"), "out of memory (Map failed)", "ulimit -v"),
        new Kind(new OutOfMemoryError(), "out of memory"),
        new Kind(new StackOverflowError(), "nested too deeply", "-Xss"),
        new Kind(new InternalError(FAULT), "a file became shorter", "start again"),
        new Kind(new InternalError("other"), "virtual machine failed", "other"),
        new Kind(
            new VerifyError("bad code"), "missing or damaged", "bad code", "remove the folder"),
        new Kind(new NoClassDefFoundError("a/B"), "missing or damaged", "a/B", "remove the folder"),
        new Kind(new ClassFormatError("cut"), "missing or damaged", "cut"),
        new Kind(new NoSuchMethodError("a.b()"), "missing or damaged", "a.b()"),
        new Kind(new UnsupportedClassVersionError("69.0"), "too old", "JDK 25"),
        new Kind(new UnsatisfiedLinkError("libawt.so"), "native library", "libawt.so"),
        new Kind(initialiser(new OutOfMemoryError("Java heap space")), "MB of Java heap"),
        new Kind(initialiser(new IllegalStateException("odd")), "internal error", "odd", "--debug"),
        new Kind(new IOException("x", new OutOfMemoryError("Map failed")), "(Map failed)"),
        new Kind(new InputException("y", new OutOfMemoryError("Java heap space")), "Java heap"),
        new Kind(new RuntimeException(new InputException("a.json: is bad")), "a.json: is bad"),
        new Kind(new AssertionError("no"), "internal error", "no", "--debug"),
        new Kind(new NullPointerException(), "internal error", "NullPointer", "--debug"));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void everyKindIsOneSentenceWithWhatToDo(Kind kind) {
    String said = reported(kind.thrown(), false);
    assertTrue(said.startsWith("starling: ") && said.lines().count() == 1, said);
    for (String part : kind.parts()) {
      assertTrue(said.contains(part), said);
    }
    assertTrue(reported(kind.thrown(), true).contains("\tat "), "--debug shows where");
  }

  private static String reported(Throwable thrown, boolean debug) {
    PrintStream err = System.err;
    var bytes = new ByteArrayOutputStream();
    try {
      System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
      assertEquals(1, Failure.report(thrown, debug));
      return bytes.toString(StandardCharsets.UTF_8);
    } finally {
      System.setErr(err);
    }
  }

  // ---- in processes ----

  private record Ended(int status, List<String> out, List<String> err) {}

  private Ended run(String options, String... command) throws IOException, InterruptedException {
    Path out = dir.resolve("out");
    Path err = dir.resolve("err");
    var builder =
        new ProcessBuilder(command)
            .directory(Checkout.ROOT.toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    if (!options.isEmpty()) {
      builder.environment().put("JAVA_TOOL_OPTIONS", options);
    }
    int status = builder.start().waitFor();
    List<String> said = Files.readAllLines(err);
    said.removeIf(line -> line.startsWith("Picked up JAVA_TOOL_OPTIONS"));
    return new Ended(status, Files.readAllLines(out), said);
  }

  /** Four heaps: too small for an image, for its decoder, for the model, for anything. */
  @ParameterizedTest
  @ValueSource(ints = {48, 8, 5, 3})
  void aSmallHeapIsOneSentence(int megabytes) throws Exception {
    Path image = dir.resolve("large.png");
    ImageIO.write(
        new BufferedImage(6000, 6000, BufferedImage.TYPE_BYTE_BINARY), "png", image.toFile());
    Ended ended =
        run(
            "-Xmx" + megabytes + "m",
            "tools/starling",
            "run",
            "--device",
            "cpu",
            "--model",
            Demo.MODEL.toString(),
            "--image",
            image.toString(),
            "--prompt",
            "x");
    assertEquals(1, ended.status());
    assertEquals(List.of(), ended.out());
    assertEquals(1, ended.err().size(), ended.err().toString());
    assertTrue(ended.err().get(0).startsWith("starling: out of memory"), ended.err().toString());
    assertTrue(ended.err().get(0).contains("JAVA_TOOL_OPTIONS=-Xmx"), ended.err().toString());
  }

  /** A library that is not there, and a class of which the end is missing. */
  @Test
  void aDamagedProgramIsOneSentence() throws Exception {
    byte[] whole =
        Files.readAllBytes(Checkout.path("target/classes/starling/cli/RunCommand.class"));
    Path broken = Files.createDirectories(dir.resolve("starling/cli")).resolve("RunCommand.class");
    Files.write(broken, Arrays.copyOf(whole, 300));
    String java = System.getProperty("java.home") + "/bin/java";
    for (String path :
        List.of(
            "target/classes", dir + ":target/classes:" + System.getProperty("java.class.path"))) {
      Ended ended = run("", java, "-cp", path, "starling.cli.Main", "--version");
      assertEquals(1, ended.status());
      assertEquals(1, ended.err().size(), ended.err().toString());
      assertTrue(
          ended.err().get(0).startsWith("starling: parts of the program are missing or damaged ("),
          ended.err().toString());
    }
  }
}
