package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import starling.input.InputException;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * A JSON object of a checkpoint, read field by field; what does not fit is refused with file and
 * field.
 *
 * @param prefix the path to this object inside the file, with a dot behind it, or empty
 */
record Fields(Path file, String prefix, JsonNode node) {
  static Fields read(Path file) {
    return new Fields(file, "", InputJson.read(file));
  }

  InputException wrong(String field, String reason) {
    return new InputException(file + ": " + prefix + field + " " + reason);
  }

  boolean has(String field) {
    return node.hasNonNull(field);
  }

  /** An object inside this one; an absent or null one has no fields. */
  Fields object(String field) {
    JsonNode inner = has(field) ? node.get(field) : MissingNode.getInstance();
    if (!inner.isMissingNode() && !inner.isObject()) {
      throw wrong(field, "is not an object");
    }
    return new Fields(file, prefix + field + ".", inner);
  }

  /** A whole number of at least {@code least}, at most {@link Limits#SIZE}. */
  int integer(String field, int otherwise, int least) {
    if (!has(field)) {
      return otherwise;
    }
    JsonNode value = node.get(field);
    if (!value.isIntegralNumber() || !value.canConvertToInt()) {
      throw wrong(field, "is " + InputJson.shown(value) + ", which is no whole number in range");
    }
    if (value.intValue() < least || value.intValue() > Limits.SIZE) {
      throw wrong(
          field,
          "is "
              + InputJson.shown(value)
              + "; it must be at least "
              + least
              + " and at most "
              + Limits.SIZE);
    }
    return value.intValue();
  }

  /** A whole number of at least 1 that has no default. */
  int required(String field) {
    if (!has(field)) {
      throw wrong(field, "is missing");
    }
    return integer(field, 0, 1);
  }

  double number(String field, double otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    JsonNode value = node.get(field);
    if (!value.isNumber() || !Double.isFinite(value.doubleValue())) {
      throw wrong(field, "is " + InputJson.shown(value) + ", which is not a number");
    }
    return value.doubleValue();
  }

  /** A number that is above 0 and finite as a float, too. */
  double positive(String field, double otherwise) {
    double value = number(field, otherwise);
    if (has(field) && !((float) value > 0 && (float) value < Float.POSITIVE_INFINITY)) {
      throw wrong(field, "is " + value + "; it must be above 0 and in the range of a float");
    }
    return value;
  }

  boolean flag(String field, boolean otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    if (!node.get(field).isBoolean()) {
      throw wrong(field, "is " + InputJson.shown(node.get(field)) + "; it must be true or false");
    }
    return node.get(field).booleanValue();
  }

  String text(String field, String otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    if (!node.get(field).isTextual()) {
      throw wrong(field, "is " + InputJson.shown(node.get(field)) + "; it must be a text");
    }
    return node.get(field).textValue();
  }

  /** A text out of a few supported ones. */
  String oneOf(String field, String otherwise, List<String> supported) {
    String value = text(field, otherwise);
    if (!supported.contains(value)) {
      throw wrong(field, "is '" + value + "'; supported is " + String.join(" or ", supported));
    }
    return value;
  }

  /** One whole number or a list of them; empty if absent. */
  List<Integer> integers(String field) {
    var list = new ArrayList<Integer>();
    if (has(field)) {
      JsonNode value = node.get(field);
      for (JsonNode item : value.isArray() ? value : List.of(value)) {
        if (!item.isIntegralNumber() || !item.canConvertToInt() || item.intValue() < 0) {
          throw wrong(field, "holds " + InputJson.shown(item) + ", which is no token id");
        }
        list.add(item.intValue());
      }
    }
    return List.copyOf(list);
  }
}
