package starling.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.input.InputException;

/** What people give as an image and is none that is read: it is called by its name. */
class FormatTest {

  private static String named(byte[] bytes) {
    String message = assertThrows(InputException.class, () -> Image.read(bytes, "x")).getMessage();
    assertTrue(message.startsWith("x: ") && message.endsWith("; PNG and JPEG are read"), message);
    assertEquals(1, message.lines().count());
    return message.substring(3, message.length() - "; PNG and JPEG are read".length());
  }

  /** A digraph such as {@code \xff} is one byte. */
  private static byte[] bytes(String text) {
    return java.util.regex.Pattern.compile("\\\\x([0-9a-f]{2})")
        .matcher(text)
        .replaceAll(
            m ->
                java.util.regex.Matcher.quoteReplacement(
                    String.valueOf((char) Integer.parseInt(m.group(1), 16))))
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "GIF89a | is a GIF image",
        "RIFF\\x00\\x00\\x00\\x00WEBPVP8 | is a WebP image",
        "II*\\x00 | is a TIFF image or a camera's raw photo",
        "MM\\x00* | is a TIFF image or a camera's raw photo",
        "II*\\x00\\x10\\x00\\x00\\x00CR\\x02\\x00 | is a camera's raw photo",
        "FUJIFILMCCD-RAW | is a camera's raw photo",
        "BM\\x46\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x36\\x00\\x00\\x00\\x28\\x00\\x00\\x00 | is a BMP image",
        "BM\\x46\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x1a\\x00\\x00\\x00\\x0c\\x00\\x00\\x00 | is a BMP image",
        "BMW makes cars, and more of them | is a text file",
        "%PDF-1.7 | is a PDF document",
        "8BPS\\x00\\x01 | is a Photoshop image",
        "\\x00\\x00\\x01\\x00\\x01\\x00 | is a Windows icon",
        "\\xff\\x0a\\xff | is a JPEG XL image",
        "\\x00\\x00\\x00\\x0cJXL \\x0d\\x0a | is a JPEG XL image",
        "\\x00\\x00\\x00\\x0cjP  \\x0d\\x0a | is a JPEG 2000 image",
        "\\xff\\x4f\\xff\\x51 | is a JPEG 2000 image",
        "qoif | is a QOI image",
        "P6\\x0a3 2\\x0a255\\x0a | is a PNM image",
        "v/1\\x01 | is an OpenEXR image",
        "\\x1a\\x45\\xdf\\xa3 | is a video",
        "RIFF\\x00\\x00\\x00\\x00AVI LIST | is a video",
        "RIFF\\x00\\x00\\x00\\x00WAVEfmt | is a sound file",
        "OggS\\x00 | is an Ogg video or sound file",
        "ID3\\x03 | is a sound file",
        "PK\\x03\\x04 | is an archive of files",
        "\\x1f\\x8b\\x08 | is compressed with gzip",
        "GGUF\\x03 | is a model in GGUF",
        "\\x00\\x05\\x16\\x07\\x00\\x02 | is what macOS keeps beside an image, not the image itself",
        "version https://git-lfs.github.com/spec/v1\\x0aoid sha256:0 | is a pointer file: the image itself was not downloaded",
        "{\"error\": \"not found\"} | is a JSON file, perhaps a server's error message",
        "https://example.org/a.png | holds a web address, and nothing is fetched",
        "data:image/png;base64,iVBORw0K | is an image written as text (base64), which has to be decoded first",
        "no image | is a text file",
        "\\x01\\x02\\x03 | is not an image",
        "\\xff\\xfe | is a text file",
        "`` | is empty",
      })
  void isNamedByItsFirstBytes(String start, String name) {
    assertEquals(name, named(bytes(start)));
  }

  /** The container of MP4 holds films, sound and images: its brand says which. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "isom,isom,iso2,mp41 | is a video",
        "mp42,isom | is a video",
        "`qt  `,`qt  ` | is a video",
        "3gp4,isom,mif1 | is a video",
        "`M4V `,mp42 | is a video",
        "`M4A `,isom | is a sound file",
        "`crx `,`crx `,isom | is a camera's raw photo",
        "heic,mif1,heic | is a HEIC image",
        "heix | is a HEIC image",
        "mif1,mif1,heic | is a HEIC image",
        "mif1,mif1,avif,miaf | is an AVIF image",
        "msf1,avis | is an AVIF image",
        "avif,mif1 | is an AVIF image",
        "avis,msf1 | is an AVIF image",
        "he | is not an image",
      })
  void theBrandDecides(String brands, String name) {
    String[] all = brands.replace("`", "").split(",", -1);
    String minor = all[0].length() == 4 ? "\\x00\\x00\\x02\\x00" : "";
    String others = String.join("", Arrays.asList(all).subList(1, all.length));
    String size = "\\x%02x".formatted(16 + others.length());
    assertEquals(name, named(bytes("\\x00\\x00\\x00" + size + "ftyp" + all[0] + minor + others)));
  }

  /** A page with a drawing in it is no drawing, and neither is a message in XML. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "<svg width='9'/> | is an SVG drawing",
        "<?xml version='1.0'?>\\x0a<!-- <html> -->\\x0a<!DOCTYPE svg PUBLIC ''>\\x0a<svg> | is an SVG drawing",
        "<svg:svg xmlns:svg=''> | is an SVG drawing",
        "<!DOCTYPE html>\\x0a<html><body><svg></svg></body></html> | is a web page, not the image that it may show",
        "\\xef\\xbb\\xbf \\x0a<HTML lang='en'><svg> | is a web page, not the image that it may show",
        "<!-- <svg> --><html> | is a web page, not the image that it may show",
        "<?xml version='1.0'?><html xmlns=''><svg/> | is a web page, not the image that it may show",
        "\\xff\\xfe<\\x00h\\x00t\\x00m\\x00l\\x00>\\x00 | is a web page, not the image that it may show",
        "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error> | is an XML file, perhaps a server's error message",
        "<svgish> | is an XML file, perhaps a server's error message",
        "<!-- <svg> | is an XML file, perhaps a server's error message",
      })
  void markupIsWhatItsFirstElementSays(String text, String name) {
    assertEquals(name, named(bytes(text)));
  }

  @Test
  void zerosAreWhatAFailedCopyLeaves() {
    assertTrue(named(new byte[100_000]).startsWith("is nothing but zeros"));
  }

  @Test
  void aTransportStreamIsAVideo() {
    byte[] packets = new byte[600];
    packets[0] = packets[188] = packets[376] = 'G';
    assertEquals("is a video", named(packets));
    byte[] camera = new byte[600];
    camera[4] = camera[196] = camera[388] = 'G';
    assertEquals("is a video", named(camera));
  }
}
