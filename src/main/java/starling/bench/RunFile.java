package starling.bench;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import starling.input.InputException;
import starling.input.InputFile;
import starling.input.Limits;

/** A file that {@code bench kernels} wrote, as {@link Compare} reads it. */
final class RunFile {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private final Path path;
  private final JsonNode json;

  private RunFile(Path path, JsonNode json) {
    this.path = path;
    this.json = json;
  }

  /**
   * @throws InputException if it is not JSON, or not of {@code bench kernels}
   */
  static RunFile read(Path path) {
    byte[] bytes = InputFile.read(path, Limits.JSON_BYTES);
    try {
      JsonNode json = JSON.readTree(bytes);
      if (!json.path("benchmarks").isArray() || !json.at("/starling/environment").isObject()) {
        throw new InputException(path + ": not a file that bench kernels wrote");
      }
      return new RunFile(path, json);
    } catch (IOException e) {
      String why = String.valueOf(e.getMessage()).lines().findFirst().orElse("unreadable");
      throw new InputException(path + ": is not JSON (" + why + ")", e);
    }
  }

  /** A field of where and when it was measured. */
  String environment(String field) {
    return json.at("/starling/environment/" + field).asText();
  }

  /** Times of the same products in every run; null where nothing was timed. */
  Samples control() {
    return Figures.samples(path + ": control_us", json.at("/starling/control_us"));
  }

  /** Every row by its key, in the names of today. */
  Map<String, JsonNode> rows() {
    var rows = new LinkedHashMap<String, JsonNode>();
    for (JsonNode benchmark : json.path("benchmarks")) {
      for (JsonNode state : benchmark.path("states")) {
        JsonNode key = state.at("/starling/key");
        if (!key.isTextual()) {
          throw new InputException(path + ": a state without starling.key");
        }
        if (rows.put(today(key.asText()), state) != null) {
          throw new InputException(path + ": two rows of " + key.asText());
        }
      }
    }
    return rows;
  }

  /** The key with the names that axes have now: gemm's were {@code in} and {@code out} before. */
  private static String today(String key) {
    return key.replace(" in=", " in_features=").replace(" out=", " out_features=");
  }

  /** The values that an axis has in any row. */
  static Set<String> values(Iterable<JsonNode> rows, String axis) {
    var values = new LinkedHashSet<String>();
    for (JsonNode row : rows) {
      for (JsonNode value : row.path("axis_values")) {
        if (value.path("name").asText().equals(axis)) {
          values.add(value.path("value").asText());
        }
      }
    }
    return values;
  }

  @Override
  public String toString() {
    return path.toString();
  }
}
