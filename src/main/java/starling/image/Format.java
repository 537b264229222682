package starling.image;

import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** What a file that is no PNG and no JPEG is, by its first bytes: the end of a sentence. */
final class Format {
  private static final int LOOKED_AT = 4096;

  private record Start(int at, String bytes, String what) {}

  private static final String FILM = "is a video";
  private static final String SOUND = "is a sound file";
  private static final String RAW = "is a camera's raw photo";
  private static final String ARCHIVE = "is an archive of files";

  private static final List<Start> STARTS =
      List.of(
          new Start(0, "GIF8", "is a GIF image"),
          new Start(8, "WEBP", "is a WebP image"),
          new Start(0, "FUJIFILMCCD-RAW", RAW),
          new Start(0, "IIRO", RAW),
          new Start(0, "IIRS", RAW),
          new Start(0, "MMOR", RAW),
          new Start(0, "IIU\0", RAW),
          new Start(0, "FOVb", RAW),
          new Start(8, "CR\2\0", RAW),
          new Start(0, "II*\0", "is a TIFF image or a camera's raw photo"),
          new Start(0, "MM\0*", "is a TIFF image or a camera's raw photo"),
          new Start(0, "II+\0", "is a TIFF image"),
          new Start(0, "MM\0+", "is a TIFF image"),
          new Start(0, "\0\0\0\fJXL ", "is a JPEG XL image"),
          new Start(0, "\u00ff\n", "is a JPEG XL image"),
          new Start(0, "\0\0\0\fjP  ", "is a JPEG 2000 image"),
          new Start(0, "\u00ffO\u00ffQ", "is a JPEG 2000 image"),
          new Start(0, "II\u00bc\1", "is a JPEG XR image"),
          new Start(0, "8BPS", "is a Photoshop image"),
          new Start(0, "gimp xcf", "is a GIMP image"),
          new Start(0, "\0\0\1\0", "is a Windows icon"),
          new Start(0, "\0\0\2\0", "is a Windows cursor"),
          new Start(0, "icns", "is a macOS icon"),
          new Start(0, "qoif", "is a QOI image"),
          new Start(0, "v/1\1", "is an OpenEXR image"),
          new Start(0, "#?RADIANCE", "is a Radiance HDR image"),
          new Start(0, "DDS ", "is a DDS texture"),
          new Start(0, "\u008aMNG", "is an MNG animation"),
          new Start(0, "BPG\u00fb", "is a BPG image"),
          new Start(128, "DICM", "is a DICOM image"),
          new Start(0, "SIMPLE  =", "is a FITS image"),
          new Start(0, "\u00d7\u00cd\u00c6\u009a", "is a Windows metafile"),
          new Start(0, "%PDF", "is a PDF document"),
          new Start(0, "%!PS", "is a PostScript document"),
          new Start(0, "\u00c5\u00d0\u00d3\u00c6", "is a PostScript document"),
          new Start(0, "\u001aE\u00df\u00a3", FILM),
          new Start(8, "AVI ", FILM),
          new Start(0, "FLV\1", FILM),
          new Start(0, "0&\u00b2u\u008ef\u00cf\21", FILM),
          new Start(0, "\0\0\1\u00ba", FILM),
          new Start(0, "\0\0\1\u00b3", FILM),
          new Start(4, "moov", FILM),
          new Start(4, "mdat", FILM),
          new Start(4, "wide", FILM),
          new Start(0, "OggS", "is an Ogg video or sound file"),
          new Start(8, "WAVE", SOUND),
          new Start(0, "fLaC", SOUND),
          new Start(0, "ID3", SOUND),
          new Start(0, "\u00ff\u00fb", SOUND),
          new Start(0, "MThd", SOUND),
          new Start(0, "#!AMR", SOUND),
          new Start(0, "PK\3\4", ARCHIVE),
          new Start(0, "PK\5\6", ARCHIVE),
          new Start(0, "Rar!", ARCHIVE),
          new Start(0, "7z\u00bc\u00af", ARCHIVE),
          new Start(257, "ustar", ARCHIVE),
          new Start(0, "\u001f\u008b", "is compressed with gzip"),
          new Start(0, "BZh", "is compressed with bzip2"),
          new Start(0, "\u00fd7zXZ\0", "is compressed with xz"),
          new Start(0, "(\u00b5/\u00fd", "is compressed with zstd"),
          new Start(0, "GGUF", "is a model in GGUF"),
          new Start(0, "\u0093NUMPY", "is a numpy array"),
          new Start(0, "\0\5\26\7", "is what macOS keeps beside an image, not the image itself"));

  /** Brands of the container format that videos, sound and photos of phones share. */
  private static final Set<String> HEIC =
      Set.of("heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs");

  private Format() {}

