package starling.cli;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import starling.Checkout;

/** Runs a command with a terminal, by {@code script} of util-linux; the JDK has no terminals. */
final class PseudoTerminal {
  /**
   * @param sent what the terminal got
   * @param lines what stands on its screen at the end
   */
  record Seen(int status, String sent, List<String> lines) {}

  private PseudoTerminal() {}

  /** Whoever cannot have a terminal says why and leaves the test. */
  static void assumeThereIsOne() {
    boolean found =
        Stream.of(System.getenv("PATH").split(":"))
            .anyMatch(folder -> Files.isExecutable(Path.of(folder, "script")));
    if (!found) {
      System.out.println("left out: tests on a terminal, because there is no script (util-linux)");
    }
    assumeTrue(found);
  }

  static Seen run(int columns, String command) throws IOException, InterruptedException {
    var builder =
        new ProcessBuilder("script", "-qefc", "stty cols " + columns + "; " + command, "/dev/null");
    builder.environment().put("SHELL", "/bin/bash");
    Process process = builder.directory(Checkout.ROOT.toFile()).redirectErrorStream(true).start();
    String sent = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = process.waitFor();
    return new Seen(status, sent, Screen.of(sent, columns).lines());
  }
}
