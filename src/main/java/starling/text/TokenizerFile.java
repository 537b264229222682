package starling.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import starling.device.InputException;

/**
 * Reads {@code tokenizer.json}; a part that is not implemented is refused by its type, never
 * skipped.
 */
final class TokenizerFile {
  private final Path file;

  TokenizerFile(Path file) {
    this.file = file;
  }

  Tokenizer read() {
    JsonNode root = parse();
    JsonNode model = root.path("model");
    String type = model.path("type").asText(model.has("merges") ? "BPE" : "");
    if (!type.equals("BPE")) {
      throw unsupported("model", type);
    }
    Map<String, Integer> ids = vocabulary(model);
    Bpe bpe = bpe(model, ids);
    var all = new HashMap<>(ids);
    var special = new HashSet<Integer>();
    List<AddedTokens.Token> added = addedTokens(root);
    for (AddedTokens.Token token : added) {
      all.put(token.content(), token.id());
      if (token.special()) {
        special.add(token.id());
      }
    }
    var tokens = Bpe.names(ids);
    added.forEach(token -> tokens.put(token.id(), token.content()));
    UnaryOperator<String> normalizer = normalizer(root.path("normalizer"));
    JsonNode template = template(root.path("post_processor"));
    return new Tokenizer(
        Map.copyOf(all),
        Map.copyOf(tokens),
        special,
        new AddedTokens(added, normalizer),
        normalizer,
        metaspace(root.path("pre_tokenizer")),
        bpe,
        affix(template, true),
        affix(template, false),
        decoder(root.path("decoder")));
  }

  private JsonNode parse() {
    try {
      JsonNode root = new ObjectMapper().readTree(Files.readAllBytes(file));
      if (root == null || !root.isObject()) {
        throw wrong("is not a JSON object");
      }
      return root;
    } catch (JsonProcessingException e) {
      throw wrong("is not JSON: " + e.getOriginalMessage().lines().findFirst().orElse("broken"));
    } catch (IOException e) {
      String why =
          Files.exists(file)
              ? "cannot be read"
              : Files.exists(file.resolveSibling("tokenizer.model"))
                  ? "is missing (tokenizer.model alone is not enough); use the llava-hf checkpoint of this model"
                  : "is missing";
      throw new InputException(file + ": " + why, e);
    }
  }

  private InputException wrong(String reason) {
    return new InputException(file + ": " + reason);
  }

  private InputException unsupported(String part, String type) {
    return wrong("the " + part + " of type '" + type + "' is not supported");
  }

  private static boolean absent(JsonNode node) {
    return node.isMissingNode() || node.isNull();
  }

  private Map<String, Integer> vocabulary(JsonNode model) {
    var ids = new HashMap<String, Integer>();
    var seen = new HashSet<Integer>();
    for (var entry : model.path("vocab").properties()) {
      JsonNode id = entry.getValue();
      if (!id.isInt() || id.intValue() < 0) {
        throw wrong("model.vocab gives token '" + entry.getKey() + "' the id " + id);
      }
      if (!seen.add(id.intValue())) {
        throw wrong("model.vocab gives the id " + id + " twice, once to '" + entry.getKey() + "'");
      }
      ids.put(entry.getKey(), id.intValue());
    }
    if (ids.isEmpty()) {
      throw wrong("model.vocab is missing or empty");
    }
    return ids;
  }

  private Bpe bpe(JsonNode model, Map<String, Integer> ids) {
    for (String field : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
      if (!model.path(field).asText("").isEmpty() && !model.path(field).isNull()) {
        throw wrong("model." + field + " is not supported");
      }
    }
    if (model.path("dropout").isNumber() && model.path("dropout").doubleValue() != 0) {
      throw wrong("model.dropout is not supported");
    }
    var merges = new HashMap<Long, Bpe.Merge>();
    int rank = 0;
    for (JsonNode node : model.path("merges")) {
      String[] pair = pair(node);
      Integer left = ids.get(pair[0]);
      Integer right = ids.get(pair[1]);
      Integer both = ids.get(pair[0] + pair[1]);
      if (left == null || right == null || both == null) {
        throw wrong(
            "model.merges["
                + rank
                + "] joins '"
                + pair[0]
                + "' and '"
                + pair[1]
                + "', which model.vocab lacks");
      }
      merges.putIfAbsent(Bpe.pair(left, right), new Bpe.Merge(rank++, both));
    }
    int[] bytes = model.path("byte_fallback").asBoolean() ? Bpe.byteTokens(ids) : null;
    if (model.path("byte_fallback").asBoolean() && bytes == null) {
      throw wrong("model.byte_fallback is on, but model.vocab lacks some of <0x00> to <0xFF>");
    }
    String unknown =
        model.path("unk_token").isTextual() ? model.path("unk_token").textValue() : null;
    if (unknown != null && !ids.containsKey(unknown)) {
      throw wrong("model.unk_token '" + unknown + "' is not in model.vocab");
    }
    return new Bpe(
        ids,
        merges,
        model.path("ignore_merges").asBoolean(),
        model.path("fuse_unk").asBoolean(),
        unknown == null ? null : ids.get(unknown),
        bytes);
  }

  /** {@code "a b"} or {@code ["a", "b"]}. */
  private String[] pair(JsonNode node) {
    if (node.isArray() && node.size() == 2 && node.get(0).isTextual() && node.get(1).isTextual()) {
      return new String[] {node.get(0).textValue(), node.get(1).textValue()};
    }
    String[] parts = node.isTextual() ? node.textValue().split(" ", -1) : new String[0];
    if (parts.length != 2) {
      throw wrong("model.merges holds " + node + ", which is no pair");
    }
    return parts;
  }

