package starling.model;

import java.util.List;
import starling.image.Preprocess;
import starling.prune.ImageTokens;

/**
 * An image, ready for the model.
 *
 * @param tokens the rows it becomes
 * @param crops the pixels that the tower sees, one image for each crop; empty where only counts are
 *     asked for, or the image is encoded
 * @param encoded the image in the tower; null if it is still to be run
 */
public record ImageInput(
    ImageTokens tokens, List<Preprocess.Prepared> crops, EncodedImage encoded) {
  /** Copies the list; the pixels are the caller's. */
  public ImageInput {
    crops = List.copyOf(crops);
  }

  /** An image that the tower has not seen yet. */
  public ImageInput(ImageTokens tokens, List<Preprocess.Prepared> crops) {
    this(tokens, crops, null);
  }

  /** An image that was encoded before. */
  public static ImageInput of(EncodedImage image) {
    return new ImageInput(image.tokens(), List.of(), image);
  }
}
