package starling.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.input.InputException;
import starling.input.Limits;

/** Images made to hurt: what they may cost is known before it is spent. */
class ImageLimitsTest {
  private static final byte[] ROWS = {0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12};

  private static String refusal(byte[] bytes) {
    String message = assertThrows(InputException.class, () -> Image.read(bytes, "x")).getMessage();
    assertTrue(message.startsWith("x: ") && message.lines().count() == 1, message);
    return message;
  }

  /** Bytes that this thread has allocated since it began. */
  private static long allocated() {
    return ((ThreadMXBean) ManagementFactory.getThreadMXBean()).getCurrentThreadAllocatedBytes();
  }

  @Test
  void anImageIsAsLargeAsTheLimit() {
    long most = Limits.IMAGE_PIXELS;
    Decoder.checkSize("x", most, 1);
    Decoder.checkSize("x", 1, most);
    String end = " pixels; more than " + most + " are not read";
    for (long[] size : new long[][] {{most + 1, 1}, {1, most + 1}}) {
      assertEquals(
          "x: the image is " + size[0] + "x" + size[1] + end,
          assertThrows(InputException.class, () -> Decoder.checkSize("x", size[0], size[1]))
              .getMessage());
    }
  }

  @Test
  void anImageTakesAsMuchMemoryAsTheLimit() {
    Decoder.checkMemory("x", 3, 2, Limits.IMAGE_MEMORY);
    assertEquals(
        "x: the image of 3x2 pixels would take 960 MiB to read; make it smaller, or save it as"
            + " baseline JPEG in RGB",
        assertThrows(
                InputException.class, () -> Decoder.checkMemory("x", 3, 2, Limits.IMAGE_MEMORY + 1))
            .getMessage());
  }

  // ---- JPEG

  private static byte[] segment(int marker, int... content) {
    byte[] body = new byte[content.length];
    for (int i = 0; i < body.length; i++) {
      body[i] = (byte) content[i];
    }
    return FlatJpeg.app(marker, body);
  }

