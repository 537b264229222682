package starling.image;

import java.awt.image.Raster;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import starling.device.InputException;

/**
 * A JPEG file: its markers are walked first, since the decoder fills up the rest of a picture that
 * is cut off. Samples are taken as stored and converted here as libjpeg and Pillow do, whatever
 * profile the file carries.
 */
final class Jpeg {
  private static final String XMP = "http://ns.adobe.com/xap/1.0/\0";

  private final byte[] bytes;
  private final String name;
  private boolean jfif;
  private int adobeTransform = -1;
  private boolean rgbIds;
  private final Exif exif = new Exif();
  private boolean frame;
  private final ByteArrayOutputStream bare = new ByteArrayOutputStream();

  Jpeg(byte[] bytes, String name) {
    this.bytes = bytes;
    this.name = name;
  }

  Picture read() {
    walk();
    return picture(Decoder.jpeg(bare.toByteArray(), name)).turned(exif.orientation());
  }

  private int u8(int at) {
    if (at >= bytes.length) {
      throw new InputException(name + ": the picture is cut off");
    }
    return bytes[at] & 0xff;
  }

  private int u16(int at) {
    return u8(at) << 8 | u8(at + 1);
  }

  /**
   * Walks the markers to the end of the picture; what follows (other pictures, junk) does not
   * matter. The decoder gets the picture without what programs have added to it: it would refuse
   * one whose profile is broken, which nobody reads.
   */
  private void walk() {
    int at = 2;
    bare.write(bytes, 0, at);
    while (true) {
      if (u8(at) != 0xff) {
        throw new InputException(name + ": the picture is broken (no marker at byte " + at + ")");
      }
      while (u8(at) == 0xff) {
        at++; // fill bytes may stand before a marker
      }
      int marker = u8(at);
      at++;
      if (marker == 0xd9) {
        if (!frame) {
          throw new InputException(name + ": the picture is broken (no image in it)");
        }
        keep(marker, at, 0);
        return;
      }
      if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
        continue; // markers without content
      }
      int length = u16(at);
      if (length < 2) {
        throw new InputException(
            name + ": the picture is broken (a segment of " + length + " bytes)");
      }
      u8(at + length - 1);
      segment(marker, at + 2, length - 2);
      int end = marker == 0xda ? behindScan(at + length) : at + length;
      if (marker < 0xe0 || (marker > 0xef && marker != 0xfe)) {
        keep(marker, at, end - at);
      }
      at = end;
    }
  }

  private void keep(int marker, int at, int length) {
    bare.write(0xff);
    bare.write(marker);
    bare.write(bytes, at, length);
  }

  /** Entropy-coded data end at the next marker that is neither a stuffed byte nor a restart. */
  private int behindScan(int from) {
    int at = from;
    while (u8(at) != 0xff || u8(at + 1) == 0 || (u8(at + 1) >= 0xd0 && u8(at + 1) <= 0xd7)) {
      at += u8(at) == 0xff ? 2 : 1;
    }
    return at;
  }

  private void segment(int marker, int at, int length) {
    if (marker >= 0xc0
        && marker <= 0xcf
        && marker != 0xc4
        && marker != 0xc8
        && marker != 0xcc
        && length >= 6) {
      Decoder.checkSize(name, u16(at + 3), u16(at + 1));
      frame = true;
      rgbIds =
          u8(at + 5) == 3
              && length >= 15
              && u8(at + 6) == 'R'
              && u8(at + 9) == 'G'
              && u8(at + 12) == 'B';
    } else if (marker == 0xe0 && starts(at, length, "JFIF\0")) {
      jfif = true;
    } else if (marker == 0xe1 && starts(at, length, "Exif\0\0")) {
      exif.block(bytes, at + 6, length - 6);
    } else if (marker == 0xe1 && starts(at, length, XMP)) {
      exif.xmp(bytes, at + XMP.length(), length - XMP.length());
    } else if (marker == 0xee && starts(at, length, "Adobe") && length >= 12) {
      adobeTransform = u8(at + 11);
    }
  }

  private boolean starts(int at, int length, String text) {
    return length >= text.length()
        && new String(bytes, at, text.length(), StandardCharsets.ISO_8859_1).equals(text);
  }

  /** Three components are YCbCr unless a marker or the component names say RGB: libjpeg's rule. */
  private boolean isRgb() {
    return !jfif && (adobeTransform >= 0 ? adobeTransform == 0 : rgbIds);
  }

  private Picture picture(Raster raster) {
    int width = raster.getWidth();
    int height = raster.getHeight();
    int bands = raster.getNumBands();
    if (bands == 2 || bands > 4) {
      throw new InputException(name + ": a JPEG of " + bands + " components is not read");
    }
    byte[] rgb = new byte[3 * width * height];
    int[] row = new int[width * bands];
    int[] pixel = new int[4];
    for (int y = 0; y < height; y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0; x < width; x++) {
        System.arraycopy(row, x * bands, pixel, 0, bands);
        convert(pixel, bands);
        for (int c = 0; c < 3; c++) {
          rgb[3 * (y * width + x) + c] = (byte) pixel[c];
        }
      }
    }
    return new Picture(width, height, rgb);
  }

  private void convert(int[] p, int bands) {
    switch (bands) {
      case 1 -> p[1] = p[2] = p[0];
      case 3 -> {
        if (!isRgb()) {
          yccToRgb(p);
        }
      }
      default -> {
        if (adobeTransform == 2) {
          yccToRgb(p);
          for (int c = 0; c < 3; c++) {
            p[c] = 255 - p[c];
          }
        }
        // Stored inverted, as Adobe does and Pillow expects: what is stored is the light that
        // remains.
        for (int c = 0; c < 3; c++) {
          int t = p[c] * p[3] + 128;
          p[c] = (t + (t >> 8)) >> 8;
        }
      }
    }
  }

  /** libjpeg's integer conversion (jdcolor.c): 16-bit fixed point, each term rounded once. */
  private static void yccToRgb(int[] p) {
    int cb = p[1] - 128;
    int cr = p[2] - 128;
    int y = p[0];
    p[0] = clamp(y + ((91881 * cr + 32768) >> 16));
    p[1] = clamp(y + ((-22554 * cb - 46802 * cr + 32768) >> 16));
    p[2] = clamp(y + ((116130 * cb + 32768) >> 16));
  }

  private static int clamp(int v) {
    return Math.max(0, Math.min(255, v));
  }
}
