package starling.image;

import java.util.Locale;

/** How an image becomes square. */
public enum ImageMode {
  /** As the checkpoint's preprocessor says. */
  CHECKPOINT,
  /** Padded to a square first, as the original LLaVA evaluation does. */
  PAD,
  /** Shorter side resized, middle cut out. */
  CROP;

  /** The name on the command line. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
