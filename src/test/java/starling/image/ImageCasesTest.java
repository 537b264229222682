package starling.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.input.InputException;

/** Images as phones, cameras and scrapers write them: orientation, colour markers, sizes. */
class ImageCasesTest {
  private static final int[] YCBCR = {1, 2, 3};

  /** Stored values of 14×12 blocks, no symmetry. */
  private static int[][][] blocks(int components) {
    var random = new Random(7);
    int[][][] blocks = new int[12][14][components];
    for (int[][] row : blocks) {
      for (int[] block : row) {
        for (int c = 0; c < components; c++) {
          block[c] = 60 + random.nextInt(140);
        }
      }
    }
    return blocks;
  }

  private static Image read(byte[] bytes) {
    return Image.read(bytes, "image");
  }

  /** An EXIF block that says how the image lies. */
  private static byte[] exif(int orientation, boolean bigEndian) {
    ByteBuffer tiff =
        ByteBuffer.allocate(26).order(bigEndian ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
    tiff.put((bigEndian ? "MM" : "II").getBytes(StandardCharsets.US_ASCII));
    tiff.putShort((short) 42).putInt(8).putShort((short) 1);
    tiff.putShort((short) 0x0112).putShort((short) 3).putInt(1).putShort((short) orientation);
    return tiff.array();
  }

  private static byte[] app1(byte[] tiff, int length) {
    byte[] body = Arrays.copyOf("Exif\0\0".getBytes(StandardCharsets.US_ASCII), 6 + length);
    System.arraycopy(tiff, 0, body, 6, length);
    return FlatJpeg.app(0xE1, body);
  }

  /** Where pixel (x, y) of the turned image comes from. */
  private static int source(Image p, int orientation, int x, int y) {
    int w = p.width() - 1;
    int h = p.height() - 1;
    int sx =
        switch (orientation) {
          case 2, 3 -> w - x;
          case 5, 6 -> y;
          case 7, 8 -> w - y;
          default -> x;
        };
    int sy =
        switch (orientation) {
          case 3, 4 -> h - y;
          case 5, 8 -> x;
          case 6, 7 -> h - x;
          default -> y;
        };
    return 3 * (sy * p.width() + sx);
  }

  /** IMG-1: all eight, in both byte orders; 0 and 9 mean as stored. */
  @ParameterizedTest
  @CsvSource({"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"})
  void anImageIsTurnedAsItsExifSays(int orientation) {
    int[][][] blocks = blocks(3);
    Image plain = read(FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF));
    for (boolean bigEndian : new boolean[] {false, true}) {
      byte[] tiff = exif(orientation, bigEndian);
      Image turned = read(FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF, app1(tiff, tiff.length)));
      boolean upright = orientation < 5 || orientation > 8;
      assertEquals(upright ? plain.width() : plain.height(), turned.width());
      for (int y = 0; y < turned.height(); y++) {
        for (int x = 0; x < turned.width(); x++) {
          int from = source(plain, orientation, x, y);
          int to = 3 * (y * turned.width() + x);
          assertTrue(
              Arrays.equals(plain.rgb(), from, from + 3, turned.rgb(), to, to + 3),
              () -> "orientation " + orientation);
        }
      }
    }
  }

  /** IMG-1: a block that is cut off anywhere is no error; before its value it says nothing. */
  @Test
  void aCutExifBlockIsAsStored() {
    int[][][] blocks = blocks(3);
    Image plain = read(FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF));
    byte[] tiff = exif(6, false);
    for (int length = 0; length < 20; length++) {
      Image read = read(FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF, app1(tiff, length)));
      assertEquals(plain.width(), read.width(), "cut at " + length);
      assertArrayEquals(plain.rgb(), read.rgb());
    }
  }

  private static String xmp(String attribute) {
    return "<x:xmpmeta><rdf:Description " + attribute + "/></x:xmpmeta>";
  }

  /** IMG-1: XMP counts where no EXIF block says anything, in both its forms. */
  @Test
  void xmpTurnsAnImageThatExifSaysNothingOf() {
    int[][][] blocks = blocks(3);
    Image plain = read(FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF));
    String head = "http://ns.adobe.com/xap/1.0/\0";
    byte[] attribute = FlatJpeg.app(0xE1, head + xmp("tiff:Orientation=\"6\""));
    byte[] element = FlatJpeg.app(0xE1, head + xmp("") + "<tiff:Orientation>6</tiff:Orientation>");
    byte[] three = exif(3, false);
    byte[] nothing = exif(6, false);
    nothing[10] = 1; // another tag
    assertEquals(plain.height(), read(FlatJpeg.of(blocks, YCBCR, attribute)).width());
    assertEquals(plain.height(), read(FlatJpeg.of(blocks, YCBCR, element)).width());
    assertEquals(
        plain.height(),
        read(FlatJpeg.of(blocks, YCBCR, app1(nothing, nothing.length), attribute)).width());
    assertEquals(
        plain.width(),
        read(FlatJpeg.of(blocks, YCBCR, app1(three, three.length), attribute)).width(),
        "EXIF first");
    byte[] rows = new byte[4 * (1 + 3 * 5)];
    byte[] text = xmp("tiff:Orientation=\"8\"").getBytes(StandardCharsets.US_ASCII);
    byte[] key = "XML:com.adobe.xmp\0".getBytes(StandardCharsets.US_ASCII);
    byte[] open = PngFile.concat(PngFile.concat(key, new byte[4]), text);
    byte[] packed =
        PngFile.concat(PngFile.concat(key, new byte[] {1, 0, 0, 0}), PngFile.deflated(text));
    assertEquals(4, read(png(5, 4, rows, PngFile.chunk("iTXt", open))).width());
    assertEquals(4, read(png(5, 4, rows, PngFile.chunk("iTXt", packed))).width());
    for (int cut = 0; cut < packed.length; cut++) {
      read(png(5, 4, rows, PngFile.chunk("iTXt", Arrays.copyOf(packed, cut))));
    }
  }

  /** IMG-1: the way in which ImageMagick keeps EXIF in a PNG. */
  @Test
  void hexadecimalExifTurnsAPng() {
    byte[] block = PngFile.concat("Exif\0\0".getBytes(StandardCharsets.US_ASCII), exif(5, true));
    String digits = java.util.HexFormat.of().formatHex(block);
    String profile =
        "\nexif\n      32\n" + digits.substring(0, 40) + "\n" + digits.substring(40) + "\n";
    byte[] text = profile.getBytes(StandardCharsets.US_ASCII);
    byte[] key = "Raw profile type exif\0".getBytes(StandardCharsets.US_ASCII);
    byte[] rows = new byte[4 * (1 + 3 * 5)];
    assertEquals(
        4, read(png(5, 4, rows, PngFile.chunk("tEXt", PngFile.concat(key, text)))).width());
    byte[] packed = PngFile.concat(PngFile.concat(key, new byte[1]), PngFile.deflated(text));
    assertEquals(4, read(png(5, 4, rows, PngFile.chunk("zTXt", packed))).width());
    byte[] broken = PngFile.concat(key, "\nexif\n 3\nxyz".getBytes(StandardCharsets.US_ASCII));
    assertEquals(5, read(png(5, 4, rows, PngFile.chunk("tEXt", broken))).width());
    byte[] upright = PngFile.chunk("eXIf", exif(1, false));
    assertEquals(
        5,
        read(png(5, 4, rows, upright, PngFile.chunk("tEXt", PngFile.concat(key, text)))).width());
  }

  private static int clamp(double value) {
    return (int) Math.max(0, Math.min(255, Math.round(value)));
  }

  private static int[] rgb(int[] ycc) {
    return new int[] {
      clamp(ycc[0] + 1.402 * (ycc[2] - 128)),
      clamp(ycc[0] - 0.344136 * (ycc[1] - 128) - 0.714136 * (ycc[2] - 128)),
      clamp(ycc[0] + 1.772 * (ycc[1] - 128))
    };
  }

  private interface Colour {
    int[] of(int[] stored);
  }

  private static void assertColours(byte[] jpeg, int[][][] blocks, Colour colour, String what) {
    Image p = read(jpeg);
    for (int y = 0; y < p.height(); y++) {
      for (int x = 0; x < p.width(); x++) {
        int[] expected = colour.of(blocks[y / 8][x / 8]);
        for (int c = 0; c < 3; c++) {
          int got = p.rgb()[3 * (y * p.width() + x) + c] & 0xFF;
          assertEquals(expected[c], got, 1, what + " at " + x + "," + y);
        }
      }
    }
  }

  /** IMG-2: four components are inverted, whatever the marker; with transform 2 they are YCCK. */
  @Test
  void fourComponentsGiveTheColoursThatPillowGives() {
    int[][][] blocks = blocks(4);
    int[] ids = {1, 2, 3, 4};
    Colour cmyk =
        v ->
            new int[] {
              clamp(v[0] * v[3] / 255.0), clamp(v[1] * v[3] / 255.0), clamp(v[2] * v[3] / 255.0)
            };
    Colour ycck =
        v -> {
          int[] rgb = rgb(v);
          return cmyk.of(new int[] {255 - rgb[0], 255 - rgb[1], 255 - rgb[2], v[3]});
        };
    assertColours(FlatJpeg.of(blocks, ids, FlatJpeg.adobe(0)), blocks, cmyk, "CMYK");
    assertColours(FlatJpeg.of(blocks, ids), blocks, cmyk, "CMYK without a marker");
    assertColours(FlatJpeg.of(blocks, ids, FlatJpeg.adobe(2)), blocks, ycck, "YCCK");
  }

  /** What decides whether three components are YCbCr or RGB: JFIF, then Adobe, then their ids. */
  @Test
  void threeComponentsAreWhatTheMarkersSay() {
    int[][][] blocks = blocks(3);
    int[] rgbIds = {'R', 'G', 'B'};
    Colour ycc = ImageCasesTest::rgb;
    Colour rgb = v -> v;
    assertColours(FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF), blocks, ycc, "JFIF");
    assertColours(FlatJpeg.of(blocks, YCBCR, FlatJpeg.adobe(1)), blocks, ycc, "Adobe 1");
    assertColours(FlatJpeg.of(blocks, YCBCR, FlatJpeg.adobe(0)), blocks, rgb, "Adobe 0");
    assertColours(FlatJpeg.of(blocks, rgbIds), blocks, rgb, "ids R G B");
    assertColours(FlatJpeg.of(blocks, YCBCR), blocks, ycc, "no marker");
    assertColours(
        FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF, FlatJpeg.adobe(0)), blocks, ycc, "JFIF first");
  }

  /** Pillow applies no profile: an ICC block, whole or not, changes no pixel. */
  @Test
  void aProfileChangesNoColour() {
    int[][][] blocks = blocks(3);
    Image plain = read(FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF));
    byte[] profile =
        java.awt.color.ICC_Profile.getInstance(java.awt.color.ColorSpace.CS_LINEAR_RGB).getData();
    byte[] head = "ICC_PROFILE\0\1\1".getBytes(StandardCharsets.ISO_8859_1);
    for (int length : new int[] {profile.length, 40, 0}) {
      byte[] body = Arrays.copyOf(head, head.length + length);
      System.arraycopy(profile, 0, body, head.length, length);
      byte[] jpeg = FlatJpeg.of(blocks, YCBCR, FlatJpeg.JFIF, FlatJpeg.app(0xE2, body));
      assertArrayEquals(plain.rgb(), read(jpeg).rgb(), "JPEG with a profile of " + length);
    }
    byte[] rows = new byte[4 * (1 + 3 * 5)];
    new Random(1).nextBytes(rows);
    for (int row = 0; row < 4; row++) {
      rows[row * 16] = 0;
    }
    Image png = read(png(5, 4, rows));
    byte[] iccp =
        PngFile.concat("p\0\0".getBytes(StandardCharsets.US_ASCII), PngFile.deflated(profile));
    byte[] gama = ByteBuffer.allocate(4).putInt(100_000).array();
    byte[] chrm =
        ByteBuffer.allocate(32).putInt(31270).putInt(32900).putInt(15000).putInt(6000).array();
    assertArrayEquals(png.rgb(), read(png(5, 4, rows, PngFile.chunk("iCCP", iccp))).rgb());
    assertArrayEquals(
        png.rgb(),
        read(png(5, 4, rows, PngFile.chunk("iCCP", Arrays.copyOf(iccp, 30)))).rgb(),
        "cut");
    assertArrayEquals(
        png.rgb(), read(png(5, 4, rows, PngFile.chunk("tEXt", new byte[0]))).rgb(), "text");
    assertArrayEquals(
        png.rgb(),
        read(png(5, 4, rows, PngFile.chunk("gAMA", gama), PngFile.chunk("cHRM", chrm))).rgb());
    assertArrayEquals(
        png.rgb(), read(png(5, 4, rows, PngFile.chunk("sRGB", new byte[] {2}))).rgb());
  }

  /** IMG-6: a photo of 108 megapixels is read; the file is small, the image is not. */
  @Tag("slow")
  @Test
  void aLargePhotoIsRead() throws IOException {
    int width = 12_000;
    int height = 9_000;
    byte[] row = new byte[1 + 3 * width];
    for (int x = 0; x < width; x++) {
      row[1 + 3 * x] = (byte) (x % 251);
      row[2 + 3 * x] = 40;
      row[3 + 3 * x] = (byte) 200;
    }
    var data = new ByteArrayOutputStream();
    try (var deflate = new DeflaterOutputStream(data, new Deflater(1))) {
      for (int y = 0; y < height; y++) {
        deflate.write(row);
      }
    }
    Image photo = read(whole(width, height, data.toByteArray()));
    assertEquals(width, photo.width());
    assertEquals(height, photo.height());
    int last = 3 * (width * height - 1);
    assertEquals((width - 1) % 251, photo.rgb()[last] & 0xFF);
    assertEquals(200, photo.rgb()[last + 2] & 0xFF);
  }

  /** An image behind a link, as a cache of downloads keeps it. */
  @Test
  void aLinkIsFollowed(@org.junit.jupiter.api.io.TempDir Path dir) throws IOException {
    Path blob = Files.write(dir.resolve("0f3a"), FlatJpeg.of(blocks(3), YCBCR, FlatJpeg.JFIF));
    Path link = Files.createSymbolicLink(dir.resolve("photo.jpg"), blob);
    assertArrayEquals(Image.read(blob).rgb(), Image.read(link).rgb());
  }

  // ---- PNG ----

  private static byte[] png(int width, int height, byte[] rows, byte[]... chunks) {
    return whole(width, height, PngFile.deflated(rows), chunks);
  }

  private static byte[] whole(int width, int height, byte[] data, byte[]... chunks) {
    return PngFile.of(
        PngFile.header(width, height, 8, 2),
        PngFile.concat(chunks),
        PngFile.chunk("IDAT", data),
        PngFile.end());
  }

  /** All eight restart markers, in scans of one and of three components. */
  @Test
  void restartMarkersArePartOfTheScan() {
    for (int components : new int[] {1, 3}) {
      int[] ids = Arrays.copyOf(YCBCR, components);
      int[][][] blocks = blocks(components);
      assertArrayEquals(
          read(FlatJpeg.of(blocks, ids)).rgb(), read(FlatJpeg.restarting(blocks, ids)).rgb());
    }
  }

  /** What stands behind a packet in the file is not part of it. */
  @Test
  void xmpEndsWhereItsSegmentEnds() {
    int[][][] blocks = blocks(3);
    byte[] nothing = FlatJpeg.app(0xE1, "http://ns.adobe.com/xap/1.0/\0" + xmp(""));
    byte[] other = FlatJpeg.app(0xFE, "tiff:Orientation=\"6\"");
    assertEquals(8 * 14, read(FlatJpeg.of(blocks, YCBCR, nothing, other)).width());
  }

  /** A block that is only its own head says nothing, so XMP does. */
  @Test
  void anEmptyExifBlockLeavesItToXmp() {
    int[][][] blocks = blocks(3);
    byte[] head = FlatJpeg.app(0xE1, "Exif\0\0Exif\0\0");
    byte[] six =
        FlatJpeg.app(0xE1, "http://ns.adobe.com/xap/1.0/\0" + xmp("tiff:Orientation=\"6\""));
    assertEquals(8 * 12, read(FlatJpeg.of(blocks, YCBCR, head, six)).width());
  }

  /** A comment longer than a byte can count, full of what would end the image. */
  @Test
  void aLongSegmentIsPassedOverWhole() {
    int[][][] blocks = blocks(3);
    byte[] ends = new byte[700];
    for (int i = 0; i < ends.length; i++) {
      ends[i] = (byte) (i % 2 == 0 ? 0xFF : 0xD9);
    }
    assertArrayEquals(
        read(FlatJpeg.of(blocks, YCBCR)).rgb(),
        read(FlatJpeg.of(blocks, YCBCR, FlatJpeg.app(0xFE, ends))).rgb());
  }

  @Test
  void aPaletteHasUpTo256Colours() {
    byte[] colours = new byte[3 * 256];
    for (int i = 0; i < colours.length; i++) {
      colours[i] = (byte) (7 * i);
    }
    byte[] row = {0, (byte) 255, 1, 0}; // filter, three samples
    byte[] file =
        PngFile.of(
            PngFile.header(3, 1, 8, 3),
            PngFile.chunk("PLTE", colours),
            PngFile.data(row),
            PngFile.end());
    byte[] expected = new byte[9];
    System.arraycopy(colours, 3 * 255, expected, 0, 3);
    System.arraycopy(colours, 3, expected, 3, 3);
    System.arraycopy(colours, 0, expected, 6, 3);
    assertArrayEquals(expected, read(file).rgb());
    byte[] more =
        PngFile.of(
            PngFile.header(3, 1, 8, 3),
            PngFile.chunk("PLTE", new byte[3 * 257]),
            PngFile.data(row),
            PngFile.end());
    assertEquals(
        "image: the image is broken (a palette of 771 bytes)",
        assertThrows(InputException.class, () -> read(more)).getMessage());
  }

  /** Bytes between two segments that belong to none are passed over, however many. */
  @Test
  void junkBetweenSegmentsIsPassedOver() {
    int[][][] blocks = blocks(3);
    byte[] rgb = read(FlatJpeg.of(blocks, YCBCR)).rgb();
    byte[] comment = FlatJpeg.app(0xFE, "a comment");
    for (byte[] junk : new byte[][] {{1}, {1, 2}, {1, 2, 3}, {-1, 0}, {-1, 0, 5}, {7, -1, 0, -1}}) {
      assertArrayEquals(
          rgb, read(FlatJpeg.of(blocks, YCBCR, comment, junk)).rgb(), Arrays.toString(junk));
    }
  }

  /** The borders of what stands between two known kinds of marker. */
  @Test
  void markersOfNoKindAreNamedByTheirPlace() {
    int[][][] blocks = blocks(3);
    for (int marker : new int[] {0x02, 0xBF, 0xC8, 0xD8, 0xF0, 0xFD}) {
      byte[] file = FlatJpeg.of(blocks, YCBCR, FlatJpeg.app(marker, "12"));
      assertEquals(
          "image: the image is broken (an unknown marker at byte 2)",
          assertThrows(InputException.class, () -> read(file)).getMessage(),
          Integer.toHexString(marker));
    }
    for (int marker : new int[] {0xE0, 0xEF, 0xFE}) {
      read(FlatJpeg.of(blocks, YCBCR, FlatJpeg.app(marker, "12")));
    }
    for (int marker : new int[] {0x01, 0xD0, 0xD7}) { // without contents
      read(FlatJpeg.of(blocks, YCBCR, new byte[] {-1, (byte) marker}));
    }
  }

  /** Chunks have names of letters, digits and underscores; the last may end with the file. */
  @Test
  void aPngEndsWithItsLastByte() {
    byte[] row = {0, 1, 2, 3};
    byte[] file = PngFile.of(PngFile.header(1, 1, 8, 2), PngFile.data(row), PngFile.end());
    assertArrayEquals(new byte[] {1, 2, 3}, read(file).rgb());
    for (int cut = 1; cut < file.length; cut++) {
      byte[] shorter = Arrays.copyOf(file, file.length - cut);
      assertThrows(InputException.class, () -> read(shorter), cut + " bytes are missing");
    }
    byte[] header = Arrays.copyOf(file, 8);
    assertEquals(
        "image: the image is cut off",
        assertThrows(InputException.class, () -> read(header)).getMessage());
    byte[] junk = PngFile.of(PngFile.header(1, 1, 8, 2), PngFile.data(row), new byte[12]);
    assertArrayEquals(new byte[] {1, 2, 3}, read(junk).rgb(), "junk behind the image data");
    byte[] early = PngFile.of(PngFile.header(1, 1, 8, 2), new byte[12], PngFile.data(row));
    assertTrue(
        assertThrows(InputException.class, () -> read(early))
            .getMessage()
            .startsWith("image: the image is broken (a chunk without a name at byte 33"));
    byte[] palette = PngFile.of(PngFile.header(1, 1, 8, 3), PngFile.data(row), PngFile.end());
    assertEquals(
        "image: the image is broken (image data before the palette)",
        assertThrows(InputException.class, () -> read(palette)).getMessage());
    byte[] filter =
        PngFile.of(
            PngFile.header(1, 1, 8, 2), PngFile.data(new byte[] {9, 1, 2, 3}), PngFile.end());
    assertEquals(
        "image: the image is broken (a row of filter 9)",
        assertThrows(InputException.class, () -> read(filter)).getMessage());
  }

  @Test
  void filesOfNothingButTheirBeginningAreCutOff() {
    byte[] jpeg = FlatJpeg.of(blocks(1), new int[] {1}, FlatJpeg.JFIF);
    byte[] png = PngFile.of(PngFile.header(1, 1, 8, 2), PngFile.end());
    for (int length = 2; length < jpeg.length; length++) {
      byte[] cut = Arrays.copyOf(jpeg, length);
      assertEquals(
          "image: the image is cut off",
          assertThrows(InputException.class, () -> read(cut)).getMessage(),
          length + " bytes");
    }
    for (int length = 4; length <= 8; length++) {
      byte[] cut = Arrays.copyOf(png, length);
      assertEquals(
          "image: the image is cut off",
          assertThrows(InputException.class, () -> read(cut)).getMessage(),
          length + " bytes");
    }
  }

  /** Of one column, passes two, four and six hold nothing, not even their rows' filters. */
  @Test
  void aPassOfAnInterlacedImageMayBeEmpty() {
    byte[] header = PngFile.header(1, 3, 8, 0);
    header[header.length - 5] = 1;
    var crc = new java.util.zip.CRC32();
    crc.update(header, 4, 17);
    ByteBuffer.wrap(header).putInt(header.length - 4, (int) crc.getValue());
    byte[] rows = {0, 10, 0, 30, 0, 20}; // of the first, the fifth and the seventh pass
    byte[] file = PngFile.of(header, PngFile.data(rows), PngFile.end());
    assertArrayEquals(new byte[] {10, 10, 10, 20, 20, 20, 30, 30, 30}, read(file).rgb());
  }
}
