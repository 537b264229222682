package starling.image;

import java.nio.charset.StandardCharsets;
import starling.input.InputException;
import starling.input.Limits;

/**
 * A JPEG file: its markers are walked first, as libjpeg does, since the decoder fills up the rest
 * of an image that is cut off. It gets the image without what programs have added to it: it would
 * refuse one whose profile is broken, which nobody reads.
 */
final class Jpeg {
  private static final String XMP = "http://ns.adobe.com/xap/1.0/\0";

  private final byte[] bytes;
  private final String name;
  private final long mostPixels;
  private boolean jfif;
  private int adobeTransform = -1;
  private final Exif exif = new Exif();
  private Frame frame;
  private boolean scanned;
  private final Pieces image;

  Jpeg(byte[] bytes, String name, long mostPixels) {
    this.bytes = bytes;
    this.name = name;
    this.mostPixels = mostPixels;
    this.image = new Pieces(bytes);
  }

  static boolean starts(byte[] bytes) {
    return bytes.length >= 2 && bytes[0] == (byte) 0xff && bytes[1] == (byte) 0xd8;
  }

  Image read() {
    walk();
    var samples = new Samples(Decoder.jpeg(image, name));
    for (int c = 0; c < frame.components(); c++) {
      if (frame.halfTheRows(c)) {
        samples.smoothRows(c);
      }
    }
    return samples.image(isYcc(), adobeTransform > 0).turned(exif.orientation());
  }

  private int u8(int at) {
    if (at >= bytes.length) {
      throw new InputException(name + ": the image is cut off");
    }
    return bytes[at] & 0xff;
  }

  private int u16(int at) {
    return u8(at) << 8 | u8(at + 1);
  }

  private InputException broken(String reason) {
    return new InputException(name + ": the image is broken (" + reason + ")");
  }

  /**
   * Walks the markers to the end of the image; what follows (other images, junk) does not matter.
   */
  private void walk() {
    if (u8(2) != 0xff) {
      throw broken("no marker behind its start");
    }
    image.add(0, 2);
    int at = 2;
    while (true) {
      int from = marker(at);
      int marker = u8(from + 1);
      if (marker == 0xd9) {
        if (!scanned) {
          throw broken("no image in it");
        }
        image.add(from, from + 2);
        return;
      }
      if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) {
        at = from + 2; // without content
        continue;
      }
      checkKind(marker, from);
      int length = Math.max(2, u16(from + 2)); // less than its own two bytes is taken for none
      at = from + 2 + length;
      u8(at - 1);
      if (segment(marker, from + 4, length - 2)) {
        at = marker == 0xda ? behindScan(at) : at;
        image.add(from, at);
        if (image.count() > Limits.JPEG_PARTS) {
          throw new InputException(name + ": the image is in too many parts; save it anew");
        }
      }
    }
  }

  /** The next marker: bytes that belong to none are skipped, and so are fill bytes before it. */
  private int marker(int from) {
    int at = from;
    while (u8(at) != 0xff || u8(at + 1) == 0xff || u8(at + 1) == 0) {
      at += u8(at) == 0xff && u8(at + 1) == 0 ? 2 : 1;
    }
    return at;
  }

  /** Entropy-coded data end at the next marker that is neither a stuffed byte nor a restart. */
  private int behindScan(int from) {
    int at = from;
    while (u8(at) != 0xff || u8(at + 1) == 0 || (u8(at + 1) >= 0xd0 && u8(at + 1) <= 0xd7)) {
      at += u8(at) == 0xff ? 2 : 1;
    }
    return at;
  }

  /** Takes what it says; whether the decoder needs it. */
  private boolean segment(int marker, int at, int length) {
    switch (marker) {
      case 0xc4, 0xdb, 0xdd -> {} // tables
      case 0xc0, 0xc1, 0xc2 -> {
        if (frame != null) {
          throw broken("two frame headers");
        }
        frame = new Frame(bytes, at, length, marker == 0xc2, name);
        Decoder.checkSize(name, frame.width(), frame.height(), mostPixels);
      }
      case 0xda -> {
        if (frame == null) {
          throw broken("a scan before the frame header");
        }
        frame.scan(bytes, at, length);
        scanned = true;
      }
      default -> {
        if (!scanned) {
          application(marker, at, length);
        }
      }
    }
    return marker < 0xe0 && marker != 0xcc && marker != 0xdc;
  }

  private void application(int marker, int at, int length) {
    if (marker == 0xe0 && length >= 14 && starts(at, length, "JFIF\0")) {
      jfif = true;
    } else if (marker == 0xe1 && starts(at, length, "Exif\0\0")) {
      exif.append(bytes, at + 6, length - 6);
    } else if (marker == 0xe1 && starts(at, length, XMP)) {
      exif.xmp(bytes, at + XMP.length(), length - XMP.length());
    } else if (marker == 0xee && length >= 12 && starts(at, length, "Adobe")) {
      adobeTransform = u8(at + 11);
    }
  }

  /** Names the kinds of JPEG that hardly anything but medicine and archives writes. */
  private void checkKind(int marker, int at) {
    String kind =
        switch (marker) {
          case 0xc3 -> "a lossless JPEG";
          case 0xc5, 0xc6, 0xc7, 0xcd, 0xce, 0xcf, 0xde, 0xdf -> "a hierarchical JPEG";
          case 0xc9, 0xca -> "a JPEG with arithmetic coding";
          case 0xcb -> "a lossless JPEG with arithmetic coding";
          case 0xf7, 0xf8 -> "a JPEG-LS image";
          default -> null;
        };
    if (kind != null) {
      throw new InputException(
          name + ": is " + kind + ", which is not supported; save it as baseline JPEG or PNG");
    }
    if (marker < 0xc0 || marker == 0xc8 || marker == 0xd8 || (marker >= 0xf0 && marker < 0xfe)) {
      throw broken("an unknown marker at byte " + at);
    }
  }

  private boolean starts(int at, int length, String text) {
    return length >= text.length()
        && new String(bytes, at, text.length(), StandardCharsets.ISO_8859_1).equals(text);
  }

  /** Three components are YCbCr unless a marker or their names say RGB: libjpeg's rule. */
  private boolean isYcc() {
    return jfif || (adobeTransform >= 0 ? adobeTransform != 0 : !frame.namedRgb());
  }
}
