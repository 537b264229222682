package starling.prune;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import starling.input.InputException;

/**
 * A method's name and options as written, {@code name:key=value,key=value}. A method reads each of
 * its options, present or not, with the reader of its kind; {@link Methods#parse} refuses those
 * that nobody read. What is wrong with a value is an {@link InputException} with the whole spec in
 * it.
 */
public final class Spec {
  private final String text;
  private final String name;
  private final Map<String, String> options = new LinkedHashMap<>();
  private final TreeSet<String> known = new TreeSet<>();

  private Spec(String text, String name) {
    this.text = text;
    this.name = name;
  }

  static Spec parse(String text) {
    int colon = text.indexOf(':');
    var spec = new Spec(text, colon < 0 ? text : text.substring(0, colon));
    if (colon >= 0) {
      for (String option : text.substring(colon + 1).split(",", -1)) {
        int equals = option.indexOf('=');
        if (equals < 1) {
          throw spec.wrong("'" + option + "' is not key=value");
        }
        String key = option.substring(0, equals);
        if (spec.options.put(key, option.substring(equals + 1)) != null) {
          throw spec.wrong("'" + key + "' is given twice");
        }
      }
    }
    return spec;
  }

  /** What stands before the colon. */
  public String name() {
    return name;
  }

  /** What to throw about an option: {@code reason} behind the spec as it was written. */
  public InputException wrong(String reason) {
    return new InputException("pruning spec '" + text + "': " + reason);
  }

  /** Refuses options that no reader asked for. */
  void finish() {
    for (String key : options.keySet()) {
      if (!known.contains(key)) {
        throw wrong(
            "unknown option '"
                + key
                + "'; "
                + name
                + (known.isEmpty() ? " takes none" : " knows " + String.join(", ", known)));
      }
    }
  }

  private String option(String key) {
    known.add(key);
    return options.get(key);
  }

  /** A value as it stands, of any kind; without commas, which part the options. */
  public String text(String key, String otherwise) {
    String value = option(key);
    return value == null ? otherwise : value;
  }

  /** A number in [0, 1). */
  public double share(String key, double otherwise) {
    String value = option(key);
    if (value == null) {
      return otherwise;
    }
    double share = decimal(key, value);
    if (!(share >= 0 && share < 1)) {
      throw wrong(key + "=" + value + " must be at least 0 and below 1");
    }
    return share;
  }

  /** A number in [0, 1]. */
  public double fraction(String key, double otherwise) {
    String value = option(key);
    if (value == null) {
      return otherwise;
    }
    double fraction = decimal(key, value);
    if (!(fraction >= 0 && fraction <= 1)) {
      throw wrong(key + "=" + value + " must be between 0 and 1");
    }
    return fraction;
  }

  /** A whole number of at least 1. */
  public int integer(String key, int otherwise) {
    String value = option(key);
    if (value == null) {
      return otherwise;
    }
    if (!value.matches("[0-9]{1,9}") || Integer.parseInt(value) < 1) {
      throw wrong(key + "=" + value + " must be a whole number of at least 1");
    }
    return Integer.parseInt(value);
  }

  /** A whole number of at most 18 digits; 0 unless given. */
  public long seed(String key) {
    String value = option(key);
    if (value == null) {
      return 0;
    }
    if (!value.matches("-?[0-9]{1,18}")) {
      throw wrong(key + "=" + value + " must be a whole number");
    }
    return Long.parseLong(value);
  }

  /** The option {@code keep}, which must be there: a count, or a share with a decimal point. */
  public Keep keep() {
    String value = option("keep");
    if (value == null) {
      throw wrong("keep is missing: a count (keep=64) or a fraction (keep=0.25)");
    }
    if (value.contains(".")) {
      double fraction = decimal("keep", value);
      if (!(fraction > 0 && fraction <= 1)) {
        throw wrong("keep=" + value + " must be above 0 and at most 1.0");
      }
      return new Keep(name, 0, fraction);
    }
    return new Keep(name, integer("keep", 0), 0);
  }

  /** One of an enum's constants, written as {@link #word} writes it. */
  public <E extends Enum<E>> E choice(String key, E otherwise) {
    String value = option(key);
    if (value == null) {
      return otherwise;
    }
    var words = new TreeSet<String>();
    for (E constant : otherwise.getDeclaringClass().getEnumConstants()) {
      if (word(constant).equals(value)) {
        return constant;
      }
      words.add(word(constant));
    }
    throw wrong(key + "=" + value + " must be one of " + String.join(", ", words));
  }

  private double decimal(String key, String value) {
    if (!value.matches("[0-9]*\\.?[0-9]+([eE]-?[0-9]{1,2})?|[0-9]+\\.")) {
      throw wrong(key + "=" + value + " is not a number");
    }
    return Double.parseDouble(value);
  }

  /** A constant as specs write it: in small letters. */
  public static String word(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }

  /** A share as a person writes it: 0 and not 0.0. */
  public static String number(double value) {
    return value == Math.rint(value) ? Long.toString((long) value) : Double.toString(value);
  }

  /**
   * Refuses a cut of the decoder that has no layer before it or none behind it.
   *
   * @param method the name in the sentence
   * @param layer decoder layers that run in full before the cut, the option {@code K}
   */
  public static void checkLayer(String method, int layer, VlmShape shape) {
    if (layer < 1 || layer >= shape.layers()) {
      throw new InputException(
          method
              + ": K="
              + layer
              + " must be at least 1 and below the model's "
              + shape.layers()
              + " decoder layers");
    }
  }

  /** Refuses a prompt without text after its last image, for methods that rank by its attention. */
  public static void checkText(String method, VlmShape shape) {
    if (shape.textRows() < 1) {
      throw new InputException(
          method
              + ": the prompt has no text after its last image, and the method ranks visual tokens by it");
    }
  }

  /**
   * How many visual tokens of a group stay. Its text is the option's value.
   *
   * @param method the name in the sentence about a count that does not fit
   * @param count used if above 0
   * @param fraction of N otherwise
   */
  public record Keep(String method, int count, double fraction) {
    /** The count of each group. */
    public List<Integer> counts(VlmShape shape) {
      return shape.counts(this::of);
    }

    /**
     * The count of a group; a share is rounded to the nearest.
     *
     * @throws InputException if it is none of its candidates, or more than there are
     */
    public int of(VlmShape.Group group) {
      int n = group.size();
      int kept = count > 0 ? count : (int) Math.floor(fraction * n + 0.5);
      if (kept < 1 || kept > n) {
        throw new InputException(
            method
                + ": keep="
                + this
                + " is "
                + kept
                + " of the "
                + n
                + " visual tokens "
                + group.noun()
                + " has");
      }
      return kept;
    }

    @Override
    public String toString() {
      return count > 0 ? Integer.toString(count) : Double.toString(fraction);
    }
  }
}
