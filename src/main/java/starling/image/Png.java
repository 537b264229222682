package starling.image;

import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.IndexColorModel;
import java.awt.image.Raster;
import java.nio.ByteBuffer;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import starling.device.InputException;

/**
 * A PNG file: every chunk is checked before the decoder sees it, since that returns half a picture
 * for half a file.
 */
final class Png {
  private static final int IHDR = 0x49484452;
  private static final int IDAT = 0x49444154;
  private static final int IEND = 0x49454e44;
  private static final int EXIF = 0x65584966;
  private static final int TEXT = 0x74455874;
  private static final int ZTXT = 0x7a545874;
  private static final int ITXT = 0x69545874;

  private final byte[] bytes;
  private final ByteBuffer in;
  private final String name;
  private final Inflater inflater = new Inflater();
  private long inflated;
  private int width;
  private int height;
  private int depth;
  private int colorType;
  private boolean interlaced;
  private final Exif exif = new Exif();

  Png(byte[] bytes, String name) {
    this.bytes = bytes;
    this.in = ByteBuffer.wrap(bytes);
    this.name = name;
  }

  Picture read() {
    int end;
    try {
      end = checkChunks();
    } finally {
      inflater.end();
    }
    return picture(Decoder.png(bytes, end, name)).turned(exif.orientation());
  }

  /** Walks the chunks; returns the end of the picture, behind which anything may follow. */
  private int checkChunks() {
    int at = 8;
    while (true) {
      if (at + 12L > bytes.length) {
        throw cutOff();
      }
      int length = in.getInt(at);
      int type = in.getInt(at + 4);
      if (length < 0 || at + 12L + length > bytes.length) {
        throw cutOff();
      }
      var crc = new CRC32();
      crc.update(bytes, at + 4, length + 4);
      if ((int) crc.getValue() != in.getInt(at + 8 + length)) {
        throw broken("the checksum of a chunk is wrong");
      }
      if ((at == 8) != (type == IHDR)) {
        throw broken("the header is not the first chunk");
      }
      switch (type) {
        case IHDR -> header(at + 8, length);
        case IDAT -> inflate(at + 8, length);
        case EXIF -> exif.block(bytes, at + 8, length);
        case TEXT -> exif.text("tEXt", bytes, at + 8, length);
        case ZTXT -> exif.text("zTXt", bytes, at + 8, length);
        case ITXT -> exif.text("iTXt", bytes, at + 8, length);
        default -> {}
      }
      at += 12 + length;
      if (type == IEND) {
        if (inflated < expectedBytes()) {
          throw cutOff();
        }
        return at;
      }
    }
  }

  private InputException cutOff() {
    return new InputException(name + ": the picture is cut off");
  }

  private InputException broken(String reason) {
    return new InputException(name + ": the picture is broken (" + reason + ")");
  }

  private void header(int at, int length) {
    if (length != 13) {
      throw broken("the header has " + length + " bytes");
    }
    Decoder.checkSize(
        name, Integer.toUnsignedLong(in.getInt(at)), Integer.toUnsignedLong(in.getInt(at + 4)));
    width = in.getInt(at);
    height = in.getInt(at + 4);
    depth = bytes[at + 8];
    colorType = bytes[at + 9];
    interlaced = bytes[at + 12] != 0;
    if (channels() == 0 || depth < 1 || depth > 16) {
      throw broken("colour type " + colorType + " of depth " + depth);
    }
  }

  private int channels() {
    return switch (colorType) {
      case 0, 3 -> 1;
      case 2 -> 3;
      case 4 -> 2;
      case 6 -> 4;
      default -> 0;
    };
  }

  /** Counts what the image data unpacks to, without keeping it. */
  private void inflate(int at, int length) {
    byte[] buffer = new byte[65536];
    inflater.setInput(bytes, at, length);
    try {
      while (!inflater.finished() && !inflater.needsInput()) {
        int count = inflater.inflate(buffer);
        inflated += count;
        if (count == 0 && inflater.needsDictionary()) {
          throw broken("the image data asks for a dictionary");
        }
      }
    } catch (DataFormatException e) {
      throw broken("the image data cannot be unpacked");
    }
  }

  private long expectedBytes() {
    if (!interlaced) {
      return rows(width, height);
    }
    // Adam7: start and step of x and y in each pass.
    int[][] passes = {
      {0, 8, 0, 8},
      {4, 8, 0, 8},
      {0, 4, 4, 8},
      {2, 4, 0, 4},
      {0, 2, 2, 4},
      {1, 2, 0, 2},
      {0, 1, 1, 2}
    };
    long sum = 0;
    for (int[] p : passes) {
      sum += rows(Math.ceilDiv(width - p[0], p[1]), Math.ceilDiv(height - p[2], p[3]));
    }
    return sum;
  }

  private long rows(int w, int h) {
    return w <= 0 || h <= 0 ? 0 : h * (1 + ((long) w * channels() * depth + 7) / 8);
  }

  /** Samples of the raster, never {@code getRGB} of it, which would apply a gamma to gray. */
  private Picture picture(BufferedImage image) {
    byte[] rgb = new byte[3 * width * height];
    Raster raster = image.getRaster();
    ColorModel model = image.getColorModel();
    int bands = raster.getNumBands();
    int[] row = new int[width * bands];
    boolean color = bands >= 3;
    boolean deep = raster.getSampleModel().getSampleSize(0) == 16;
    for (int y = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0; x < width; x++) {
        int to = 3 * (y * width + x);
        for (int c = 0; c < 3; c++) {
          int sample = row[x * bands + (color ? c : 0)];
          if (model instanceof IndexColorModel palette) {
            sample = palette.getRGB(sample) >> (16 - 8 * c);
          } else if (deep) {
            // Pillow reads 16-bit gray as integers and clips them; of other 16-bit samples it takes
            // the high byte.
            sample = colorType == 0 ? Math.min(sample, 255) : sample >> 8;
          }
          rgb[to + c] = (byte) sample;
        }
      }
    }
    return new Picture(width, height, rgb);
  }
}