  private List<AddedTokens.Token> addedTokens(JsonNode root) {
    var list = new ArrayList<AddedTokens.Token>();
    for (JsonNode t : root.path("added_tokens")) {
      if (!t.path("id").isInt() || t.path("id").intValue() < 0 || !t.path("content").isTextual()) {
        throw wrong("added_tokens holds " + t + ", which has no id or no content");
      }
      boolean special = t.path("special").asBoolean();
      list.add(
          new AddedTokens.Token(
              t.path("id").intValue(),
              t.path("content").textValue(),
              t.path("single_word").asBoolean(),
              t.path("lstrip").asBoolean(),
              t.path("rstrip").asBoolean(),
              t.path("normalized").asBoolean(!special),
              special));
    }
    return list;
  }

  private UnaryOperator<String> normalizer(JsonNode node) {
    if (absent(node)) {
      return text -> text;
    }
    return switch (node.path("type").asText()) {
      case "Sequence" -> {
        var steps = new ArrayList<UnaryOperator<String>>();
        node.path("normalizers").forEach(step -> steps.add(normalizer(step)));
        yield text -> {
          String t = text;
          for (UnaryOperator<String> step : steps) {
            t = step.apply(t);
          }
          return t;
        };
      }
      case "Prepend" -> {
        String prepend = node.path("prepend").asText();
        yield text -> text.isEmpty() ? text : prepend + text;
      }
      case "Replace" -> {
        String pattern = literal(node, "normalizer");
        String content = node.path("content").asText();
        yield text -> text.replace(pattern, content);
      }
      default -> throw unsupported("normalizer", node.path("type").asText());
    };
  }

  private String literal(JsonNode node, String part) {
    if (!node.path("pattern").path("String").isTextual()) {
      throw unsupported(part, "Replace with a regular expression");
    }
    return node.path("pattern").path("String").textValue();
  }

  private Metaspace metaspace(JsonNode node) {
    if (absent(node)) {
      return null;
    }
    String type = node.path("type").asText();
    if (type.equals("Sequence") && node.path("pretokenizers").size() == 1) {
      return metaspace(node.path("pretokenizers").get(0));
    }
    if (!type.equals("Metaspace")) {
      throw unsupported("pre_tokenizer", type);
    }
    return new Metaspace(
        node.path("replacement").asText("\u2581"),
        scheme(node, "pre_tokenizer"),
        node.path("split").asBoolean(true));
  }

  /** {@code prepend_scheme} decides; only where it is missing does the older field speak. */
  private Metaspace.Scheme scheme(JsonNode node, String part) {
    String scheme =
        node.path("prepend_scheme")
            .asText(node.path("add_prefix_space").asBoolean(true) ? "always" : "never");
    return switch (scheme) {
      case "always" -> Metaspace.Scheme.ALWAYS;
      case "never" -> Metaspace.Scheme.NEVER;
      case "first" -> Metaspace.Scheme.FIRST;
      default -> throw unsupported(part, "Metaspace with prepend_scheme " + scheme);
    };
  }

  private JsonNode template(JsonNode node) {
    if (absent(node)) {
      return null;
    }
    String type = node.path("type").asText();
    if (type.equals("Sequence") && node.path("processors").size() == 1) {
      return template(node.path("processors").get(0));
    }
    if (!type.equals("TemplateProcessing")) {
      throw unsupported("post_processor", type);
    }
    return node;
  }

  /** Ids that a template puts before or behind the text. */
  private List<Integer> affix(JsonNode template, boolean before) {
    var ids = new ArrayList<Integer>();
    boolean behind = false;
    for (JsonNode part : template == null ? List.<JsonNode>of() : template.path("single")) {
      if (part.has("Sequence")) {
        behind = true;
      } else if (behind != before) {
        String name = part.path("SpecialToken").path("id").asText();
        JsonNode list = template.path("special_tokens").path(name).path("ids");
        if (!list.isArray()) {
          throw wrong("post_processor.special_tokens lacks '" + name + "'");
        }
        list.forEach(id -> ids.add(id.intValue()));
      }
    }
    return List.copyOf(ids);
  }

  private UnaryOperator<List<String>> decoder(JsonNode node) {
    if (absent(node)) {
      // Without a decoder the library joins tokens with spaces.
      return tokens -> List.of(String.join(" ", tokens));
    }
    return switch (node.path("type").asText()) {
      case "Sequence" -> {
        var steps = new ArrayList<UnaryOperator<List<String>>>();
        node.path("decoders").forEach(step -> steps.add(decoder(step)));
        yield tokens -> {
          List<String> t = tokens;
          for (UnaryOperator<List<String>> step : steps) {
            t = step.apply(t);
          }
          return t;
        };
      }
      case "Replace" -> Decoders.replace(literal(node, "decoder"), node.path("content").asText());
      case "ByteFallback" -> Decoders.byteFallback();
      case "Fuse" -> Decoders.fuse();
      case "Strip" ->
          Decoders.strip(
              node.path("content").asText(), node.path("start").asInt(), node.path("stop").asInt());
      case "Metaspace" ->
          Decoders.metaspace(
              node.path("replacement").asText("\u2581"),
              scheme(node, "decoder") != Metaspace.Scheme.NEVER);
      default -> throw unsupported("decoder", node.path("type").asText());
    };
  }
}
