package starling.fuzz;

import starling.image.Image;

/** Any bytes as an image. */
public final class ImageFuzz {
  private ImageFuzz() {}

  public static void fuzzerTestOneInput(byte[] data) {
    Fuzzed.read(() -> Image.read(data, "fuzz"));
  }
}
