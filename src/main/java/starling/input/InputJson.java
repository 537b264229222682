package starling.input;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;

/**
 * JSON from outside, within {@link Limits}. A name that stands twice is refused; {@code NaN} and
 * {@code Infinity}, which Python writes, are numbers here and refused where they are used.
 */
public final class InputJson {
  private static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxTokenCount(Limits.JSON_TOKENS)
                          .maxNestingDepth(Limits.JSON_DEPTH)
                          .maxStringLength(Limits.JSON_TEXT)
                          .maxNameLength(Limits.JSON_NAME)
                          .maxNumberLength(Limits.JSON_NUMBER)
                          .build())
                  .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                  // Names are rarely repeated in large files, and must not pile up.
                  .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                  .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                  .build())
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private InputJson() {}

  /**
   * Reads a file that holds one object.
   *
   * @throws InputException if it cannot be read, is something else, or is beyond a limit
   */
  public static JsonNode read(Path file) {
    byte[] text = InputFile.read(file, Limits.JSON_BYTES);
    try {
      JsonNode node = MAPPER.readTree(text);
      if (node == null || !node.isObject()) {
        throw new InputException(file + ": is not a JSON object");
      }
      return node;
    } catch (JsonProcessingException e) {
      FileKind kind = FileKind.of(text);
      if (kind != FileKind.UNKNOWN) {
        throw kind.instead(file.toString(), "JSON");
      }
      throw new InputException(file + ": " + reason(e), e);
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  /** Reads JSON value by value, within the same limits. */
  public static JsonParser parser(byte[] text) throws IOException {
    return MAPPER.getFactory().createParser(text);
  }

  /** A value as a sentence shows it: small, and a number as it was written. */
  public static String shown(JsonNode value) {
    if (value.isContainerNode() && value.size() > 16) {
      return (value.isArray() ? "a list of " : "an object of ") + value.size();
    }
    String text = value.isNumber() ? value.asText() : value.toString();
    return text.length() <= 100 ? text : text.substring(0, 100) + "…";
  }

  /** What is wrong with a text, as the end of a sentence that begins with its name. */
  public static String reason(JsonProcessingException e) {
    String message = e.getOriginalMessage().lines().findFirst().orElse("broken");
    if (e instanceof StreamConstraintsException) {
      return "is not read, because it holds " + limit(message);
    }
    return "is not JSON: "
        + message
        + (e.getLocation() == null
            ? ""
            : " (line %d, column %d)"
                .formatted(e.getLocation().getLineNr(), e.getLocation().getColumnNr()));
  }

  private static String limit(String message) {
    if (message.startsWith("Document nesting")) {
      return "lists or objects in each other deeper than " + Limits.JSON_DEPTH;
    }
    if (message.startsWith("Token count")) {
      return "more than " + Limits.JSON_TOKENS + " names and values";
    }
    if (message.startsWith("Number")) {
      return "a number of more than " + Limits.JSON_NUMBER + " characters";
    }
    return message.startsWith("Name")
        ? "a name of more than " + Limits.JSON_NAME + " characters"
        : "a text of more than " + Limits.JSON_TEXT + " characters";
  }
}
