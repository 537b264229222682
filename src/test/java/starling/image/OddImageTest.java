package starling.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.input.InputException;

/**
 * Images that hardly any program writes, to the bit as Pillow reads them ({@code
 * src/test/golden/make_odd_image_goldens.py}): every way of sampling, bytes between segments, EXIF
 * of every type, chunks in odd places.
 */
class OddImageTest {
  private static final Path DIR = Checkout.path("src/test/resources/starling/image");

  static List<String> odd() throws IOException {
    return Files.readAllLines(DIR.resolve("odd.txt"));
  }

  static List<String> orientation() throws IOException {
    return Files.readAllLines(DIR.resolve("orientation.txt"));
  }

  private static String refusal(byte[] bytes) {
    String message =
        assertThrows(InputException.class, () -> Image.read(bytes, "odd")).getMessage();
    assertTrue(message.startsWith("odd: ") && message.lines().count() == 1, message);
    return message;
  }

  @ParameterizedTest
  @MethodSource("odd")
  void readsAsPillowDoes(String line) {
    String[] golden = line.split("\\|", -1);
    byte[] file = Base64.getDecoder().decode(golden[1]);
    if (golden[2].equals("refused")) {
      refusal(file);
      return;
    }
    Image image = Image.read(file, golden[0]);
    var crc = new CRC32();
    crc.update(image.rgb());
    assertEquals(
        golden[2] + "|" + golden[3] + "|" + golden[4],
        image.width() + "|" + image.height() + "|" + crc.getValue(),
        golden[0]);
  }

  /** In a JPEG and in a PNG; what is broken says nothing. */
  @ParameterizedTest
  @MethodSource("orientation")
  void turnsAsPillowDoes(String line) {
    String[] golden = line.split("\\|", -1);
    byte[] block = HexFormat.of().parseHex(golden[1]);
    byte[] rows = {0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12};
    byte[] png =
        PngFile.of(
            PngFile.header(2, 2, 8, 2),
            PngFile.chunk("eXIf", block),
            PngFile.data(rows),
            PngFile.end());
    Image stored = new Image(2, 2, new byte[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    int orientation = Integer.parseInt(golden[2]);
    assertArrayEquals(stored.turned(orientation).rgb(), Image.read(png, "png").rgb(), golden[0]);
    byte[] head = "Exif\0\0".getBytes(StandardCharsets.US_ASCII);
    int[][][] blocks = {{{10, 20, 30}, {40, 50, 60}, {70, 80, 90}}};
    int[] ids = {'R', 'G', 'B'};
    Image jpeg =
        Image.read(
            FlatJpeg.of(blocks, ids, FlatJpeg.app(0xE1, PngFile.concat(head, block))), "jpeg");
    Image plain = Image.read(FlatJpeg.of(blocks, ids), "plain");
    assertEquals(orientation < 5 ? 24 : 8, jpeg.width());
    assertArrayEquals(plain.turned(orientation).rgb(), jpeg.rgb(), golden[0]);
  }

  /** Whatever they hold, before the data and behind. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "tEXt", "zTXt", "iTXt", "iCCP", "gAMA", "cHRM", "sRGB", "tIME", "pHYs", "hIST", "sPLT",
        "sBIT", "bKGD", "oFFs", "eXIf", "tRNS", "acTL", "fcTL", "fdAT", "cICP", "mDCV", "cLLI",
        "caBX", "vpAg", "sTER", "dSIG", "gIFg", "iDOT", "abCd", "ABCD", "CgBI"
      })
  void noChunkBesideTheImageChangesIt(String type) {
    List<byte[]> bodies =
        List.of(
            new byte[0],
            new byte[1],
            "no zero byte here".getBytes(StandardCharsets.US_ASCII),
            "key\0\0rest".getBytes(StandardCharsets.US_ASCII),
            new byte[40],
            new byte[900]);
    int[] channels = {1, 0, 3, 1, 2, 0, 4};
    byte[] palette = new byte[48];
    new Random(2).nextBytes(palette);
    for (int colour : new int[] {0, 2, 3, 4, 6}) {
      byte[] header = PngFile.header(3, 1, 8, colour);
      byte[] plte = colour == 3 ? PngFile.chunk("PLTE", palette) : new byte[0];
      byte[] row = new byte[1 + 3 * channels[colour]];
      for (int i = 1; i < row.length; i++) {
        row[i] = (byte) (colour == 3 ? 5 * i : 19 * i);
      }
      byte[] data = PngFile.data(row);
      byte[] plain = Image.read(PngFile.of(header, plte, data, PngFile.end()), "plain").rgb();
      for (byte[] body : bodies) {
        byte[] chunk = PngFile.chunk(type, body);
        String what = type + " of " + body.length + " bytes, colour " + colour;
        assertArrayEquals(
            plain,
            Image.read(PngFile.of(header, chunk, plte, data, PngFile.end()), "before").rgb(),
            what);
        assertArrayEquals(
            plain,
            Image.read(PngFile.of(header, plte, data, chunk, PngFile.end()), "behind").rgb(),
            what);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "c3, lossless JPEG",
    "c5, hierarchical JPEG",
    "c6, hierarchical JPEG",
    "c7, hierarchical JPEG",
    "c9, JPEG with arithmetic coding",
    "ca, JPEG with arithmetic coding",
    "cb, lossless JPEG with arithmetic coding",
    "cd, hierarchical JPEG",
    "ce, hierarchical JPEG",
    "cf, hierarchical JPEG",
    "de, hierarchical JPEG",
    "f7, JPEG-LS"
  })
  void kindsOfJpegAreNamed(String marker, String name) {
    byte[] jpeg = FlatJpeg.of(new int[][][] {{{9}}}, new int[] {1});
    jpeg[indexOf(jpeg, 0xC0) + 1] = (byte) Integer.parseInt(marker, 16);
    String message = refusal(jpeg);
    assertTrue(message.contains(" " + name) && !message.contains("broken"), message);
  }

  @Test
  void samplesOfTwelveBitsAreNamed() {
    byte[] jpeg = FlatJpeg.of(new int[][][] {{{9}}}, new int[] {1});
    jpeg[indexOf(jpeg, 0xC0) + 4] = 12;
    assertEquals("odd: a JPEG of 12 bits per sample is not read", refusal(jpeg));
  }

  private static int indexOf(byte[] jpeg, int marker) {
    int at = 0;
    while ((jpeg[at] & 0xff) != 0xff || (jpeg[at + 1] & 0xff) != marker) {
      at++;
    }
    return at;
  }
}
