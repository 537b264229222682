package starling.image;

import java.util.Arrays;
import starling.input.InputException;

/** The pixels of a PNG. */
final class PngData {
  /** No packed byte gives more bytes than this, so a size without the data for it is no claim. */
  private static final int MAX_RATIO = 1032;

  private final PngHeader header;
  private final byte[] palette;
  private final String name;
  private final byte[] rgb;
  private byte[] above;
  private byte[] row;

  /**
   * @param palette RGB, or null
   * @param file bytes of it, of which so many are packed image data
   */
  PngData(PngHeader header, byte[] palette, long file, long packed, String name) {
    this.header = header;
    this.palette = palette;
    this.name = name;
    if (header.unpacked() > packed * MAX_RATIO) {
      throw new InputException(name + ": the image is cut off");
    }
    long longest = header.rowBytes(header.width());
    long samples = 3L * header.width() * header.height();
    Decoder.checkMemory(name, header.width(), header.height(), file + samples + 2 * longest);
    rgb = new byte[(int) samples];
    above = new byte[(int) longest];
    row = new byte[(int) longest];
  }

  private InputException broken(String reason) {
    return new InputException(name + ": the image is broken (" + reason + ")");
  }

  Image image(PngStream in) {
    for (int[] pass : header.passes()) {
      rows(in, pass[0], pass[1], pass[2], pass[3]);
    }
    return new Image(header.width(), header.height(), rgb);
  }

  private void rows(PngStream in, int left, int stepX, int top, int stepY) {
    int width = Math.ceilDiv(header.width() - left, stepX);
    if (width <= 0) {
      return;
    }
    int length = (int) header.rowBytes(width);
    Arrays.fill(above, (byte) 0);
    for (int y = top; y < header.height(); y += stepY) {
      int filter = in.next();
      in.read(row, length);
      unfilter(filter, length);
      for (int x = 0; x < width; x++) {
        pixel(x, 3 * (y * header.width() + left + x * stepX));
      }
      byte[] swap = above;
      above = row;
      row = swap;
    }
  }

  /** Undoes what was subtracted from each byte: its neighbour on the left, above, or of both. */
  private void unfilter(int filter, int length) {
    int back = Math.max(1, header.bitsPerPixel() / 8);
    for (int i = 0; i < length && filter != 0; i++) {
      int left = i < back ? 0 : row[i - back] & 0xff;
      int up = above[i] & 0xff;
      int corner = i < back ? 0 : above[i - back] & 0xff;
      row[i] +=
          (byte)
              switch (filter) {
                case 1 -> left;
                case 2 -> up;
                case 3 -> (left + up) / 2;
                case 4 -> nearest(left, up, corner);
                default -> throw broken("a row of filter " + filter);
              };
    }
  }

  /** The neighbour nearest to left + up − corner. */
  private static int nearest(int left, int up, int corner) {
    int toLeft = Math.abs(up - corner);
    int toUp = Math.abs(left - corner);
    int toCorner = Math.abs(left + up - 2 * corner);
    if (toLeft <= toUp && toLeft <= toCorner) {
      return left;
    }
    return toUp <= toCorner ? up : corner;
  }

  private void pixel(int x, int to) {
    int step = header.bitsPerPixel() / 8;
    int deep = header.depth() / 16; // of 16 bits the high byte comes first
    for (int c = 0; c < 3; c++) {
      rgb[to + c] =
          switch (header.colour()) {
            case 0 -> (byte) gray(x);
            case 3 -> palette[3 * sample(x) + c];
            case 4 -> row[x * step];
            default -> row[x * step + (c << deep)];
          };
    }
  }

  /** Pillow reads 16-bit gray as integers and clips them; of other samples it takes a byte. */
  private int gray(int x) {
    return header.depth() == 16
        ? Math.min(255, (row[2 * x] & 0xff) << 8 | (row[2 * x + 1] & 0xff))
        : sample(x) * (255 / ((1 << header.depth()) - 1));
  }

  /** A sample of 1, 2, 4 or 8 bits. */
  private int sample(int x) {
    int bit = x * header.depth();
    return (row[bit / 8] & 0xff) >> (8 - header.depth() - bit % 8) & ((1 << header.depth()) - 1);
  }
}
