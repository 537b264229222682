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
import starling.input.InputException;

/** The model, images and questions that come with the program. */
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
    Path folder = null;
    try {
      folder = Files.createTempDirectory("starling-demo");
      for (String name : MODEL_FILES) {
        Files.write(folder.resolve(name), read("model/" + name));
      }
      model = folder;
    } catch (IOException e) {
      remove(folder);
      throw new InputException(
          System.getProperty("java.io.tmpdir")
              + ": the bundled model cannot be unpacked there ("
              + Output.reason(e)
              + ")",
          e);
    }
  }

  Path model() {
    return model;
  }

  byte[] image(String name) {
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
    remove(model);
  }

  private static void remove(Path folder) {
    if (folder != null) {
      for (String name : MODEL_FILES) {
        folder.resolve(name).toFile().delete();
      }
      folder.toFile().delete();
    }
  }
}
