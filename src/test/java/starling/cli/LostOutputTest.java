package starling.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.Demo;

/** What cannot be written fails the command, on whatever way it was to go. */
class LostOutputTest {
  private static final String FULL = "/dev/full";
  private static final String NO_SPACE = ": cannot be written (No space left on device)\n";

  /** With a file of {@code bench} to compare with itself. */
  @TempDir static Path dir;

  @BeforeAll
  static void aFullDevice() {
    boolean there = Files.exists(Path.of(FULL));
    if (!there) {
      System.out.println("left out: lost output, because there is no " + FULL);
    }
    assumeTrue(there);
    String bench = "bench kernels --op advance --cache warm --max-time 0.01 --out DIR/a.json";
    assertEquals(0, CommandLineTest.run(new byte[0], words(bench)).status());
  }

  private record Lost(int status, String out, String err) {}

  /** In this process, with one of the streams on a full device. */
  private static Lost run(boolean fullOut, boolean fullErr, String... args) throws IOException {
    PrintStream out = System.out;
    PrintStream err = System.err;
    InputStream in = System.in;
    var outBytes = new ByteArrayOutputStream();
    var errBytes = new ByteArrayOutputStream();
    try (var full = new FileOutputStream(FULL)) {
      OutputStream toOut = fullOut ? full : outBytes;
      OutputStream toErr = fullErr ? full : errBytes;
      System.setOut(new StandardStream("standard output", toOut, false).printer());
      System.setErr(new StandardStream("standard error", toErr, false).printer());
      System.setIn(new ByteArrayInputStream("text".getBytes(StandardCharsets.UTF_8)));
      int status = Main.run(args);
      return new Lost(
          status,
          outBytes.toString(StandardCharsets.UTF_8),
          errBytes.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
      System.setIn(in);
    }
  }

  private static String[] words(String command) {
    return command
        .replace("MODEL", Demo.MODEL.toString())
        .replace("PICTURE", Demo.image("scene-00.png").toString())
        .replace("DIR", dir.toString())
        .split(" ");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--version",
        "--help",
        "run --help",
        "bench kernels --help",
        "run --device cpu --model MODEL --prompt Hello",
        "run --device cpu --model MODEL --prompt Hello --json",
        "inspect MODEL",
        "inspect MODEL --json",
        "tokenize --model MODEL",
        "doctor",
        "bench kernels --op advance --cache warm --max-time 0.01",
        "bench ceilings --max-time 0.01",
        "compare DIR/a.json DIR/a.json",
        "compare DIR/a.json DIR/a.json --json",
        "demo --device cpu --pictures 1 --out DIR/demo",
      })
  void aFullStandardOutputFailsTheCommand(String command) throws IOException {
    Lost lost = run(true, false, words(command));
    assertEquals("starling: standard output" + NO_SPACE, lost.err());
    assertEquals(1, lost.status());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "run --device cpu --model MODEL --prompt Hello --json",
        "inspect nowhere",
        "--nonsense"
      })
  void aFullStandardErrorFailsTheCommandThoughNobodyHears(String command) throws IOException {
    assertEquals(1, run(false, true, words(command)).status());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "run --device cpu --model MODEL --prompt Hello --trace /dev/full",
        "run --device cpu --model MODEL --prompt Hello --image PICTURE --overlay /dev/full"
      })
  void aFullDeviceAsFileFailsTheCommand(String command) throws IOException {
    Lost lost = run(false, false, words(command));
    assertEquals(1, lost.status());
    assertEquals("starling: /dev/full" + NO_SPACE, lost.err());
  }

  /** The bench goes by the ending, so a link has to lead to the device. */
  @Test
  void aFullDeviceBehindALinkFailsTheBench() throws IOException {
    Path link = Files.createSymbolicLink(dir.resolve("full.json"), Path.of("/dev/full"));
    Lost lost =
        run(
            false,
            false,
            words("bench kernels --op advance --cache warm --max-time 0.01 --out DIR/full.json"));
    assertEquals(1, lost.status());
    assertEquals("starling: " + link + NO_SPACE, lost.err());
  }

  /** Nothing is asked of a model when the answer has nowhere to go. */
  @Test
  void whatCannotBeWrittenIsFoundBeforeTheWork() throws IOException {
    Path taken = Files.createDirectories(dir.resolve("taken/kept-scene-00.png"));
    Lost lost = run(false, false, words("demo --device cpu --pictures 1 --out DIR/taken"));
    assertEquals("starling: " + taken + ": is a folder, not a file\n", lost.err());
    for (String same : new String[] {"config.json", "model.safetensors", "tokenizer.json"}) {
      Path file = Demo.MODEL.resolve(same);
      lost = run(false, false, words("run --model MODEL --prompt x --trace " + file));
      assertEquals(
          "starling: "
              + file
              + ": is read by this command and would be overwritten; name another file\n",
          lost.err());
    }
    lost =
        run(
            false,
            false,
            words("run --model MODEL --prompt x --image PICTURE --trace DIR/x --overlay DIR/x"));
    assertEquals(
        "starling: " + dir.resolve("x") + ": two outputs would be written to this file\n",
        lost.err());
  }

  @Test
  void aTraceMayGoToTheStreamsThemselves() throws IOException {
    Lost both =
        run(
            false,
            false,
            words("run --device cpu --model MODEL --prompt Hello --trace /dev/stdout"));
    assertEquals(0, both.status(), both.err());
    assertTrue(both.out().startsWith("bottom") && both.out().contains("\n{\n"), both.out());
    both =
        run(false, false, words("run --device cpu --model MODEL --prompt Hello --trace /dev/fd/2"));
    assertTrue(both.err().startsWith("{\n"), both.err());
  }

  // ---- as a shell starts it ----

  private record Shell(int status, String said) {}

  private static Shell shell(String command) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder("bash", "-c", command)
            .directory(Checkout.ROOT.toFile())
            .redirectErrorStream(true)
            .start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Shell(process.waitFor(), said);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "tools/starling --version >/dev/full",
        "tools/starling --version | true; exit ${PIPESTATUS[0]}",
        "tools/starling --version >&-"
      })
  void theLauncherPassesItOn(String command) throws Exception {
    Shell shell = shell(command);
    assertEquals(1, shell.status());
    assertTrue(
        shell
            .said()
            .matches(
                "starling: standard output: cannot be written \\((No space left on device|Broken pipe|Bad file descriptor)\\)\n"),
        shell.said());
  }

  @Test
  void theLauncherPassesOnWhatNobodyHears() throws Exception {
    for (String where : new String[] {"/dev/full", "&-"}) {
      assertEquals(1, shell("tools/starling inspect nowhere 2>" + where).status(), where);
      Shell version = shell("tools/starling --version 2>" + where);
      assertEquals(0, version.status(), "nothing was to be said");
      assertEquals("starling 0.1.0\n", version.said());
    }
  }
}
