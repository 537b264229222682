package starling.image;

import java.nio.file.Path;
import starling.input.InputException;
import starling.input.InputFile;
import starling.input.Limits;

/**
 * An image as a model reads it: turned as its EXIF orientation says, RGB, 8 bits, rows from the
 * top.
 *
 * @param width pixels of a row
 * @param height rows of pixels
 * @param rgb {@code [height, width, 3]}; not copied, do not change it
 */
public record Image(int width, int height, byte[] rgb) {

  public Image {
    if (width < 1 || height < 1 || rgb.length != 3L * width * height) {
      throw new IllegalArgumentException(
          "an image of "
              + width
              + "x"
              + height
              + " has "
              + 3L * width * height
              + " bytes, not "
              + rgb.length);
    }
  }

  /**
   * Reads a PNG or JPEG file; the content decides which, not the name.
   *
   * @throws InputException if it cannot be read, is cut off, is too large, or is of another format
   */
  public static Image read(Path file) {
    return read(InputFile.read(file, Limits.IMAGE_BYTES), file.toString());
  }

  /**
   * Reads the bytes of a PNG or JPEG file.
   *
   * @param name what messages call it
   */
  public static Image read(byte[] bytes, String name) {
    if (Png.starts(bytes)) {
      return new Png(bytes, name).read();
    }
    if (Jpeg.starts(bytes)) {
      return new Jpeg(bytes, name).read();
    }
    throw new InputException(name + ": " + Format.of(bytes) + "; PNG and JPEG are read");
  }

  /** The image turned as EXIF orientation 2 to 8 says; any other value leaves it as stored. */
  Image turned(int orientation) {
    if (orientation < 2 || orientation > 8) {
      return this;
    }
    boolean sideways = orientation >= 5;
    int w = sideways ? height : width;
    int h = sideways ? width : height;
    byte[] out = new byte[rgb.length];
    for (int y = 0; y < h; y++) {
      for (int x = 0; x < w; x++) {
        int sx = sideways ? y : x;
        int sy = sideways ? x : y;
        boolean flipX =
            orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
        boolean flipY =
            orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
        int from = 3 * ((flipY ? height - 1 - sy : sy) * width + (flipX ? width - 1 - sx : sx));
        System.arraycopy(rgb, from, out, 3 * (y * w + x), 3);
      }
    }
    return new Image(w, h, out);
  }
}
