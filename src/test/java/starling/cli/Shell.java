package starling.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import starling.Checkout;

/** Runs scripts and writes the programs that a test puts before them, all in one folder. */
record Shell(Path dir) {
  record Result(int status, String out, String err) {}

  /**
   * To the end, from the root of the checkout, with these variables beside or instead of the ones
   * of this process.
   */
  Result run(Map<String, String> environment, String... command)
      throws IOException, InterruptedException {
    Path out = Files.createTempFile(dir, "out", "");
    Path err = Files.createTempFile(dir, "err", "");
    var builder =
        new ProcessBuilder(command)
            .directory(Checkout.ROOT.toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    builder.environment().putAll(environment);
    int status = builder.start().waitFor();
    return new Result(
        status,
        Files.readString(out, StandardCharsets.UTF_8),
        Files.readString(err, StandardCharsets.UTF_8));
  }

  /** An executable file with the lines of a script for sh. */
  Path program(String name, String script) throws IOException {
    Path file = dir.resolve(name);
    Files.createDirectories(file.getParent());
    Files.deleteIfExists(file); // it may be a link to the real one
    Files.writeString(file, "#!/bin/sh\n" + script);
    assertTrue(file.toFile().setExecutable(true));
    return file;
  }
}
