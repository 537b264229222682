package starling;

import java.nio.file.Path;
import starling.image.Image;

/** The bundled model and images, where tests find them. */
public final class Demo {
  public static final Path ROOT = Checkout.path("src/demo/resources/starling/demo");
  public static final Path MODEL = ROOT.resolve("model");

  private Demo() {}

  public static Path image(String name) {
    return ROOT.resolve("pictures").resolve(name);
  }

  public static Image read(String name) {
    return Image.read(image(name));
  }
}
