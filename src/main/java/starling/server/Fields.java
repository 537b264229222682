package starling.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import starling.input.InputJson;

/**
 * The fields of an object of a request. A field that is null counts as absent, as OpenAI's clients
 * mean it. What is wrong with one is a {@link Refusal} that names it, from the top as in {@code
 * messages[1].content[0].type}.
 */
final class Fields {
  private final JsonNode node;
  private final String path;
  private final Set<String> known = new LinkedHashSet<>();

  /**
   * @param path where it stands; empty for the whole request
   */
  Fields(JsonNode node, String path) {
    this.node = node;
    this.path = path;
    if (!node.isObject()) {
      throw Refusal.badField(
          path.isEmpty() ? null : path,
          (path.isEmpty() ? "the request" : path) + " is not an object");
    }
  }

  /** The name of a field, from the top. */
  String name(String field) {
    return path.isEmpty() ? field : path + "." + field;
  }

  Refusal wrong(String field, String reason) {
    return Refusal.badField(name(field), name(field) + " " + reason);
  }

  private Refusal is(String field, JsonNode value, String must) {
    return wrong(field, "is " + InputJson.shown(value) + "; it must be " + must);
  }

  /** The value; null if it is absent or null. */
  JsonNode get(String field) {
    known.add(field);
    JsonNode value = node.get(field);
    return value == null || value.isNull() ? null : value;
  }

  /** Null if absent. */
  String text(String field) {
    JsonNode value = get(field);
    if (value != null && !value.isTextual()) {
      throw is(field, value, "a text");
    }
    return value == null ? null : value.textValue();
  }

  String requiredText(String field) {
    String text = text(field);
    if (text == null) {
      throw wrong(field, "is missing");
    }
    return text;
  }

  boolean flag(String field) {
    JsonNode value = get(field);
    if (value != null && !value.isBoolean()) {
      throw is(field, value, "true or false");
    }
    return value != null && value.booleanValue();
  }

  /** A whole number from {@code least} to {@code most}. */
  long whole(String field, long least, long most, long otherwise) {
    JsonNode value = get(field);
    if (value == null) {
      return otherwise;
    }
    boolean fits = value.isIntegralNumber() && value.canConvertToLong();
    if (!fits || value.longValue() < least || value.longValue() > most) {
      throw is(
          field,
          value,
          least == Long.MIN_VALUE
              ? "a whole number of 64 bits"
              : "a whole number from " + least + " to " + most);
    }
    return value.longValue();
  }

  /** A number from {@code least} to {@code most}. */
  double number(String field, double least, double most, double otherwise) {
    JsonNode value = get(field);
    if (value == null) {
      return otherwise;
    }
    double number = value.isNumber() ? value.doubleValue() : Double.NaN;
    if (!(number >= least && number <= most)) {
      throw is(field, value, "a number from %s to %s".formatted(shown(least), shown(most)));
    }
    return number;
  }

  private static String shown(double number) {
    return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
  }

  /** Null if absent. */
  String oneOf(String field, String... values) {
    JsonNode value = get(field);
    if (value == null) {
      return null;
    }
    if (!value.isTextual() || !List.of(values).contains(value.textValue())) {
      throw is(field, value, "one of " + String.join(", ", values));
    }
    return value.textValue();
  }

  /** Null if absent. */
  Fields object(String field) {
    JsonNode value = get(field);
    return value == null ? null : new Fields(value, name(field));
  }

  /** Objects of a list; empty if absent. */
  List<Fields> objects(String field, int most) {
    var objects = new ArrayList<Fields>();
    for (JsonNode item : list(field, most)) {
      objects.add(new Fields(item, name(field) + "[" + objects.size() + "]"));
    }
    return objects;
  }

  /** A text, or a list of texts; empty if absent. */
  List<String> texts(String field, int most) {
    JsonNode value = get(field);
    if (value != null && value.isTextual()) {
      return List.of(value.textValue());
    }
    var texts = new ArrayList<String>();
    for (JsonNode item : list(field, most)) {
      if (!item.isTextual()) {
        throw is(field, value, "a text or a list of texts");
      }
      texts.add(item.textValue());
    }
    return texts;
  }

  private JsonNode list(String field, int most) {
    JsonNode value = get(field);
    if (value == null) {
      return JsonNodeFactory.instance.arrayNode();
    }
    if (!value.isArray()) {
      throw is(field, value, "a list");
    }
    if (value.size() > most) {
      throw wrong(field, "has " + value.size() + " entries; at most " + most + " are taken");
    }
    return value;
  }

  /** A field that changes nothing here, whatever it says. */
  void ignore(String... fields) {
    known.addAll(List.of(fields));
  }

  /** A field that would change the answer: refused unless it says what happens anyway. */
  void refuseUnless(String field, Predicate<JsonNode> harmless, String why) {
    JsonNode value = get(field);
    if (value != null && !harmless.test(value)) {
      throw Refusal.unsupported(
          name(field), name(field) + " is not supported: " + why + "; leave it out");
    }
  }

  /** Refuses a field that nobody asked for: it might have changed the answer. */
  void finish() {
    for (String field : (Iterable<String>) node::fieldNames) {
      if (!known.contains(field) && !node.get(field).isNull()) {
        String shown = InputJson.shown(JsonNodeFactory.instance.textNode(field));
        throw Refusal.unsupported(
            field.length() <= 100 ? name(field) : null,
            (path.isEmpty() ? "" : path + ": ")
                + shown
                + " is no field that is known here; leave it out");
      }
    }
  }
}
