package starling.image;

import java.awt.geom.Rectangle2D;
import java.util.List;
import starling.input.InputException;
import starling.input.Limits;

/**
 * CLIP preprocessing, step by step as CLIPImageProcessor does it: resize, cut out the middle,
 * scale, normalise.
 *
 * @param doResize whether images are resized
 * @param resample Pillow's number of the filter
 * @param shortestEdge pixels of the shorter side; 0 if {@code height} and {@code width} are given
 *     (no aspect kept)
 * @param height pixels after resizing; 0 where {@code shortestEdge} is given
 * @param width pixels after resizing; 0 where {@code shortestEdge} is given
 * @param doCenterCrop whether the middle is cut out
 * @param cropHeight pixels of the middle
 * @param cropWidth pixels of the middle
 * @param doRescale whether values are multiplied by {@code rescaleFactor}
 * @param rescaleFactor usually 1/255
 * @param doNormalize whether the mean is subtracted and the result divided by the deviation
 * @param imageMean red, green, blue, after rescaling
 * @param imageStd red, green, blue, after rescaling; not 0
 * @param doPad pad to a square first, with the mean colour
 */
public record Preprocess(
    boolean doResize,
    int resample,
    int shortestEdge,
    int height,
    int width,
    boolean doCenterCrop,
    int cropHeight,
    int cropWidth,
    boolean doRescale,
    double rescaleFactor,
    boolean doNormalize,
    List<Double> imageMean,
    List<Double> imageStd,
    boolean doPad) {

  /**
   * An image ready for the tower.
   *
   * @param pixels {@code [3, height, width]}
   * @param height rows of pixels
   * @param width pixels of a row
   * @param region what the tower sees, in pixels of the image; with padding it reaches beyond it
   */
  public record Prepared(float[] pixels, int height, int width, Rectangle2D region) {}

  /**
   * What comes out of every image if it cannot be {@code side} by {@code side} pixels; null if it
   * can.
   */
  public String otherSize(int side) {
    if (doCenterCrop) {
      return cropWidth == side && cropHeight == side ? null : cropWidth + "x" + cropHeight;
    }
    if (!doResize) {
      return null; // any image of that size
    }
    if (shortestEdge > 0) {
      return shortestEdge == side ? null : "at least " + shortestEdge + "x" + shortestEdge;
    }
    return width == side && height == side ? null : width + "x" + height;
  }

  /**
   * @param name what messages call the image
   */
  public Prepared apply(Image image, ImageMode mode, String name) {
    boolean padded = mode == ImageMode.PAD || (mode == ImageMode.CHECKPOINT && doPad);
    Image p = padded ? padToSquare(image, name) : image;
    int offsetX = -((p.width() - image.width()) / 2);
    int offsetY = -((p.height() - image.height()) / 2);
    Image resized = resized(p, mode, name);
    double scaleX = (double) p.width() / resized.width();
    double scaleY = (double) p.height() / resized.height();
    Image seen = doCenterCrop || mode == ImageMode.CROP ? cropped(resized) : resized;
    double left = Math.floorDiv(resized.width() - seen.width(), 2) * scaleX;
    double top = Math.floorDiv(resized.height() - seen.height(), 2) * scaleY;
    var region =
        new Rectangle2D.Double(
            offsetX + left, offsetY + top, seen.width() * scaleX, seen.height() * scaleY);
    return new Prepared(pixels(seen), seen.height(), seen.width(), region);
  }

  private Image resized(Image p, ImageMode mode, String name) {
    if (!doResize && mode != ImageMode.CROP) {
      return p;
    }
    boolean keepAspect = shortestEdge > 0 || mode == ImageMode.CROP;
    if (!keepAspect) {
      return Resample.resize(p, width, height, resample);
    }
    int edge = shortestEdge > 0 ? shortestEdge : Math.min(cropHeight, cropWidth);
    int shorter = Math.min(p.width(), p.height());
    int longer = Math.max(p.width(), p.height());
    double along = (double) ((long) edge * longer) / shorter;
    if (along > Limits.RESIZED_SIDE) {
      throw new InputException(
          name
              + ": the image is "
              + p.width()
              + "x"
              + p.height()
              + " pixels, too thin to be resized to "
              + edge
              + " pixels across");
    }
    int w = p.width() <= p.height() ? edge : (int) along;
    int h = p.width() <= p.height() ? (int) along : edge;
    return Resample.resize(p, w, h, resample);
  }

  /** Centred, with the mean colour, truncated to whole levels, around it. */
  private Image padToSquare(Image p, String name) {
    int side = Math.max(p.width(), p.height());
    if (p.width() == p.height()) {
      return p;
    }
    if ((long) side * side > Limits.IMAGE_PIXELS) {
      throw new InputException(
          name
              + ": the image is "
              + p.width()
              + "x"
              + p.height()
              + " pixels, too large to be padded to a square; make it smaller");
    }
    byte[] out = new byte[3 * side * side];
    for (int i = 0; i < out.length; i++) {
      out[i] = (byte) (int) (255 * imageMean.get(i % 3));
    }
    paste(p, out, side, (side - p.width()) / 2, (side - p.height()) / 2);
    return new Image(side, side, out);
  }

  /** The middle; an image smaller than the crop stands on black, as in transformers. */
  private Image cropped(Image p) {
    byte[] out = new byte[3 * cropHeight * cropWidth];
    paste(
        p,
        out,
        cropWidth,
        -Math.floorDiv(p.width() - cropWidth, 2),
        -Math.floorDiv(p.height() - cropHeight, 2));
    return new Image(cropWidth, cropHeight, out);
  }

  private static void paste(Image p, byte[] out, int width, int left, int top) {
    int height = out.length / 3 / width;
    int from = Math.max(0, -left);
    int to = Math.min(p.width(), width - left);
    for (int y = Math.max(0, -top); y < Math.min(p.height(), height - top) && to > from; y++) {
      System.arraycopy(
          p.rgb(),
          3 * (y * p.width() + from),
          out,
          3 * ((y + top) * width + from + left),
          3 * (to - from));
    }
  }

  float[] pixels(Image p) {
    return normalized(p, doRescale ? rescaleFactor : 1, doNormalize ? imageMean : null, imageStd);
  }

  /**
   * {@code (float(level·factor) − mean) / std}: the product in double, the rest in float, as numpy
   * does it there.
   *
   * @param mean null to leave the products as they are
   * @return {@code [3, height, width]}
   */
  static float[] normalized(Image p, double factor, List<Double> mean, List<Double> std) {
    int plane = p.width() * p.height();
    float[] pixels = new float[3 * plane];
    for (int c = 0; c < 3; c++) {
      float m = mean == null ? 0 : mean.get(c).floatValue();
      float s = mean == null ? 1 : std.get(c).floatValue();
      for (int i = 0; i < plane; i++) {
        int level = p.rgb()[3 * i + c] & 0xff;
        pixels[c * plane + i] = ((float) (level * factor) - m) / s;
      }
    }
    return pixels;
  }
}
