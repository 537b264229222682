package starling.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import starling.Checkout;

/** Tokenizers written down for a test, as differences from the golden file's Llama-like one. */
final class Written {
  static final ObjectMapper JSON = new ObjectMapper();
  static final JsonNode GOLDEN = golden();

  private Written() {}

  private static JsonNode golden() {
    try {
      return JSON.readTree(
          Files.readAllBytes(Checkout.path("src/test/resources/starling/text/golden.json")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A copy of the Llama-like tokenizer, to be changed. */
  static ObjectNode base() {
    return GOLDEN.get("base").deepCopy();
  }

  /** Whole top-level fields replaced, and single fields of {@code model}. */
  static ObjectNode with(JsonNode fields) {
    ObjectNode json = base();
    fields
        .properties()
        .forEach(
            field -> {
              if (field.getKey().equals("model")) {
                ((ObjectNode) json.get("model")).setAll((ObjectNode) field.getValue().deepCopy());
              } else {
                json.set(field.getKey(), field.getValue());
              }
            });
    return json;
  }

  static ObjectNode with(String fields) {
    try {
      return with(JSON.readTree(fields));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Tokenizer read(Path dir, JsonNode json) {
    return read(dir, json.toString());
  }

  static Tokenizer read(Path dir, String text) {
    try {
      Files.writeString(dir.resolve("tokenizer.json"), text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return Tokenizer.read(dir);
  }
}
