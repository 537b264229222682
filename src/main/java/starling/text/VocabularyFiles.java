package starling.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import starling.input.InputException;
import starling.input.InputFile;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * Qwen's tokenizer where a folder has no {@code tokenizer.json}: tokens in {@code vocab.json},
 * merges in {@code merges.txt}, added tokens in {@code tokenizer_config.json}. They are put
 * together into what {@code tokenizer.json} would say, as transformers converts {@code
 * Qwen2Tokenizer}.
 */
final class VocabularyFiles {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private VocabularyFiles() {}

  /** Whether a folder has these files, and no {@code tokenizer.json}. */
  static boolean in(Path dir) {
    return !Files.exists(dir.resolve("tokenizer.json"))
        && Files.exists(dir.resolve("vocab.json"))
        && Files.exists(dir.resolve("merges.txt"));
  }

  static Section read(Path dir) {
    Path config = dir.resolve("tokenizer_config.json");
    JsonNode settings = Files.exists(config) ? InputJson.read(config) : JSON.objectNode();
    String kind = settings.path("tokenizer_class").asText();
    Path vocabulary = dir.resolve("vocab.json");
    if (!kind.equals("Qwen2Tokenizer") && !kind.equals("Qwen2TokenizerFast")) {
      throw new InputException(
          vocabulary
              + ": is read without tokenizer.json only where tokenizer_config.json says"
              + " \"tokenizer_class\": \"Qwen2Tokenizer\"; add tokenizer.json");
    }
    ObjectNode file = JSON.objectNode();
    file.set("added_tokens", addedTokens(new Section(config, "", settings)));
    file.putObject("normalizer").put("type", "NFC");
    file.set("pre_tokenizer", preTokenizer());
    file.putObject("decoder").put("type", "ByteLevel");
    ObjectNode model = file.putObject("model");
    model.set("vocab", InputJson.read(vocabulary));
    model.set("merges", merges(dir.resolve("merges.txt")));
    return new Section(vocabulary, "", file);
  }

  private static ObjectNode preTokenizer() {
    ObjectNode sequence = JSON.objectNode().put("type", "Sequence");
    ArrayNode steps = sequence.putArray("pretokenizers");
    ObjectNode split = steps.addObject().put("type", "Split").put("behavior", "Isolated");
    split.putObject("pattern").put("Regex", WordSplitter.PATTERN);
    steps
        .addObject()
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("use_regex", false);
    return sequence;
  }

  /** The file's version line stays, which the model skips. */
  private static ArrayNode merges(Path file) {
    ArrayNode merges = JSON.arrayNode();
    String text = new String(InputFile.read(file, Limits.JSON_BYTES), StandardCharsets.UTF_8);
    text.lines().filter(line -> !line.isBlank()).forEach(merges::add);
    return merges;
  }

  /** {@code added_tokens_decoder}: by id, as text, what {@code tokenizer.json} lists. */
  private static ArrayNode addedTokens(Section config) {
    Section decoder = config.at("added_tokens_decoder");
    if (!decoder.node().isObject()) {
      throw decoder.wrong(
          decoder.absent() ? "is missing" : "is not an object of ids and added tokens");
    }
    ArrayNode tokens = JSON.arrayNode();
    for (Map.Entry<String, JsonNode> entry : decoder.node().properties()) {
      if (!entry.getKey().matches("[0-9]{1,9}") || !entry.getValue().isObject()) {
        throw decoder.wrong("has '" + entry.getKey() + "', which is no id of an added token");
      }
      ObjectNode token = entry.getValue().deepCopy();
      tokens.add(token.put("id", Integer.parseInt(entry.getKey())));
    }
    return tokens;
  }
}
