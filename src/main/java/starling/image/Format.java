package starling.image;

import java.nio.charset.StandardCharsets;

/** What a file is, by its first bytes. */
enum Format {
  PNG("a PNG picture"),
  JPEG("a JPEG picture"),
  GIF("a GIF picture"),
  WEBP("a WebP picture"),
  HEIC("a HEIC picture"),
  AVIF("an AVIF picture"),
  TIFF("a TIFF picture"),
  BMP("a BMP picture"),
  SVG("an SVG drawing"),
  PDF("a PDF document"),
  EMPTY("empty"),
  UNKNOWN("unknown");

  private final String label;

  Format(String label) {
    this.label = label;
  }

  String label() {
    return label;
  }

  static Format of(byte[] bytes) {
    if (bytes.length == 0) {
      return EMPTY;
    }
    String start = new String(bytes, 0, Math.min(bytes.length, 512), StandardCharsets.ISO_8859_1);
    if (start.startsWith("\u0089PNG")) {
      return PNG;
    }
    if (start.startsWith("\u00ff\u00d8")) {
      return JPEG;
    }
    if (start.startsWith("GIF8")) {
      return GIF;
    }
    if (start.startsWith("RIFF") && start.startsWith("WEBP", 8)) {
      return WEBP;
    }
    if (start.startsWith("ftyp", 4)) {
      return start.startsWith("avi", 8) ? AVIF : HEIC;
    }
    if (start.startsWith("II*\0") || start.startsWith("MM\0*")) {
      return TIFF;
    }
    if (start.startsWith("BM")) {
      return BMP;
    }
    if (start.startsWith("%PDF")) {
      return PDF;
    }
    return start.contains("<svg") ? SVG : UNKNOWN;
  }
}
