package starling;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import starling.checkpoint.SafetensorsFile;
import starling.checkpoint.SafetensorsFile.Raw;
import starling.device.DType;
import starling.device.DeviceType;

/**
 * The bundled checkpoint as a cache of downloads keeps it, a folder of links, in which single files
 * are then changed.
 */
record CheckpointCopy(Path dir) {
  private static final ObjectMapper JSON = new ObjectMapper();

  static CheckpointCopy in(Path dir) throws IOException {
    Files.createDirectories(dir);
    try (Stream<Path> files = Files.list(Demo.MODEL)) {
      for (Path file : files.toList()) {
        Files.createSymbolicLink(dir.resolve(file.getFileName()), file.toAbsolutePath());
      }
    }
    return new CheckpointCopy(dir);
  }

  /** A file takes the place of its link. */
  CheckpointCopy file(String name, byte[] bytes) throws IOException {
    Files.deleteIfExists(dir.resolve(name));
    Files.write(dir.resolve(name), bytes);
    return this;
  }

  CheckpointCopy without(String name) throws IOException {
    Files.delete(dir.resolve(name));
    return this;
  }

  CheckpointCopy text(String name, UnaryOperator<String> change) throws IOException {
    String text = change.apply(Files.readString(dir.resolve(name)));
    return file(name, text.getBytes(StandardCharsets.UTF_8));
  }

  CheckpointCopy json(String name, Consumer<ObjectNode> change) throws IOException {
    var object = (ObjectNode) JSON.readTree(Files.readAllBytes(dir.resolve(name)));
    change.accept(object);
    return file(name, JSON.writeValueAsBytes(object));
  }

  CheckpointCopy weights(Consumer<Map<String, Raw>> change) throws IOException {
    Map<String, Raw> tensors = tensors();
    change.accept(tensors);
    Path file = dir.resolve("model.safetensors");
    Files.delete(file);
    SafetensorsFile.write(file, tensors);
    return this;
  }

  /** All tensors, in the order of the header. */
  Map<String, Raw> tensors() throws IOException {
    return SafetensorsFile.read(dir.resolve("model.safetensors"));
  }

  /** The answer to one question about one image. */
  Answer answer(String spec) {
    return answer(
        Question.of("How many red objects are there?").image(Demo.image("scene-00.png")), spec);
  }

  Answer answer(Question question, String spec) {
    try (Model model = Model.open(dir, DeviceType.CPU, DType.F32)) {
      return model.ask(question.prune(spec).maxTokens(4).logits(true));
    }
  }
}
