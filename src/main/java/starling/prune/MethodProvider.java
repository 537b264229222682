package starling.prune;

import java.util.ServiceLoader;

/**
 * Gives a method from outside a name in specs, so that {@code --prune mine:keep=64} and {@link
 * starling.Question#prune(String)} find it. One provider is one name.
 *
 * <p>A public class with a public constructor of no arguments, found by {@link ServiceLoader} with
 * the context class loader of the asking thread: on the class path its name stands in {@code
 * META-INF/services/starling.prune.MethodProvider}, a module says {@code provides
 * starling.prune.MethodProvider with …}. Providers are looked for and made anew whenever a spec is
 * read, so they do nothing when made.
 */
public interface MethodProvider {
  /**
   * What stands before the colon of a spec: letters, digits, {@code .}, {@code _} and {@code -}.
   * Nobody else may have it, least of all a built-in method.
   */
  String name();

  /**
   * Makes the method of a spec. Every option is read here, defaults too: one that nobody reads is
   * refused afterwards, with the list of those that were.
   *
   * @throws starling.input.InputException if an option's value is wrong, see {@link Spec#wrong}
   */
  Method parse(Spec spec);
}
