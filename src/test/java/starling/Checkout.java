package starling;

import java.net.URISyntaxException;
import java.nio.file.Path;

/**
 * The files of this project, wherever a test runs: it runs in a scratch folder, so that nothing it
 * leaves behind lands in the checkout.
 */
public final class Checkout {
  /** The folder of {@code pom.xml}; two above {@code target/test-classes}. */
  public static final Path ROOT = root();

  private Checkout() {}

  /** A file or folder by its name from the root. */
  public static Path path(String name) {
    return ROOT.resolve(name);
  }

  private static Path root() {
    try {
      var classes = Checkout.class.getProtectionDomain().getCodeSource().getLocation().toURI();
      return Path.of(classes).getParent().getParent();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }
}
