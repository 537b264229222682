package starling.image;

import java.awt.image.DataBufferByte;
import java.awt.image.Raster;
import java.util.Arrays;

/**
 * The samples of a JPEG as stored, one byte for each component of each pixel, and what libjpeg and
 * Pillow make of them, whatever profile the file carries. In place, since a photo has hundreds of
 * megabytes.
 */
final class Samples {
  private final int width;
  private final int height;
  private final int bands;
  private final byte[] samples;

  Samples(Raster raster) {
    width = raster.getWidth();
    height = raster.getHeight();
    bands = raster.getNumBands();
    samples = ((DataBufferByte) raster.getDataBuffer()).getData();
  }

  /**
   * The decoder repeats each row of a component that has half of them. libjpeg-turbo, which Pillow
   * uses, takes a quarter of the row beyond (jdsample.c, {@code h1v2_fancy_upsample}).
   */
  void smoothRows(int component) {
    byte[] above = new byte[width];
    byte[] here = new byte[width];
    int row = width * bands;
    for (int y = 0; y < height; y += 2) {
      int first = y * row + component;
      for (int x = 0; x < width; x++) {
        here[x] = samples[first + x * bands];
      }
      for (int x = 0; x < width; x++) {
        int at = first + x * bands;
        int three = 3 * (here[x] & 0xff);
        int before = (y == 0 ? here[x] : above[x]) & 0xff;
        int after = (y + 2 < height ? samples[at + 2 * row] : here[x]) & 0xff;
        samples[at] = (byte) ((three + before + 1) >> 2);
        if (y + 1 < height) {
          samples[at + row] = (byte) ((three + after + 2) >> 2);
        }
      }
      byte[] swap = above;
      above = here;
      here = swap;
    }
  }

  /**
   * @param ycc whether three components are YCbCr
   * @param ycck whether four are YCCK
   */
  Image image(boolean ycc, boolean ycck) {
    byte[] rgb = bands == 3 ? samples : new byte[3 * width * height];
    for (int from = 0, to = 0; to < rgb.length; from += bands, to += 3) {
      if (bands == 1) {
        Arrays.fill(rgb, to, to + 3, samples[from]);
      } else if (bands == 4) {
        cmykToRgb(from, rgb, to, ycck);
      } else if (ycc) {
        yccToRgb(from, rgb, to);
      }
    }
    return new Image(width, height, rgb);
  }

  /** libjpeg's integer conversion (jdcolor.c): 16-bit fixed point, each term rounded once. */
  private void yccToRgb(int from, byte[] rgb, int to) {
    int y = samples[from] & 0xff;
    int cb = (samples[from + 1] & 0xff) - 128;
    int cr = (samples[from + 2] & 0xff) - 128;
    rgb[to] = clamped(y + ((91881 * cr + 32768) >> 16));
    rgb[to + 1] = clamped(y + ((-22554 * cb - 46802 * cr + 32768) >> 16));
    rgb[to + 2] = clamped(y + ((116130 * cb + 32768) >> 16));
  }

  /** CMYK is stored inverted, as Adobe does and Pillow expects; of YCCK the first three are not. */
  private void cmykToRgb(int from, byte[] rgb, int to, boolean ycck) {
    int light = samples[from + 3] & 0xff;
    if (ycck) {
      yccToRgb(from, samples, from);
    }
    for (int c = 0; c < 3; c++) {
      int ink = samples[from + c] & 0xff;
      int t = (ycck ? ink : 255 - ink) * light + 128;
      rgb[to + c] = clamped(light - ((t + (t >> 8)) >> 8));
    }
  }

  private static byte clamped(int v) {
    return (byte) Math.max(0, Math.min(255, v));
  }
}
