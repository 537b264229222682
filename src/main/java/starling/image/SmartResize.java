package starling.image;

import java.awt.geom.Rectangle2D;
import java.util.Arrays;
import java.util.List;
import starling.input.InputException;
import starling.input.Limits;

/**
 * How Qwen2-VL and Qwen2.5-VL prepare an image of any size: both sides become multiples of {@code
 * factor} as near as they can be with a number of pixels inside limits ({@code smart_resize} in
 * transformers), then scaling and normalising as for CLIP. Nothing is padded or cut off; the aspect
 * changes slightly.
 *
 * @param factor pixels of a side of a visual token: those of a patch, times the patches merged
 * @param minPixels least pixels of the resized image
 * @param maxPixels most pixels of the resized image
 * @param resample Pillow's number of the filter
 * @param imageMean red, green, blue, of values from 0 to 1
 * @param imageStd red, green, blue, of values from 0 to 1; not 0
 */
public record SmartResize(
    int factor,
    long minPixels,
    long maxPixels,
    int resample,
    List<Double> imageMean,
    List<Double> imageStd) {

  /** The aspect that transformers refuses to go beyond. */
  private static final int THINNEST = 200;

  /**
   * A size in pixels.
   *
   * @param height rows of pixels
   * @param width pixels of a row
   */
  public record Size(int height, int width) {}

  /**
   * The same with other limits, counted in visual tokens. One that is null stays as it is, unless
   * it would contradict the other; then it gives way.
   *
   * @throws InputException if both are given and contradict each other, or one is beyond {@link
   *     Limits#IMAGE_TOKENS}
   */
  public SmartResize tokens(Integer least, Integer most) {
    for (Integer limit : Arrays.asList(least, most)) {
      if (limit != null && limit > Limits.IMAGE_TOKENS) {
        throw new InputException(
            "%d visual tokens are asked for; an image may have at most %d"
                .formatted(limit, Limits.IMAGE_TOKENS));
      }
    }
    if (least != null && most != null && least > most) {
      throw new InputException(
          "at least %d and at most %d visual tokens are asked for; the least is more than the most"
              .formatted(least, most));
    }
    long cell = (long) factor * factor;
    long from = least == null ? minPixels : least * cell;
    long to = most == null ? maxPixels : most * cell;
    return new SmartResize(
        factor,
        least == null ? Math.min(from, to) : from,
        most == null ? Math.max(from, to) : to,
        resample,
        imageMean,
        imageStd);
  }

  /**
   * The size that an image of {@code height} by {@code width} pixels becomes.
   *
   * @param name what messages call the image
   * @throws InputException if it is more than 200 times as long as it is wide, or would be more
   *     than {@link Limits#IMAGE_TOKENS} visual tokens
   */
  public Size of(int height, int width, String name) {
    if ((double) Math.max(height, width) / Math.min(height, width) > THINNEST) {
      throw new InputException(
          "%s: the image is %dx%d pixels, and its longer side may be at most %d times the shorter; cut it"
              .formatted(name, width, height, THINNEST));
    }
    double h = Math.rint((double) height / factor) * factor; // halves to even, as Python rounds
    double w = Math.rint((double) width / factor) * factor;
    if (h * w > maxPixels) {
      double by = Math.sqrt((double) height * width / maxPixels);
      h = Math.max(factor, Math.floor(height / by / factor) * factor);
      w = Math.max(factor, Math.floor(width / by / factor) * factor);
    } else if (h * w < minPixels) {
      double by = Math.sqrt(minPixels / ((double) height * width));
      h = Math.ceil(height * by / factor) * factor;
      w = Math.ceil(width * by / factor) * factor;
    }
    double tokens = h / factor * (w / factor);
    if (tokens > Limits.IMAGE_TOKENS) { // enlarging rounds up
      throw new InputException(
          "%s: the image would be %.0f visual tokens, and may be at most %d; ask for fewer at least"
              .formatted(name, tokens, Limits.IMAGE_TOKENS));
    }
    return new Size((int) h, (int) w);
  }

  /**
   * An image ready for the tower.
   *
   * @param name what messages call the image
   */
  public Preprocess.Prepared apply(Image image, String name) {
    Size to = of(image.height(), image.width(), name);
    Image seen = Resample.resize(image, to.width(), to.height(), resample);
    float[] pixels = Preprocess.normalized(seen, 1 / 255.0, imageMean, imageStd);
    var whole = new Rectangle2D.Double(0, 0, image.width(), image.height());
    return new Preprocess.Prepared(pixels, to.height(), to.width(), whole);
  }
}
