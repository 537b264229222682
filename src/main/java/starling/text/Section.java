package starling.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import starling.input.InputException;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * A place in {@code tokenizer.json}, which knows its name for the sentence that refuses it.
 *
 * @param name path of the field, such as {@code decoder.decoders[1]}; empty for the whole file
 */
record Section(Path file, String name, JsonNode node) {
  /** The whole file. */
  static Section of(Path file) {
    if (!Files.exists(file) && Files.exists(file.resolveSibling("tokenizer.model"))) {
      throw new InputException(
          file
              + ": is missing, and tokenizer.model beside it is not read; use the llava-hf checkpoint"
              + " of this model");
    }
    return new Section(file, "", InputJson.read(file));
  }

  Section at(String field) {
    return new Section(file, name.isEmpty() ? field : name + "." + field, node.path(field));
  }

  /** Whether the field is missing or null. */
  boolean absent() {
    return node.isMissingNode() || node.isNull();
  }

  String type() {
    return at("type").text();
  }

  String text() {
    if (!node.isTextual()) {
      throw wrong(absent() ? "is missing" : "is " + shown() + ", not a text");
    }
    String text = node.textValue();
    if (Unicode.loneSurrogate(text) >= 0) {
      throw wrong("holds half a character");
    }
    return text;
  }

  /** A text that is no longer than a token may be. */
  String token() {
    String text = text();
    if (text.length() > Limits.TOKEN) {
      throw wrong("has " + text.length() + " characters; at most " + Limits.TOKEN + " are read");
    }
    return text;
  }

  /** A text that is one character. */
  String character() {
    String text = text();
    if (text.codePointCount(0, text.length()) != 1) {
      throw wrong("is " + shown() + ", not one character");
    }
    return text;
  }

  /** A whole number from 0. */
  int number() {
    if (!node.isInt() || node.intValue() < 0) {
      throw wrong(absent() ? "is missing" : "is " + shown() + ", not a whole number from 0");
    }
    return node.intValue();
  }

  boolean flag(boolean otherwise) {
    if (!absent() && !node.isBoolean()) {
      throw wrong("is " + shown() + ", not true or false");
    }
    return absent() ? otherwise : node.booleanValue();
  }

  List<Section> list() {
    if (!node.isArray()) {
      throw wrong(absent() ? "is missing" : "is not a list");
    }
    var list = new ArrayList<Section>(node.size());
    for (JsonNode element : node) {
      list.add(new Section(file, name + "[" + list.size() + "]", element));
    }
    return list;
  }

  /** The literal text that a {@code Replace} looks for. */
  String literal() {
    Section pattern = at("pattern");
    if (pattern.node.has("Regex")) {
      throw wrong("of type 'Replace' with a regular expression is not supported");
    }
    String text = pattern.at("String").token();
    if (text.isEmpty()) {
      throw pattern.at("String").wrong("is empty");
    }
    return text;
  }

  InputException unsupported() {
    return wrong("of type '" + type() + "' is not supported");
  }

  InputException wrong(String reason) {
    return new InputException(file + ": " + (name.isEmpty() ? "" : name + " ") + reason);
  }

  private String shown() {
    return InputJson.shown(node);
  }
}
