package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.device.DType;
import starling.device.DeviceType;
import starling.input.InputException;

/** A weight file that becomes shorter under an open model: its pages are gone. */
class CutFileTest {
  @Test
  void theFileIsNamedAndTheModelStaysUsable(@TempDir Path dir) throws Exception {
    CheckpointCopy copy = CheckpointCopy.in(dir.resolve("model"));
    Path file = copy.dir().resolve("model.safetensors");
    byte[] whole = Files.readAllBytes(file);
    copy.file("model.safetensors", whole);
    Question question = Question.of("Hello").maxTokens(1);
    try (Model model = Model.open(copy.dir(), DeviceType.CPU, DType.F32)) {
      String before = model.ask(question).text();
      try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
        channel.truncate(100_000);
      }
      var refused = assertThrows(InputException.class, () -> model.ask(question));
      assertTrue(
          refused
              .getMessage()
              .startsWith(file + ": was cut from " + whole.length + " to 100000 bytes while "),
          refused.getMessage());
      Files.write(file, whole, StandardOpenOption.WRITE);
      assertEquals(before, model.ask(question).text());
    }
  }
}
