package starling.image;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import starling.device.InputException;

/** The image data of a PNG: unpacked row by row, and no further than the last row. */
final class PngData {
  /** No packed byte gives more bytes than this, so a size without the data for it is no claim. */
  private static final int MOST_PER_BYTE = 1032;

  /** The seven pictures of an interlaced one: first column and step, first row and step. */
  private static final int[][] PASSES = {
    {0, 8, 0, 8},
    {4, 8, 0, 8},
    {0, 4, 4, 8},
    {2, 4, 0, 4},
    {0, 2, 2, 4},
    {1, 2, 0, 2},
    {0, 1, 1, 2}
  };

  private static final int IDAT = 0x49444154;

  private final ByteBuffer in;
  private final String name;
  private final PngHeader header;
  private final byte[] palette;
  private final byte[] rgb;
  private int chunk; // the next one
  private byte[] above;
  private byte[] row;

  /**
   * @param in the file
   * @param first where its first chunk of image data begins
   * @param packed bytes in that and in those that follow at once
   * @param palette RGB, or null
   */
  PngData(ByteBuffer in, int first, long packed, PngHeader header, byte[] palette, String name) {
    this.in = in;
    this.chunk = first;
    this.header = header;
    this.palette = palette;
    this.name = name;
    int longest = Math.toIntExact(header.rowBytes(header.width()));
    if ((long) longest * header.height() > packed * MOST_PER_BYTE) {
      throw cutOff();
    }
    rgb = new byte[3 * header.width() * header.height()];
    above = new byte[longest];
    row = new byte[longest];
  }

  private InputException cutOff() {
    return new InputException(name + ": the picture is cut off");
  }

  private InputException broken(String reason) {
    return new InputException(name + ": the picture is broken (" + reason + ")");
  }

  Picture picture() {
    var inflater = new Inflater();
    try {
      if (header.interlaced()) {
        for (int[] pass : PASSES) {
          rows(inflater, pass[0], pass[1], pass[2], pass[3]);
        }
      } else {
        rows(inflater, 0, 1, 0, 1);
      }
    } catch (DataFormatException e) {
      throw broken("the image data cannot be unpacked");
    } finally {
      inflater.end();
    }
    return new Picture(header.width(), header.height(), rgb);
  }

  private void rows(Inflater inflater, int left, int stepX, int top, int stepY)
      throws DataFormatException {
    int width = Math.ceilDiv(header.width() - left, stepX);
    if (width <= 0) {
      return;
    }
    int length = (int) header.rowBytes(width);
    Arrays.fill(above, (byte) 0);
    byte[] filter = new byte[1];
    for (int y = top; y < header.height(); y += stepY) {
      unpack(inflater, filter, 1);
      unpack(inflater, row, length);
      unfilter(filter[0], length);
      for (int x = 0; x < width; x++) {
        pixel(x, 3 * (y * header.width() + left + x * stepX));
      }
      byte[] swap = above;
      above = row;
      row = swap;
    }
  }

  private void unpack(Inflater inflater, byte[] to, int length) throws DataFormatException {
    int count = 0;
    while (count < length) {
      int more = inflater.inflate(to, count, length - count);
      count += more;
      if (more == 0) {
        if (inflater.needsDictionary()) {
          throw broken("the image data asks for a dictionary");
        }
        if (inflater.finished() || in.getInt(chunk + 4) != IDAT) {
          throw cutOff();
        }
        inflater.setInput(in.array(), chunk + 8, in.getInt(chunk));
        chunk += 12 + in.getInt(chunk);
      }
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
