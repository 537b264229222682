package starling.image;

import java.nio.charset.StandardCharsets;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import starling.input.InputException;
import starling.input.Limits;

/** The text chunks of a PNG that say how the image lies; only these are unpacked. */
final class PngText {
  private final byte[] bytes;
  private final Exif exif;
  private final String name;
  private long unpacked;

  PngText(byte[] bytes, Exif exif, String name) {
    this.bytes = bytes;
    this.exif = exif;
    this.name = name;
  }

  /** {@code keyword 0 text}. */
  void plain(int at, int end) {
    int zero = zero(at, end);
    if (keyword(at, zero).equals("exif")) {
      exif.replace(bytes, Math.min(zero + 1, end), Math.max(0, end - zero - 1));
    } else {
      take(keyword(at, zero), zero + 1, end, false);
    }
  }

  /** {@code keyword 0 method text}. */
  void compressed(int at, int end) {
    int zero = zero(at, end);
    if (zero + 1 < end && bytes[zero + 1] == 0) {
      take(keyword(at, zero), zero + 2, end, true);
    }
  }

  /** {@code keyword 0 compressed method language 0 translated-keyword 0 text}. */
  void international(int at, int end) {
    int zero = zero(at, end);
    int language = zero(Math.min(zero + 3, end), end);
    int translated = zero(Math.min(language + 1, end), end);
    if (translated < end && (bytes[zero + 1] == 0 || bytes[zero + 2] == 0)) {
      take(keyword(at, zero), translated + 1, end, bytes[zero + 1] != 0);
    }
  }

  private int zero(int from, int end) {
    int at = from;
    while (at < end && bytes[at] != 0) {
      at++;
    }
    return at;
  }

  private String keyword(int at, int zero) {
    return new String(bytes, at, Math.min(zero - at, 32), StandardCharsets.ISO_8859_1);
  }

  private void take(String keyword, int from, int end, boolean packed) {
    boolean xmp = keyword.equals("XML:com.adobe.xmp");
    if (from > end || !(xmp || keyword.equals("Raw profile type exif"))) {
      return;
    }
    byte[] text = packed ? unpack(from, end) : bytes;
    int at = packed ? 0 : from;
    int length = packed ? text.length : end - from;
    if (xmp) {
      exif.xmp(text, at, length);
    } else {
      exif.profile(text, at, length);
    }
  }

  private byte[] unpack(int from, int end) {
    byte[] text = new byte[Limits.IMAGE_TEXT];
    var inflater = new Inflater();
    try {
      inflater.setInput(bytes, from, end - from);
      return java.util.Arrays.copyOf(text, inflater.inflate(text));
    } catch (DataFormatException e) {
      return new byte[0];
    } finally {
      unpacked += Limits.IMAGE_TEXT;
      inflater.end();
      checkSum();
    }
  }

  private void checkSum() {
    if (unpacked > Limits.IMAGE_TEXTS) {
      throw new InputException(
          name + ": the image has too many compressed texts that may say how it lies");
    }
  }
}
