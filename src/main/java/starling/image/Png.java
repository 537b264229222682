package starling.image;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32;
import starling.input.InputException;

/**
 * A PNG file: its chunks are walked to the end, since half a file is no image. Checksums count up
 * to the image data, as Pillow has it; chunks that change no pixel may say what they like.
 */
final class Png {
  private static final long SIGNATURE = 0x89504e470d0a1a0aL;
  private static final int IHDR = 0x49484452;
  private static final int PLTE = 0x504c5445;
  private static final int IDAT = 0x49444154;
  private static final int IEND = 0x49454e44;
  private static final int EXIF = 0x65584966;
  private static final int TEXT = 0x74455874;
  private static final int ZTXT = 0x7a545874;
  private static final int ITXT = 0x69545874;

  private final byte[] bytes;
  private final ByteBuffer in;
  private final String name;
  private final long mostPixels;
  private PngHeader header;
  private byte[] palette;
  private int data; // where its first chunk begins
  private long packed;
  private boolean dataEnded;
  private final Exif exif = new Exif();
  private final PngText text;

  Png(byte[] bytes, String name, long mostPixels) {
    this.bytes = bytes;
    this.in = ByteBuffer.wrap(bytes);
    this.name = name;
    this.mostPixels = mostPixels;
    this.text = new PngText(bytes, exif, name);
  }

  /** By four bytes: a file whose next four were changed is a broken PNG. */
  static boolean starts(byte[] bytes) {
    return bytes.length >= 4 && ByteBuffer.wrap(bytes).getInt() == (int) (SIGNATURE >> 32);
  }

  Image read() {
    if (bytes.length < 8) {
      throw cutOff();
    }
    if (in.getLong(0) != SIGNATURE) {
      throw broken("its first bytes were changed, as by sending it as text");
    }
    walk();
    var pixels = new PngData(header, palette, bytes.length, packed, name);
    try (var stream = new PngStream(bytes, data, header.unpacked(), name)) {
      return pixels.image(stream).turned(exif.orientation());
    }
  }

  private InputException cutOff() {
    return new InputException(name + ": the image is cut off");
  }

  private InputException broken(String reason) {
    return new InputException(name + ": the image is broken (" + reason + ")");
  }

  /** Walks the chunks to the end of the image, behind which anything may follow. */
  private void walk() {
    int at = 8;
    while (true) {
      if (at + 12L > bytes.length) {
        throw cutOff();
      }
      int length = in.getInt(at);
      int type = in.getInt(at + 4);
      if (!isName(at + 4)) {
        if (data > 0) {
          return; // junk behind the image data
        }
        throw broken("a chunk without a name at byte " + at);
      }
      if (length < 0 || at + 12L + length > bytes.length) {
        throw cutOff();
      }
      if (data == 0 && type != IDAT && type != IEND) {
        checkSum(at + 4, length);
      }
      if (type == IEND) {
        if (data == 0) {
          throw broken("no image in it");
        }
        return;
      }
      chunk(type, at + 8, length);
      at += 12 + length;
    }
  }

  private boolean isName(int at) {
    for (int i = at; i < at + 4; i++) {
      if (bytes[i] != '_' && (bytes[i] < 0 || !Character.isLetterOrDigit(bytes[i]))) {
        return false;
      }
    }
    return true;
  }

  private void checkSum(int at, int length) {
    var crc = new CRC32();
    crc.update(bytes, at, 4 + length);
    if ((int) crc.getValue() != in.getInt(at + 4 + length)) {
      String chunk = new String(bytes, at, 4, StandardCharsets.ISO_8859_1);
      throw broken("the checksum of its " + chunk + " chunk is wrong");
    }
  }

  /** Up to 256 colours; of those that are missing Pillow makes black. */
  private void palette(int at, int length) {
    if (header != null && header.colour() == 3) {
      if (length / 3 > 256) {
        throw broken("a palette of " + length + " bytes");
      }
      palette = Arrays.copyOf(Arrays.copyOfRange(bytes, at, at + length / 3 * 3), 768);
    }
  }

  private void chunk(int type, int at, int length) {
    dataEnded |= data > 0 && type != IDAT;
    switch (type) {
      case IHDR -> {
        if (data == 0) {
          header = PngHeader.of(in, at, length, name);
          Decoder.checkSize(name, header.width(), header.height(), mostPixels);
        }
      }
      case PLTE -> {
        if (data == 0) {
          palette(at, length);
        }
      }
      case IDAT -> {
        if (header == null || (header.colour() == 3 && palette == null)) {
          throw broken("image data before the " + (header == null ? "header" : "palette"));
        }
        data = data == 0 ? at - 8 : data;
        packed += dataEnded ? 0 : length;
      }
      case EXIF -> exif.replace(bytes, at, length);
      case TEXT -> text.plain(at, at + length);
      case ZTXT -> text.compressed(at, at + length);
      case ITXT -> text.international(at, at + length);
      default -> {}
    }
  }
}