  static String of(byte[] bytes) {
    if (bytes.length == 0) {
      return "is empty";
    }
    String start =
        new String(bytes, 0, Math.min(bytes.length, LOOKED_AT), StandardCharsets.ISO_8859_1);
    if (start.startsWith("ftyp", 4)) {
      return branded(start);
    }
    for (Start known : STARTS) {
      if (start.startsWith(known.bytes, known.at)) {
        return known.what;
      }
    }
    if (isBmp(start)) {
      return "is a BMP image";
    }
    if (start.matches("(?s)P[1-7]\\s.*|P[Ff]\\s.*")) {
      return "is a PNM image";
    }
    if (isTransportStream(start)) {
      return FILM;
    }
    if (start.chars().allMatch(c -> c == 0)) {
      return "is nothing but zeros, as a copy or a download that failed leaves it";
    }
    return text(decoded(start));
  }

  /** The main brand decides; one that all images share leaves it to the others. */
  private static String branded(String start) {
    int size = start.charAt(2) << 8 | start.charAt(3);
    int end = Math.min(Math.max(size, 16), start.length());
    String main = start.substring(8, Math.min(12, end));
    if (main.length() < 4) {
      return "is not an image";
    }
    if (main.equals("mif1") || main.equals("msf1") || main.equals("miaf")) {
      for (int at = 16; at + 4 <= end; at += 4) {
        if (start.startsWith("avi", at)) {
          return "is an AVIF image";
        }
      }
      return "is a HEIC image";
    }
    return HEIC.contains(main)
        ? "is a HEIC image"
        : switch (main) {
          case "avif", "avis" -> "is an AVIF image";
          case "crx " -> RAW;
          case "jp2 ", "jpx ", "jpm " -> "is a JPEG 2000 image";
          case "jxl " -> "is a JPEG XL image";
          case "M4A ", "M4B ", "M4P ", "F4A ", "F4B " -> SOUND;
          default -> FILM;
        };
  }

  /** Two letters are not enough: the size of the header behind them is one of a few. */
  private static boolean isBmp(String start) {
    return start.startsWith("BM")
        && start.length() > 17
        && "\f(4@8l|".indexOf(start.charAt(14)) >= 0
        && start.startsWith("\0\0\0", 15);
  }

  /** Packets of 188 bytes, in cameras' files behind four more each, begin with a G. */
  private static boolean isTransportStream(String start) {
    return (start.startsWith("G") && start.startsWith("G", 188) && start.startsWith("G", 376))
        || (start.startsWith("G", 4) && start.startsWith("G", 196) && start.startsWith("G", 388));
  }

  private static String decoded(String start) {
    Charset charset =
        start.startsWith("\u00fe\u00ff") || start.startsWith("\u00ff\u00fe")
            ? StandardCharsets.UTF_16
            : StandardCharsets.UTF_8;
    String text = new String(start.getBytes(StandardCharsets.ISO_8859_1), charset);
    return text.startsWith("\ufeff") ? text.substring(1) : text;
  }

  private static String text(String text) {
    if (text.startsWith("version https://git-lfs") || text.startsWith("/annex/objects/")) {
      return "is a pointer file: the image itself was not downloaded";
    }
    if (text.chars().anyMatch(c -> c < ' ' && !Character.isWhitespace(c))) {
      return "is not an image";
    }
    String trimmed = text.strip();
    if (trimmed.startsWith("<")) {
      return markup(trimmed);
    }
    if (trimmed.startsWith("data:")
        || trimmed.startsWith("iVBORw0K")
        || trimmed.startsWith("/9j/")) {
      return "is an image written as text (base64), which has to be decoded first";
    }
    if (trimmed.startsWith("http://") || trimmed.startsWith("https://")) {
      return "holds a web address, and nothing is fetched";
    }
    if (trimmed.startsWith("{") || trimmed.startsWith("[")) {
      return "is a JSON file, perhaps a server's error message";
    }
    return text.indexOf('\ufffd') < 0 ? "is a text file" : "is not an image";
  }

  /** The first element says it, behind the prolog and comments. */
  private static String markup(String text) {
    String rest = text.toLowerCase(Locale.ROOT);
    while (rest.startsWith("<?xml") || rest.startsWith("<!--")) {
      String close = rest.startsWith("<!--") ? "-->" : "?>";
      int end = rest.indexOf(close);
      rest = end < 0 ? "" : rest.substring(end + close.length()).strip();
    }
    if (rest.matches("(?s)<(!doctype\\s+|\\w+:)?svg\\b.*")) {
      return "is an SVG drawing";
    }
    if (rest.matches("(?s)<(!doctype\\s+html|html|head|body|title|script|meta|div|p)\\b.*")) {
      return "is a web page, not the image that it may show";
    }
    return "is an XML file, perhaps a server's error message";
  }
}
