package starling.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;
import starling.input.InputException;

/**
 * What every fuzz target has in common: a folder for the files that are read, and the one thing
 * that untrusted bytes may do besides being read, which is to be refused in one sentence.
 */
final class Fuzzed {
  private Fuzzed() {}

  /** A reader of untrusted bytes. */
  interface Reader {
    void read() throws IOException;
  }

  /** Anything but an {@link InputException} of one line gets through and is a finding. */
  static void read(Reader reader) {
    try {
      reader.read();
    } catch (InputException e) {
      String sentence = String.valueOf(e.getMessage());
      if (sentence.lines().count() != 1 || sentence.length() > 1000) {
        throw new AssertionError("not one sentence: " + sentence, e);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** An empty folder, in memory where the machine has such a place; it goes with the process. */
  static Path folder() {
    try {
      Path memory = Path.of("/dev/shm");
      Path folder =
          Files.isWritable(memory)
              ? Files.createTempDirectory(memory, "starling-fuzz")
              : Files.createTempDirectory("starling-fuzz");
      Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(folder)));
      return folder;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
