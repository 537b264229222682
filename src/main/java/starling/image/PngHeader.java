package starling.image;

import java.nio.ByteBuffer;
import starling.input.InputException;

/**
 * The header of a PNG.
 *
 * @param depth bits of a sample
 * @param colour PNG's number: 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha
 */
record PngHeader(int width, int height, int depth, int colour, boolean interlaced) {
  /** The seven images of an interlaced one: first column and step, first row and step. */
  private static final int[][] ADAM7 = {
    {0, 8, 0, 8},
    {4, 8, 0, 8},
    {0, 4, 4, 8},
    {2, 4, 0, 4},
    {0, 2, 2, 4},
    {1, 2, 0, 2},
    {0, 1, 1, 2}
  };

  private static final int[][] WHOLE = {{0, 1, 0, 1}};

  static PngHeader of(ByteBuffer in, int at, int length, String name) {
    if (length < 13) {
      throw new InputException(
          name + ": the image is broken (its header has " + length + " bytes)");
    }
    Decoder.checkSize(
        name, Integer.toUnsignedLong(in.getInt(at)), Integer.toUnsignedLong(in.getInt(at + 4)));
    int depth = in.get(at + 8);
    int colour = in.get(at + 9);
    if (!exists(depth, colour) || in.get(at + 11) != 0) {
      throw new InputException(
          name
              + ": the image is broken (colour type "
              + colour
              + " of depth "
              + depth
              + ", filter method "
              + in.get(at + 11)
              + ")");
    }
    return new PngHeader(in.getInt(at), in.getInt(at + 4), depth, colour, in.get(at + 12) != 0);
  }

  private static boolean exists(int depth, int colour) {
    return switch (colour) {
      case 0 -> depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
      case 2, 4, 6 -> depth == 8 || depth == 16;
      case 3 -> depth == 1 || depth == 2 || depth == 4 || depth == 8;
      default -> false;
    };
  }

  private int channels() {
    return switch (colour) {
      case 2 -> 3;
      case 4 -> 2;
      case 6 -> 4;
      default -> 1;
    };
  }

  int bitsPerPixel() {
    return channels() * depth;
  }

  /** Bytes of a row of so many pixels, without the byte that names its filter. */
  long rowBytes(int pixels) {
    return ((long) pixels * bitsPerPixel() + 7) / 8;
  }

  /** First column and step, first row and step of each image that the data hold. */
  int[][] passes() {
    return interlaced ? ADAM7 : WHOLE;
  }

  /** Bytes of all rows. */
  long unpacked() {
    long sum = 0;
    for (int[] pass : passes()) {
      int w = Math.ceilDiv(width - pass[0], pass[1]);
      int h = Math.ceilDiv(height - pass[2], pass[3]);
      sum += w <= 0 || h <= 0 ? 0 : h * (1 + rowBytes(w));
    }
    return sum;
  }
}
