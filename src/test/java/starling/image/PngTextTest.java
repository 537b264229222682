package starling.image;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

/** The texts of a PNG that say how it lies, byte by byte; each stands between others' bytes. */
class PngTextTest {
  private static final String SIX = "4d4d002a00000008" + "0001" + "011200030000000100060000";
  private static final byte[] TIFF = HexFormat.of().parseHex(SIX);
  private static final String XMP = "tiff:Orientation=\"6\"";

  /** How a text is taken. */
  private interface Chunk {
    void take(PngText text, int at, int end);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  /** What is said by a chunk of these contents, with bytes before and behind it. */
  private static int said(Chunk chunk, byte[]... contents) {
    byte[] body = PngFile.concat(contents);
    byte[] file = PngFile.concat(bytes("IEND"), body, bytes("\0\0tiff:Orientation=\"3\""));
    var exif = new Exif();
    chunk.take(new PngText(file, exif, "x.png"), 4, 4 + body.length);
    return exif.orientation();
  }

  @Test
  void aPlainTextNamedExifIsTheBlock() {
    assertEquals(6, said(PngText::plain, bytes("exif\0"), TIFF));
    assertEquals(1, said(PngText::plain, bytes("exit\0"), TIFF));
    assertEquals(1, said(PngText::plain, bytes("exif")));
    assertEquals(1, said(PngText::plain, bytes("exif\0")));
  }

  @Test
  void aPlainTextMayBeAProfileOrXmp() {
    String profile = "\nexif\n 34\n457869660000" + SIX;
    assertEquals(6, said(PngText::plain, bytes("Raw profile type exif\0" + profile)));
    assertEquals(6, said(PngText::plain, bytes("XML:com.adobe.xmp\0" + XMP)));
    assertEquals(1, said(PngText::plain, bytes("XML:com.adobe.xmp")));
    assertEquals(1, said(PngText::plain, bytes("Comment\0" + XMP)));
  }

  @Test
  void aCompressedTextNeedsItsMethod() {
    byte[] packed = PngFile.deflated(bytes(XMP));
    assertEquals(6, said(PngText::compressed, bytes("XML:com.adobe.xmp\0\0"), packed));
    assertEquals(1, said(PngText::compressed, bytes("XML:com.adobe.xmp\0\1"), packed));
    assertEquals(1, said(PngText::compressed, bytes("XML:com.adobe.xmp\0")));
    assertEquals(1, said(PngText::compressed, bytes("XML:com.adobe.xmp\0\0")));
  }

  @Test
  void anInternationalTextMayBeCompressed() {
    String key = "XML:com.adobe.xmp";
    byte[] packed = PngFile.deflated(bytes(XMP));
    assertEquals(6, said(PngText::international, bytes(key + "\0\0\0en\0name\0" + XMP)));
    assertEquals(6, said(PngText::international, bytes(key + "\0\0\0\0\0" + XMP)));
    assertEquals(6, said(PngText::international, bytes(key + "\0\1\0\0\0"), packed));
    assertEquals(1, said(PngText::international, bytes(key + "\0\1\1\0\0"), packed));
    assertEquals(6, said(PngText::international, bytes(key + "\0\0\1\0\0" + XMP)), "no method");
    assertEquals(1, said(PngText::international, bytes(key + "\0\0\0en\0name")));
    assertEquals(1, said(PngText::international, bytes(key + "\0\0\0en")));
    assertEquals(1, said(PngText::international, bytes(key)));
  }

  /** The block's directory would stand behind the text, in the bytes of the next chunk. */
  @Test
  void aBlockEndsWithItsText() {
    byte[] key = bytes("exif\0");
    byte[] file = PngFile.concat(key, TIFF);
    var exif = new Exif();
    new PngText(file, exif, "x.png").plain(0, key.length + 8);
    assertEquals(1, exif.orientation());
    new PngText(file, exif, "x.png").plain(0, file.length);
    assertEquals(6, exif.orientation());
  }
}
