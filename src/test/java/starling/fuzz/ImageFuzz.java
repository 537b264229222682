package starling.fuzz;

import starling.image.Picture;

/** Any bytes as a picture. */
public final class ImageFuzz {
  private ImageFuzz() {}

  public static void fuzzerTestOneInput(byte[] data) {
    Fuzzed.read(() -> Picture.read(data, "fuzz"));
  }
}
