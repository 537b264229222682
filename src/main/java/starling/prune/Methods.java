package starling.prune;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import starling.input.InputException;

/**
 * The list of methods, and the grammar of a spec: {@code name[:key=value[,key=value …]]}. Every
 * method but {@code none} takes {@code budget=image|crop}.
 */
public final class Methods {
  private record BuiltIn(String name, Class<? extends Method> type, Function<Spec, Method> parser)
      implements MethodProvider {
    @Override
    public Method parse(Spec spec) {
      return parser.apply(spec);
    }
  }

  private static final Map<String, MethodProvider> BUILT_IN =
      List.of(
              new BuiltIn("none", None.class, spec -> new None()),
              new BuiltIn("random", RandomKeep.class, RandomKeep::parse),
              new BuiltIn("uniform", Uniform.class, Uniform::parse),
              new BuiltIn("star", Star.class, Star::parse),
              new BuiltIn("fastv", FastV.class, FastV::parse),
              new BuiltIn("fastervlm", FasterVlm.class, FasterVlm::parse),
              new BuiltIn("vispruner", VisPruner.class, VisPruner::parse))
          .stream()
          .collect(Collectors.toMap(MethodProvider::name, method -> method));

  private Methods() {}

  /**
   * Reads a spec of a built-in method, or of one that a {@link MethodProvider} names. Whether its
   * numbers fit a model is checked by {@link Method#cuts}.
   *
   * @throws InputException if it names no known method, or an option is unknown, repeated or not a
   *     value
   * @throws ServiceConfigurationError if there is a provider that cannot be used, whatever the
   *     spec: its class is named
   */
  public static Method parse(String text) {
    if (text.startsWith("replay:")) {
      return replay(text);
    }
    Spec spec = Spec.parse(text);
    Map<String, MethodProvider> known = known();
    MethodProvider provider = known.get(spec.name());
    if (provider == null) {
      throw spec.wrong(
          "unknown method '"
              + spec.name()
              + "'; known are "
              + String.join(", ", known.keySet())
              + " and replay:FILE");
    }
    Method method = provider.parse(spec);
    if (method == null) {
      throw unusable(owner(provider) + " makes no method of '" + text + "'", null);
    }
    boolean perCrop =
        !(method instanceof None) && spec.choice("budget", Budget.IMAGE) == Budget.CROP;
    spec.finish();
    return perCrop ? new PerCrop(method) : method;
  }

  private static Map<String, MethodProvider> known() {
    var known = new TreeMap<>(BUILT_IN);
    try {
      for (MethodProvider provider : ServiceLoader.load(MethodProvider.class)) {
        add(provider, known);
      }
    } catch (LinkageError e) { // a class that the JVM will not have
      throw unusable("a class of it cannot be loaded", e);
    }
    return known;
  }

  private static void add(MethodProvider provider, Map<String, MethodProvider> known) {
    String name = provider.name();
    if (name == null || !name.matches("[A-Za-z0-9._-]+")) {
      throw unusable(
          owner(provider)
              + " calls its method '"
              + name
              + "'; a name is letters, digits, '.', '_' and '-'",
          null);
    }
    MethodProvider other = known.putIfAbsent(name, provider);
    if (other != null || name.equals("replay")) {
      throw unusable(
          owner(provider)
              + " calls its method '"
              + name
              + "', and so does "
              + (other == null ? Replay.class.getName() : owner(other)),
          null);
    }
  }

  private static String owner(MethodProvider provider) {
    return (provider instanceof BuiltIn b ? b.type() : provider.getClass()).getName();
  }

  private static ServiceConfigurationError unusable(String why, Throwable cause) {
    return new ServiceConfigurationError(MethodProvider.class.getName() + ": " + why, cause);
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
