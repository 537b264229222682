package starling.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import starling.device.InputException;

/** The model, pictures and questions that come with the program. */
final class Bundled implements AutoCloseable {
  private static final String ROOT = "/starling/demo/";
  private static final List<String> MODEL_FILES =
      List.of(
          "config.json",
          "generation_config.json",
          "model.safetensors",
          "preprocessor_config.json",
          "tokenizer.json");

  private final Path model;

  /** A question with the answer that is right. */
  record Item(int questionId, String image, String text, String answer, String kind) {}

  /** Unpacks the model to a temporary folder, since weights are mapped from files. */
  Bundled() {
    try {
      model = Files.createTempDirectory("starling-demo");
      for (String name : MODEL_FILES) {
        Files.write(model.resolve(name), read("model/" + name));
      }
    } catch (IOException e) {
      throw new InputException(
          System.getProperty("java.io.tmpdir")
              + ": the bundled model cannot be unpacked there ("
              + e.getMessage()
              + ")",
          e);
    }
  }

  Path model() {
    return model;
  }

  byte[] picture(String name) {
    return read("pictures/" + name);
  }

  List<Item> questions() {
    var mapper = new ObjectMapper();
    var items = new ArrayList<Item>();
    try {
      for (String line :
          new String(read("questions.jsonl"), StandardCharsets.UTF_8).lines().toList()) {
        var node = mapper.readTree(line);
        items.add(
            new Item(
                node.get("question_id").intValue(),
                node.get("image").textValue(),
                node.get("text").textValue(),
                node.get("answer").textValue(),
                node.get("kind").textValue()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return items;
  }

  static String text(String resource) {
    return new String(resource(resource), StandardCharsets.UTF_8);
  }

  private static byte[] read(String name) {
    return resource(ROOT + name);
  }

  private static byte[] resource(String path) {
    try (InputStream in = Bundled.class.getResourceAsStream(path)) {
      if (in == null) {
        throw new IllegalStateException("the program lacks its resource " + path);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    for (String name : MODEL_FILES) {
      model.resolve(name).toFile().delete();
    }
    model.toFile().delete();
  }
}
