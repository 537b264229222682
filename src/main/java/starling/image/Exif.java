package starling.image;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import starling.input.Limits;

/**
 * How an image lies, wherever its file says so: an EXIF block, else XMP, as Pillow's {@code
 * exif_transpose} takes them. A broken block is ignored.
 */
final class Exif {
  private static final Pattern XMP = Pattern.compile("tiff:Orientation(?:=\"|>)([0-9])");
  private static final byte[] HEAD = "Exif\0\0".getBytes(StandardCharsets.US_ASCII);

  private final ByteArrayOutputStream block = new ByteArrayOutputStream();
  private boolean written;
  private String profile;
  private String xmp = "";

  /** 1 to 8; 1 is as stored. */
  int orientation() {
    try {
      int value = said();
      return value >= 1 && value <= 8 ? value : 1;
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      return 1;
    }
  }

  private int said() {
    byte[] tiff = written ? block.toByteArray() : profile == null ? new byte[0] : hexadecimal();
    int from = 0;
    while (tiff.length - from >= HEAD.length
        && Arrays.equals(tiff, from, from + HEAD.length, HEAD, 0, HEAD.length)) {
      from += HEAD.length;
    }
    if (from < tiff.length) {
      OptionalInt tag = Orientation.of(ByteBuffer.wrap(tiff, from, tiff.length - from).slice());
      if (tag.isPresent()) {
        return tag.getAsInt();
      }
    }
    Matcher found = XMP.matcher(xmp);
    return found.find() ? Integer.parseInt(found.group(1)) : 1;
  }

  /** "\nexif\n 34\n457869…", as ImageMagick writes it. */
  private byte[] hexadecimal() {
    String[] lines = profile.split("\n", -1);
    String digits =
        String.join("", Arrays.asList(lines).subList(Math.min(3, lines.length), lines.length));
    return HexFormat.of().parseHex(digits.replaceAll("\\s", ""));
  }

  /** A JPEG's EXIF segment without its head; several are one block. */
  void append(byte[] bytes, int at, int length) {
    written = true;
    block.write(bytes, at, Math.min(length, Limits.IMAGE_TEXTS - block.size()));
  }

  /** A PNG's EXIF chunk; of several the last counts. */
  void replace(byte[] bytes, int at, int length) {
    block.reset();
    append(bytes, at, length);
  }

  /** An XMP packet; of several the last counts. */
  void xmp(byte[] bytes, int at, int length) {
    xmp = new String(bytes, at, Math.min(length, Limits.IMAGE_TEXTS), StandardCharsets.ISO_8859_1);
  }

  /** ImageMagick's way of keeping EXIF in a PNG; of several the last counts. */
  void profile(byte[] bytes, int at, int length) {
    profile =
        new String(bytes, at, Math.min(length, Limits.IMAGE_TEXT), StandardCharsets.ISO_8859_1);
  }
}
