package starling.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import starling.device.InputException;

/** Files and JSON that a command writes: whole or not at all. */
final class Output {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Output() {}

  static String json(Object value) {
    return write(JSON, value);
  }

  /** For reading by people. */
  static String prettyJson(Object value) {
    return write(JSON.copy().enable(SerializationFeature.INDENT_OUTPUT), value);
  }

  private static String write(ObjectMapper mapper, Object value) {
    try {
      return mapper.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the report cannot be written as JSON", e);
    }
  }

  /** Finds out before the work begins whether a file can be written. */
  static void checkWritable(Path file) {
    Path folder = file.toAbsolutePath().getParent();
    if (!Files.isDirectory(folder)) {
      throw new InputException(file + ": there is no folder " + folder + " to write it to");
    }
    if (Files.isDirectory(file) || !Files.isWritable(Files.exists(file) ? file : folder)) {
      throw new InputException(file + ": cannot be written");
    }
  }

  /** Writes a file beside its place and moves it there, so that a reader never sees half of it. */
  static void write(Path file, byte[] bytes) {
    Path folder = file.toAbsolutePath().getParent();
    try {
      if (Files.exists(file) && !Files.isRegularFile(file)) {
        Files.write(file, bytes); // a pipe or device cannot be replaced
        return;
      }
      // Not createTempFile, whose files nobody else may read.
      Path part = folder.resolve("." + file.getFileName() + "." + ProcessHandle.current().pid() + ".part");
      try {
        Files.write(part, bytes);
        Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      throw new InputException(file + ": cannot be written (" + e.getMessage() + ")", e);
    }
  }
}
