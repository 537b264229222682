package starling.image;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * How a picture lies, wherever its file says so: an EXIF block, else XMP, as Pillow's {@code
 * exif_transpose} takes them. What is broken says nothing.
 */
final class Exif {
  private static final int ORIENTATION = 0x0112;
  private static final Pattern XMP = Pattern.compile("tiff:Orientation(?:=\"|>)([0-9])");
  private static final int MOST_TEXT = 1 << 20;

  private boolean block;
  private int exif; // 0: says nothing
  private int xmp;

  /** 1 to 8; 1 is as stored. */
  int orientation() {
    int value = exif != 0 ? exif : xmp;
    return value >= 1 && value <= 8 ? value : 1;
  }

  /** An EXIF block, beginning with its TIFF header; of several the first counts. */
  void block(byte[] bytes, int at, int length) {
    if (!block) {
      block = true;
      exif = tag(bytes, at, length);
    }
  }

  private static int tag(byte[] bytes, int at, int length) {
    try {
      ByteBuffer tiff = ByteBuffer.wrap(bytes, at, length).slice();
      short order = tiff.getShort(0);
      if (order != 0x4949 && order != 0x4d4d) {
        return 0;
      }
      tiff.order(order == 0x4949 ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
      int directory = tiff.getInt(4);
      int entries = Short.toUnsignedInt(tiff.getShort(directory));
      for (int i = 0; i < entries; i++) {
        int entry = directory + 2 + 12 * i;
        if (Short.toUnsignedInt(tiff.getShort(entry)) == ORIENTATION) {
          return Math.max(1, Short.toUnsignedInt(tiff.getShort(entry + 8)));
        }
      }
      return 0;
    } catch (IndexOutOfBoundsException | BufferUnderflowException e) {
      return 0;
    }
  }

  /** An XMP packet. */
  void xmp(byte[] bytes, int at, int length) {
    Matcher found =
        XMP.matcher(
            new String(bytes, at, Math.min(length, MOST_TEXT), StandardCharsets.ISO_8859_1));
    xmp = found.find() ? Integer.parseInt(found.group(1)) : 0;
  }

  /** A PNG's text chunk, of which two may speak of this: XMP, and EXIF in hexadecimal digits. */
  void text(String type, byte[] bytes, int at, int length) {
    int zero = zero(bytes, at, at + length);
    String keyword = new String(bytes, at, zero - at, StandardCharsets.ISO_8859_1);
    if (keyword.equals("XML:com.adobe.xmp") && type.equals("iTXt") && zero + 3 < at + length) {
      int language = zero(bytes, zero + 3, at + length);
      int from = zero(bytes, Math.min(language + 1, at + length), at + length) + 1;
      byte[] packet = content(bytes, from, at + length, bytes[zero + 1] != 0);
      xmp(packet, 0, packet.length);
    } else if (keyword.equals("Raw profile type exif") && !type.equals("iTXt") && !block) {
      boolean compressed = type.equals("zTXt");
      hexadecimal(content(bytes, zero + (compressed ? 2 : 1), at + length, compressed));
    }
  }

  /** "\nexif\n 34\n457869…", as ImageMagick writes it; the digits begin with "Exif\0\0". */
  private void hexadecimal(byte[] profile) {
    String[] lines = new String(profile, StandardCharsets.ISO_8859_1).split("\n", -1);
    String digits =
        String.join("", Arrays.asList(lines).subList(Math.min(3, lines.length), lines.length));
    try {
      byte[] block = HexFormat.of().parseHex(digits);
      if (block.length > 6) {
        exif = tag(block, 6, block.length - 6);
      }
    } catch (IllegalArgumentException e) {
      exif = 0;
    }
  }

  private static int zero(byte[] bytes, int from, int end) {
    int at = from;
    while (at < end && bytes[at] != 0) {
      at++;
    }
    return at;
  }

  private static byte[] content(byte[] bytes, int from, int end, boolean compressed) {
    if (from >= end) {
      return new byte[0];
    }
    if (!compressed) {
      return Arrays.copyOfRange(bytes, from, end);
    }
    byte[] text = new byte[MOST_TEXT];
    var inflater = new Inflater();
    try {
      inflater.setInput(bytes, from, end - from);
      return Arrays.copyOf(text, inflater.inflate(text));
    } catch (DataFormatException e) {
      return new byte[0];
    } finally {
      inflater.end();
    }
  }
}
