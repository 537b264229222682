package starling;

import java.nio.file.Path;
import starling.image.Picture;

/** The bundled model and pictures, where tests find them. */
public final class Demo {
  public static final Path ROOT = Path.of("src/demo/resources/starling/demo");
  public static final Path MODEL = ROOT.resolve("model");

  private Demo() {}

  public static Path picture(String name) {
    return ROOT.resolve("pictures").resolve(name);
  }

  public static Picture read(String name) {
    return Picture.read(picture(name));
  }
}
