package starling.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import starling.input.InputJson;
import starling.input.Limits;

/** Reads the {@code model} of {@code tokenizer.json}. */
final class BpeModel {
  private final Section model;

  /** Ids by token, without added tokens. */
  final Map<String, Integer> vocabulary;

  BpeModel(Section model) {
    this.model = model;
    if (model.absent()) {
      throw model.wrong("is missing");
    }
    if (!model.at("type").absent() && !model.type().equals("BPE")) {
      throw model.unsupported();
    }
    vocabulary = vocabulary();
  }

  private Map<String, Integer> vocabulary() {
    Section section = model.at("vocab");
    if (!section.node().isObject() || section.node().isEmpty()) {
      throw section.wrong(section.absent() ? "is missing" : "is not an object of tokens and ids");
    }
    checkCount(section);
    var vocabulary = new HashMap<String, Integer>();
    var seen = new HashSet<Integer>();
    for (Map.Entry<String, JsonNode> entry : section.node().properties()) {
      String token = entry.getKey();
      JsonNode id = entry.getValue();
      if (!id.isInt() || id.intValue() < 0) {
        throw section.wrong(
            "gives '" + token + "' the id " + InputJson.shown(id) + ", not a whole number from 0");
      }
      if (!seen.add(id.intValue())) {
        throw section.wrong("gives the id " + id + " twice, once to '" + token + "'");
      }
      if (token.length() > Limits.TOKEN) {
        throw section.wrong(
            "gives the id "
                + id
                + " to a token of "
                + token.length()
                + " characters; at most "
                + Limits.TOKEN
                + " are read");
      }
      if (Unicode.loneSurrogate(token) >= 0) {
        throw section.wrong("gives the id " + id + " to a token with half a character");
      }
      vocabulary.put(token, id.intValue());
    }
    return vocabulary;
  }

  private static void checkCount(Section section) {
    if (section.node().size() > Limits.VOCABULARY) {
      throw section.wrong(
          "has " + section.node().size() + " entries; at most " + Limits.VOCABULARY + " are read");
    }
  }

  Bpe read() {
    for (String field : new String[] {"continuing_subword_prefix", "end_of_word_suffix"}) {
      Section affix = model.at(field);
      if (!affix.absent() && !affix.text().isEmpty()) {
        throw affix.wrong("is '" + affix.text() + "', which is not supported");
      }
    }
    Section dropout = model.at("dropout");
    if (!dropout.absent() && dropout.node().doubleValue() != 0) {
      throw dropout.wrong("is " + InputJson.shown(dropout.node()) + ", which is not supported");
    }
    return new Bpe(
        vocabulary,
        merges(),
        model.at("ignore_merges").flag(false),
        model.at("fuse_unk").flag(false),
        unknown(),
        bytes());
  }

  private Map<Long, Bpe.Merge> merges() {
    Section section = model.at("merges");
    if (!section.node().isArray()) {
      throw section.wrong(section.absent() ? "is missing" : "is not a list");
    }
    checkCount(section);
    var merges = new HashMap<Long, Bpe.Merge>();
    int rank = 0;
    for (JsonNode node : section.node()) {
      if (node.asText().startsWith("#version")) {
        continue; // the first line of a merges.txt, which the reference skips as well
      }
      String[] pair = pair(section, node);
      int left = id(section, node, pair[0]);
      int right = id(section, node, pair[1]);
      merges.put(
          Bpe.pair(left, right), new Bpe.Merge(rank++, id(section, node, pair[0] + pair[1])));
    }
    return merges;
  }

  /** {@code "a b"} or {@code ["a", "b"]}. */
  private static String[] pair(Section section, JsonNode node) {
    if (node.isArray() && node.size() == 2 && node.get(0).isTextual() && node.get(1).isTextual()) {
      return new String[] {node.get(0).textValue(), node.get(1).textValue()};
    }
    String[] parts = node.isTextual() ? node.textValue().split(" ", -1) : new String[0];
    if (parts.length != 2) {
      throw section.wrong("holds " + InputJson.shown(node) + ", which is no pair");
    }
    return parts;
  }

  private int id(Section section, JsonNode merge, String token) {
    Integer id = vocabulary.get(token);
    if (id == null) {
      throw section.wrong(
          "holds " + InputJson.shown(merge) + ", but model.vocab lacks '" + token + "'");
    }
    return id;
  }

  private int unknown() {
    Section section = model.at("unk_token");
    if (section.absent()) {
      return -1;
    }
    Integer id = vocabulary.get(section.text());
    if (id == null) {
      throw section.wrong("is '" + section.text() + "', which model.vocab lacks");
    }
    return id;
  }

  private int[] bytes() {
    int[] ids = new int[256];
    Arrays.fill(ids, -1);
    if (model.at("byte_fallback").flag(false)) {
      Arrays.setAll(ids, b -> vocabulary.getOrDefault(String.format("<0x%02X>", b), -1));
    }
    return ids;
  }
}
