package starling.image;

import java.util.List;
import starling.input.InputException;

/**
 * How an image becomes tiles: fitted into one of a few sizes that are whole tiles, in the middle of
 * black. As transformers computes it for LLaVA-NeXT ({@code select_best_resolution}, {@code
 * get_patch_output_size}, {@code unpad_image}), in double.
 *
 * @param height pixels of all tiles together
 * @param width the same across
 * @param fittedHeight pixels of the image inside
 * @param fittedWidth the same across
 */
public record AnyResolution(int height, int width, int fittedHeight, int fittedWidth) {

  /**
   * The part of a grid that shows the image and not the border around it.
   *
   * @param top its first row
   * @param left its first column
   * @param rows how many it has
   * @param columns how many it has
   */
  public record Part(int top, int left, int rows, int columns) {}

  /**
   * The size that shows most of an image's pixels; of several the one that wastes least, then the
   * earlier one.
   *
   * @param sizes {@code [height, width]} of each
   * @param name what messages call the image
   * @throws InputException if the image is so thin that nothing of it would be left
   */
  public static AnyResolution of(int h, int w, List<List<Integer>> sizes, String name) {
    List<Integer> best = null;
    long bestUsed = 0;
    long bestWaste = 0;
    for (List<Integer> size : sizes) {
      double scale = Math.min((double) size.get(1) / w, (double) size.get(0) / h);
      long used = Math.min((long) (int) (w * scale) * (int) (h * scale), (long) w * h);
      long waste = (long) size.get(0) * size.get(1) - used;
      if (used > bestUsed || (used == bestUsed && used > 0 && waste < bestWaste)) {
        best = size;
        bestUsed = used;
        bestWaste = waste;
      }
    }
    if (best == null) {
      throw new InputException(
          name + ": the image is " + w + "x" + h + " pixels, too thin to be cut into tiles");
    }
    return fitted(h, w, best.get(0), best.get(1));
  }

  private static AnyResolution fitted(int h, int w, int height, int width) {
    double across = (double) width / w;
    double down = (double) height / h;
    return across < down
        ? new AnyResolution(height, width, Math.min((int) Math.ceil(h * across), height), width)
        : new AnyResolution(height, width, height, Math.min((int) Math.ceil(w * down), width));
  }

  /** Rows of black above the image; below it is the rest. */
  public int padTop() {
    return (height - fittedHeight) / 2;
  }

  /** Columns of black to the left of the image. */
  public int padLeft() {
    return (width - fittedWidth) / 2;
  }

  /**
   * The part of a grid of patches that shows an image. It may reach one patch further than the
   * image does.
   *
   * @param rows of the grid
   * @param columns of the grid
   * @param h rows of pixels of the image as it was
   */
  public static Part unpadded(int rows, int columns, int h, int w) {
    if ((double) w / h > (double) columns / rows) {
      int top = (rows - rounded(h * ((double) columns / w))) / 2;
      return new Part(top, 0, rows - 2 * top, columns);
    }
    int left = (columns - rounded(w * ((double) rows / h))) / 2;
    return new Part(0, left, rows, columns - 2 * left);
  }

  /** {@code int(round(x, 7))}: what is a whole number but for its last digits counts as one. */
  private static int rounded(double x) {
    return (int) (Math.rint(x * 1e7) / 1e7);
  }
}