  /** Progressive, one gray block, the same scan of all its coefficients again and again. */
  private static byte[] progressive(int scans) {
    var out = new ByteArrayOutputStream();
    byte[] start = {(byte) 0xff, (byte) 0xd8};
    out.writeBytes(start);
    out.writeBytes(segment(0xc2, 8, 0, 8, 0, 8, 1, 1, 0x11, 0));
    int[] ones = new int[65];
    Arrays.fill(ones, 1, 65, 1);
    out.writeBytes(segment(0xdb, ones));
    out.writeBytes(segment(0xc4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    out.writeBytes(segment(0xc4, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    out.writeBytes(segment(0xda, 1, 1, 0, 0, 0, 0));
    out.write(0);
    for (int i = 1; i < scans; i++) {
      out.writeBytes(segment(0xda, 1, 1, 0, 1, 63, 0));
      out.write(0x7f);
    }
    byte[] end = {(byte) 0xff, (byte) 0xd9};
    out.writeBytes(end);
    return out.toByteArray();
  }

  @Test
  void scansAreCountedBeforeTheFirstIsDecoded() {
    assertEquals(8, Image.read(progressive(Limits.JPEG_SCANS), "x").width());
    String message = refusal(progressive(Limits.JPEG_SCANS + 1));
    assertTrue(message.contains("too many scans (501 and more)"), message);
  }

  private static Frame frame(int side, boolean progressive, int... sampling) {
    int[] content = new int[6 + 3 * sampling.length];
    content[0] = 8;
    content[1] = content[3] = side >> 8;
    content[2] = content[4] = side & 0xff;
    content[5] = sampling.length;
    for (int c = 0; c < sampling.length; c++) {
      content[6 + 3 * c] = c + 1;
      content[7 + 3 * c] = sampling[c];
    }
    byte[] segment = segment(0xc0, content);
    return new Frame(segment, 4, segment.length - 4, progressive, "x");
  }

  private static void scan(Frame frame, int... components) {
    int[] content = new int[4 + 2 * components.length];
    content[0] = components.length;
    for (int i = 0; i < components.length; i++) {
      content[1 + 2 * i] = components[i];
    }
    byte[] segment = segment(0xda, content);
    frame.scan(segment, 4, segment.length - 4);
  }

  /** 8,000 × 8,000 are 1,000,000 blocks of the first component, 250,000 of the others. */
  @Test
  void everyScanGoesThroughAllBlocksOfItsComponents() {
    for (int[] scanned : new int[][] {{1}, {1, 2, 3}, {2}}) {
      int blocks = scanned.length == 3 ? 1_500_000 : scanned[0] == 1 ? 1_000_000 : 250_000;
      Frame frame = frame(8000, true, 0x22, 0x11, 0x11);
      long most = Math.min(Limits.JPEG_SCANS, Limits.JPEG_BLOCKS_IN_SCANS / blocks);
      for (int i = 0; i < most; i++) {
        scan(frame, scanned);
      }
      assertThrows(InputException.class, () -> scan(frame, scanned), "after " + most);
    }
  }

  /** Coefficients of two bytes are kept for an image of several scans. */
  @Test
  void whatAnImageOfSeveralScansTakesIsKnownFromItsHeader() {
    scan(frame(10_500, true, 0x11, 0x11, 0x11), 1, 2, 3); // 110 megapixels of nine bytes
    scan(frame(13_377, false, 0x11, 0x11, 0x11), 1, 2, 3); // three bytes
    scan(frame(13_377, true, 0x11), 1);
    for (Frame large :
        List.of(
            frame(10_700, true, 0x11, 0x11, 0x11),
            frame(13_377, true, 0x22, 0x11, 0x11),
            frame(13_377, true, 0x11, 0x11, 0x11, 0x11))) {
      String message = assertThrows(InputException.class, () -> scan(large, 1)).getMessage();
      assertTrue(message.contains("MiB to read; make it smaller"), message);
    }
    assertThrows(
        InputException.class, () -> scan(frame(13_377, false, 0x11, 0x11, 0x11), 1), "apart");
    assertThrows(
        InputException.class,
        () -> scan(frame(13_377, false, 0x11, 0x11, 0x11, 0x11), 1, 2, 3, 4),
        "CMYK is converted into new memory");
  }

  @Test
  void aJpegInTooManyPartsIsRefused() {
    byte[] jpeg = progressive(2);
    byte[] part = PngFile.concat(segment(0xfe), segment(0xdd, 0, 0));
    var out = new ByteArrayOutputStream();
    out.write(jpeg, 0, 2);
    for (int i = 0; i <= Limits.JPEG_PARTS; i++) {
      out.writeBytes(part);
    }
    out.write(jpeg, 2, jpeg.length - 2);
    assertTrue(refusal(out.toByteArray()).contains("too many parts"));
  }

  // ---- PNG

  private static byte[] png(byte[] before, byte[] data) {
    return PngFile.of(PngFile.header(2, 2, 8, 2), before, data, PngFile.end());
  }

  /** Behind the last row stand five bytes more and what cannot be unpacked: nobody tried. */
  @Test
  void unpackingEndsWithTheLastRow() {
    byte[] stored = {0x78, 1, 0, 19, 0, (byte) ~19, -1};
    byte[] broken = {0, 9, 9, 9, 9};
    byte[] data = PngFile.chunk("IDAT", PngFile.concat(stored, ROWS, new byte[5], broken));
    byte[] rgb = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    assertArrayEquals(rgb, Image.read(png(new byte[0], data), "x").rgb());
    byte[] first = PngFile.chunk("IDAT", PngFile.concat(stored, Arrays.copyOf(ROWS, 7)));
    byte[] rest = Arrays.copyOfRange(ROWS, 7, 14);
    byte[] second = PngFile.chunk("IDAT", PngFile.concat(rest, new byte[5], broken));
    byte[] both = PngFile.concat(first, second);
    assertArrayEquals(rgb, Image.read(png(new byte[0], both), "x").rgb(), "of two chunks");
  }

  @Test
  void aSizeWithoutTheDataForItIsNoReasonToAllocate() {
    for (int depth : new int[] {1, 16}) {
      byte[] png =
          PngFile.of(
              PngFile.header(13_377, 13_377, depth, 0), PngFile.data(new byte[9]), PngFile.end());
      long before = allocated();
      assertTrue(refusal(png).contains("cut off"));
      assertTrue(allocated() - before < 4 << 20, "allocated " + (allocated() - before));
    }
  }

  /** Two rows of eight bytes for each pixel are kept beside the pixels. */
  @Test
  void aRowLongerThanTheImageIsRefusedBeforeItIsUnpacked() {
    byte[] packed = new byte[1_400_000]; // as much as such a row takes at least
    byte[] png =
        PngFile.of(
            PngFile.header(170_000_000, 1, 16, 6), PngFile.chunk("IDAT", packed), PngFile.end());
    long before = allocated();
    assertTrue(refusal(png).contains("would take 3081 MiB to read"));
    assertTrue(allocated() - before < 4 << 20, "allocated " + (allocated() - before));
  }

  /** A megabyte of each, as they are unpacked; other texts are not. */
  @Test
  void textsThatMayTurnTheImageAreUnpackedUpToALimit() {
    byte[] zeros = new byte[Limits.IMAGE_TEXT];
    byte[] key = "XML:com.adobe.xmp\0\1\0\0\0".getBytes(StandardCharsets.US_ASCII);
    byte[] packed = PngFile.deflated(zeros);
    byte[] xmp = PngFile.chunk("iTXt", PngFile.concat(key, packed));
    int most = Limits.IMAGE_TEXTS / Limits.IMAGE_TEXT;
    byte[][] texts = new byte[most + 1][];
    Arrays.fill(texts, xmp);
    texts[most] = new byte[0];
    byte[] data = PngFile.data(ROWS);
    assertEquals(2, Image.read(png(PngFile.concat(texts), data), "x").width());
    texts[most] = xmp;
    assertTrue(refusal(png(PngFile.concat(texts), data)).contains("too many compressed texts"));
    byte[] other = "k\0\0".getBytes(StandardCharsets.US_ASCII);
    Arrays.fill(texts, PngFile.chunk("zTXt", PngFile.concat(other, packed)));
    long before = allocated();
    assertEquals(2, Image.read(png(PngFile.concat(texts), data), "x").width());
    assertTrue(allocated() - before < 4 << 20, "allocated " + (allocated() - before));
  }

  // ---- Files

  @Test
  void aFileLongerThanAnImageIsRefusedBeforeItIsRead(@TempDir Path dir) throws IOException {
    Path sparse = dir.resolve("sparse.jpg");
    try (var file = new RandomAccessFile(sparse.toFile(), "rw")) {
      file.setLength(3L << 30);
    }
    long before = allocated();
    String message = assertThrows(InputException.class, () -> Image.read(sparse)).getMessage();
    assertTrue(
        message.endsWith("sparse.jpg: is longer than the 256 MiB that are read of such a file"),
        message);
    assertTrue(allocated() - before < 4 << 20, "allocated " + (allocated() - before));
  }

  /** The kind of the frame header says what is kept until the last scan. */
  @Test
  void aLargeProgressiveImageIsRefusedFromItsHeader() {
    int side = 13_377;
    int[] frame = {8, side >> 8, side & 255, side >> 8, side & 255, 3};
    int[] content = Arrays.copyOf(frame, 15);
    for (int c = 0; c < 3; c++) {
      content[6 + 3 * c] = c + 1;
      content[7 + 3 * c] = 0x11;
    }
    byte[] start = {-1, (byte) 0xd8};
    byte[] large =
        PngFile.concat(start, segment(0xc2, content), segment(0xda, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0));
    assertTrue(refusal(large).contains("MiB to read; make it smaller"), refusal(large));
  }
}
