package starling.image;

import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
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
    return read(bytes, name, Limits.IMAGE_PIXELS);
  }

  /**
   * The same for bytes of a stranger, who gets less.
   *
   * @param mostPixels those that an image may have, at most {@link Limits#IMAGE_PIXELS}; looked at
   *     before anything is unpacked
   */
  public static Image read(byte[] bytes, String name, long mostPixels) {
    if (Png.starts(bytes)) {
      return new Png(bytes, name, mostPixels).read();
    }
    if (Jpeg.starts(bytes)) {
      return new Jpeg(bytes, name, mostPixels).read();
    }
    throw new InputException(name + ": " + Format.of(bytes) + "; PNG and JPEG are read");
  }

  /**
   * An image of Java's. Gray samples are taken as they are, for red, green and blue alike, of 16
   * bits the upper eight; colours are brought to sRGB; alpha is left out.
   */
  public static Image of(BufferedImage image) {
    int w = image.getWidth();
    int h = image.getHeight();
    byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(w, h))];
    boolean gray = image.getColorModel().getColorSpace().getType() == ColorSpace.TYPE_GRAY;
    int bits = image.getColorModel().getComponentSize(0);
    int[] row = new int[w];
    for (int y = 0, to = 0; y < h; y++) {
      if (gray) {
        image.getRaster().getSamples(0, y, w, 1, 0, row);
      } else {
        image.getRGB(0, y, w, 1, row, 0, w);
      }
      for (int x = 0; x < w; x++) {
        for (int c = 0; c < 3; c++) {
          rgb[to++] = (byte) (gray ? eightBits(row[x], bits) : row[x] >> (16 - 8 * c));
        }
      }
    }
    return new Image(w, h, rgb);
  }

  private static int eightBits(int sample, int bits) {
    return bits > 8 ? sample >> (bits - 8) : sample * 255 / ((1 << bits) - 1);
  }

  /**
   * An image of numbers from 0 to 1, rounded to the nearest of 256, which is what models are
   * trained on.
   *
   * @param rgb {@code [height, width, 3]}, rows from the top
   * @throws IllegalArgumentException if there are more or fewer numbers, or one is not from 0 to 1;
   *     it is named
   */
  public static Image of(int width, int height, float[] rgb) {
    byte[] bytes = new byte[rgb.length];
    for (int i = 0; i < rgb.length; i++) {
      if (!(rgb[i] >= 0 && rgb[i] <= 1)) {
        throw new IllegalArgumentException("rgb[" + i + "] is " + rgb[i] + "; it must be 0 to 1");
      }
      bytes[i] = (byte) Math.round(rgb[i] * 255);
    }
    return new Image(width, height, bytes);
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
