package starling;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import starling.image.Image;
import starling.input.InputException;

/**
 * The demo's model, images and questions. They come in a jar of their own: the same coordinates
 * with the classifier {@code demo}, on the class path or the module path. Whoever calls {@link
 * #unpack} owns the unpacked model and closes this after the model that was opened from it:
 *
 * <pre>{@code
 * try (DemoData demo = DemoData.unpack();
 *     Model model = Model.open(demo.model())) {
 *   Question question = Question.of("What color is the heart?").image(demo.image("scene-00.png"));
 *   System.out.println(model.ask(question).text());
 * }
 * }</pre>
 */
public final class DemoData implements AutoCloseable {
  private static final List<String> MODEL_FILES =
      List.of(
          "config.json",
          "generation_config.json",
          "model.safetensors",
          "preprocessor_config.json",
          "tokenizer.json");

  private final Path model;

  /**
   * A question of the demo.
   *
   * @param id counts from 0
   * @param image the name that {@link DemoData#image} takes
   * @param text what is asked
   * @param answer what is right
   * @param kind what it asks about, for instance {@code color}
   */
  public record Item(int id, String image, String text, String answer, String kind) {}

  private DemoData(Path model) {
    this.model = model;
  }

  /**
   * Unpacks the model (5 MB) to a new folder under {@code java.io.tmpdir} that only this user can
   * open, since weights are mapped from files.
   *
   * @throws InputException if the jar is not there, or nothing can be written to that folder
   */
  public static DemoData unpack() {
    read("questions.jsonl"); // before a folder is made
    Path folder = null;
    try {
      folder = Files.createTempDirectory("starling-demo");
      for (String name : MODEL_FILES) {
        Files.write(folder.resolve(name), read("model/" + name));
      }
      return new DemoData(folder);
    } catch (IOException e) {
      remove(folder);
      String to = System.getProperty("java.io.tmpdir");
      throw new InputException(
          to + ": the demo's model cannot be unpacked there (" + e + "); -Djava.io.tmpdir=DIR", e);
    }
  }

  /** The folder of the model, for {@link Model#open(Path)}. */
  public Path model() {
    return model;
  }

  /**
   * One of the demo's images.
   *
   * @param name as the questions name it: {@code scene-00.png} to {@code scene-09.png}, {@code
   *     small-00.png} to {@code small-29.png}
   * @throws InputException if there is none of that name
   */
  public Image image(String name) {
    return Image.read(read("pictures/" + name), name);
  }

  /** All 200 questions, in turn about each of the images. */
  public List<Item> questions() {
    var reader = new ObjectMapper().readerFor(JsonNode.class);
    try (MappingIterator<JsonNode> lines = reader.readValues(read("questions.jsonl"))) {
      return lines.readAll().stream().map(DemoData::item).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Item item(JsonNode line) {
    return new Item(
        line.get("question_id").intValue(),
        line.get("image").textValue(),
        line.get("text").textValue(),
        line.get("answer").textValue(),
        line.get("kind").textValue());
  }

  /** Removes the unpacked model. */
  @Override
  public void close() {
    remove(model);
  }

  private static byte[] read(String name) {
    try (InputStream in = open(name)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static InputStream open(String name) {
    ClassLoader loader = DemoData.class.getClassLoader(); // the package is another module's
    return Optional.ofNullable(loader.getResourceAsStream("starling/demo/" + name))
        .orElseThrow(() -> absent(loader, name));
  }

  private static InputException absent(ClassLoader loader, String name) {
    if (loader.getResource("starling/demo/questions.jsonl") != null) {
      return new InputException("the demo's data has no " + name);
    }
    return new InputException(
        "the demo's data is in a jar of its own, which is not there: add"
            + " io.github.starling-vlm:starling with the classifier demo to the class path or the"
            + " module path");
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
