package starling.prune;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import starling.device.InputException;

/**
 * The list of methods, and the grammar of a spec: {@code name[:key=value[,key=value …]]}. Every
 * method but {@code none} takes {@code budget=image|crop}.
 */
public final class Methods {
  private static final Map<String, Function<Spec, Method>> PARSERS =
      new TreeMap<>(
          Map.of(
              "none", spec -> new None(),
              "random", RandomKeep::parse,
              "uniform", Uniform::parse,
              "star", Star::parse,
              "fastv", FastV::parse,
              "fastervlm", FasterVlm::parse,
              "vispruner", VisPruner::parse));

  private Methods() {}

  /**
   * Reads a spec. Whether its numbers fit a model is checked by {@link Method#cuts}.
   *
   * @throws InputException if it names no known method, or an option is unknown, repeated or not a
   *     value
   */
  public static Method parse(String text) {
    if (text.startsWith("replay:")) {
      return replay(text);
    }
    Spec spec = Spec.parse(text);
    Function<Spec, Method> parser = PARSERS.get(spec.name());
    if (parser == null) {
      throw spec.wrong(
          "unknown method '"
              + spec.name()
              + "'; known are "
              + String.join(", ", PARSERS.keySet())
              + " and replay:FILE");
    }
    Method method = parser.apply(spec);
    boolean perCrop =
        !(method instanceof None) && spec.choice("budget", Budget.IMAGE) == Budget.CROP;
    spec.finish();
    return perCrop ? new PerCrop(method) : method;
  }

  private static Method replay(String text) {
    String file = text.substring("replay:".length());
    try {
      if (!file.isEmpty()) {
        return new Replay(Path.of(file));
      }
    } catch (InvalidPathException e) {
      throw new InputException("pruning spec '" + text + "': not a file name", e);
    }
    throw new InputException("pruning spec '" + text + "': replay needs the file of a trace");
  }
}
