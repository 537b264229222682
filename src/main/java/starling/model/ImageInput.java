package starling.model;

import java.util.List;
import starling.image.Preprocess;
import starling.prune.ImageTokens;

/**
 * An image, ready for the model.
 *
 * @param tokens the rows it becomes
 * @param crops the pixels that the tower sees, one image for each crop; empty where only counts are
 *     asked for
 */
public record ImageInput(ImageTokens tokens, List<Preprocess.Prepared> crops) {
  /** Copies the list; the pixels are the caller's. */
  public ImageInput {
    crops = List.copyOf(crops);
  }
}
