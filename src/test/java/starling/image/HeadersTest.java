package starling.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import starling.input.InputException;
import starling.input.Limits;

/** What the headers of an image say, read field by field. */
class HeadersTest {
  // ---- PNG ----

  private static PngHeader png(int width, int height, int depth, int colour, int interlaced) {
    ByteBuffer in = ByteBuffer.allocate(14);
    in.putInt(1, width).putInt(5, height);
    in.put(9, (byte) depth).put(10, (byte) colour).put(13, (byte) interlaced);
    return PngHeader.of(in, 1, 13, "x");
  }

  /** The table of the specification: which depths each colour type has. */
  @Test
  void aPngHasTheDepthsOfItsColourType() {
    List<Set<Integer>> depths =
        List.of(
            Set.of(1, 2, 4, 8, 16),
            Set.of(),
            Set.of(8, 16),
            Set.of(1, 2, 4, 8),
            Set.of(8, 16),
            Set.of(),
            Set.of(8, 16),
            Set.of());
    int[] channels = {1, 0, 3, 1, 2, 0, 4, 0};
    for (int colour = 0; colour < 8; colour++) {
      for (int depth = 0; depth <= 17; depth++) {
        int d = depth;
        int c = colour;
        if (depths.get(colour).contains(depth)) {
          assertEquals(channels[colour] * depth, png(3, 2, depth, colour, 0).bitsPerPixel());
        } else {
          assertEquals(
              "x: the image is broken (colour type %d of depth %d, filter method 0)"
                  .formatted(colour, depth),
              assertThrows(InputException.class, () -> png(3, 2, d, c, 0)).getMessage());
        }
      }
    }
  }

  @Test
  void aPngsHeaderIsWhole() {
    assertEquals(new PngHeader(3, 2, 8, 2, false), png(3, 2, 8, 2, 0));
    assertEquals(new PngHeader(3, 2, 8, 2, true), png(3, 2, 8, 2, 1));
    assertEquals(
        "x: the image is broken (its header has 12 bytes)",
        assertThrows(InputException.class, () -> PngHeader.of(ByteBuffer.allocate(13), 0, 12, "x"))
            .getMessage());
    ByteBuffer filter = ByteBuffer.allocate(13).putInt(0, 1).putInt(4, 1);
    filter.put(8, (byte) 8).put(11, (byte) 1);
    assertEquals(
        "x: the image is broken (colour type 0 of depth 8, filter method 1)",
        assertThrows(InputException.class, () -> PngHeader.of(filter, 0, 13, "x")).getMessage());
  }

  @Test
  void rowsEndAtAByteAndAreCountedInEveryPass() {
    assertEquals(1, png(3, 2, 1, 0, 0).rowBytes(8));
    assertEquals(2, png(3, 2, 1, 0, 0).rowBytes(9));
    assertEquals(8, png(3, 2, 16, 6, 0).rowBytes(1));
    assertEquals(5 * (1 + 3 * 7), png(7, 5, 8, 2, 0).unpacked());
    assertEquals(1 + 1, png(1, 1, 8, 0, 1).unpacked(), "one pass has a pixel");
    for (int width = 1; width <= 9; width++) {
      for (int height = 1; height <= 9; height++) {
        assertEquals(interlaced(width, height), png(width, height, 8, 2, 1).unpacked());
      }
    }
  }

  /** Pixel by pixel: the pass that each belongs to, by the specification's picture of 8 × 8. */
  private static long interlaced(int width, int height) {
    String[] adam7 = {
      "16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"
    };
    long bytes = 0;
    for (char pass = '1'; pass <= '7'; pass++) {
      for (int y = 0; y < height; y++) {
        long inRow = 0;
        for (int x = 0; x < width; x++) {
          inRow += adam7[y % 8].charAt(x % 8) == pass ? 1 : 0;
        }
        bytes += inRow == 0 ? 0 : 1 + 3 * inRow;
      }
    }
    return bytes;
  }

  // ---- EXIF ----

  private static ByteBuffer tiff(ByteOrder order, int magic, int tag, int type, int count) {
    ByteBuffer tiff = ByteBuffer.allocate(34);
    tiff.putInt(0, magic);
    tiff.order(order).putInt(4, 8).putShort(8, (short) 1);
    tiff.putShort(10, (short) tag).putShort(12, (short) type).putInt(14, count);
    return tiff;
  }

  private static ByteBuffer tiff(int type, int count) {
    return tiff(ByteOrder.LITTLE_ENDIAN, 0x49492a00, 0x112, type, count);
  }

  @Test
  void theTagIsReadWhateverItsType() {
    assertEquals(OptionalInt.of(6), Orientation.of(tiff(3, 1).putShort(18, (short) 6)));
    assertEquals(OptionalInt.of(6), Orientation.of(tiff(4, 1).putInt(18, 6)));
    assertEquals(OptionalInt.of(6), Orientation.of(tiff(13, 1).putInt(18, 6)));
    assertEquals(OptionalInt.of(6), Orientation.of(tiff(6, 1).put(18, (byte) 6)));
    assertEquals(OptionalInt.of(-6), Orientation.of(tiff(8, 1).putShort(18, (short) -6)));
    assertEquals(OptionalInt.of(-6), Orientation.of(tiff(9, 1).putInt(18, -6)));
    assertEquals(OptionalInt.of(6), Orientation.of(tiff(11, 1).putFloat(18, 6)));
    assertEquals(OptionalInt.of(0), Orientation.of(tiff(11, 1).putFloat(18, 6.5f)));
    assertEquals(OptionalInt.of(0), Orientation.of(tiff(1, 1).put(18, (byte) 6)), "bytes");
    assertEquals(OptionalInt.of(0), Orientation.of(tiff(2, 1).put(18, (byte) 6)), "text");
    assertEquals(OptionalInt.empty(), Orientation.of(tiff(14, 1).put(18, (byte) 6)), "no type");
    assertEquals(OptionalInt.of(99), Orientation.of(tiff(4, 1).putInt(18, 99)));
    assertEquals(OptionalInt.of(0), Orientation.of(tiff(4, 1).putInt(18, 100)), "too large");
    assertEquals(OptionalInt.of(0), Orientation.of(tiff(9, 1).putInt(18, -100)), "too large");
  }

  @Test
  void aLongerValueStandsElsewhere() {
    assertEquals(
        OptionalInt.of(6), Orientation.of(tiff(5, 1).putInt(18, 26).putInt(26, 12).putInt(30, 2)));
    assertEquals(
        OptionalInt.of(-6),
        Orientation.of(tiff(10, 1).putInt(18, 26).putInt(26, -12).putInt(30, 2)));
    assertEquals(OptionalInt.of(6), Orientation.of(tiff(12, 1).putInt(18, 26).putDouble(26, 6)));
    assertEquals(OptionalInt.of(6), Orientation.of(tiff(16, 1).putInt(18, 26).putLong(26, 6)));
    assertEquals(
        OptionalInt.of(7), Orientation.of(tiff(3, 2).putShort(18, (short) 7)), "two fit in place");
    assertEquals(
        OptionalInt.of(7), Orientation.of(tiff(3, 3).putInt(18, 28).putShort(28, (short) 7)));
    assertEquals(OptionalInt.empty(), Orientation.of(tiff(3, 3).putInt(18, 29)), "beyond the end");
    assertEquals(OptionalInt.empty(), Orientation.of(tiff(16, 1).putInt(18, 27)), "beyond the end");
    assertEquals(OptionalInt.empty(), Orientation.of(tiff(3, 0).putShort(18, (short) 7)), "none");
  }

  @Test
  void bothOrdersOfBytesAreReadAndOtherHeadersAreNot() {
    for (int magic : new int[] {0x4d4d002a, 0x4d4d2a00, 0x4d4d002b}) {
      ByteBuffer tiff = tiff(ByteOrder.BIG_ENDIAN, magic, 0x112, 3, 1).putShort(18, (short) 3);
      assertEquals(OptionalInt.of(3), Orientation.of(tiff));
    }
    for (int magic : new int[] {0x49492a00, 0x4949002a}) {
      ByteBuffer tiff = tiff(ByteOrder.LITTLE_ENDIAN, magic, 0x112, 3, 1).putShort(18, (short) 3);
      assertEquals(OptionalInt.of(3), Orientation.of(tiff));
    }
    ByteBuffer other = tiff(ByteOrder.LITTLE_ENDIAN, 0x49492b00, 0x112, 3, 1);
    assertThrows(IndexOutOfBoundsException.class, () -> Orientation.of(other));
    ByteBuffer width = tiff(ByteOrder.LITTLE_ENDIAN, 0x49492a00, 0x100, 3, 1);
    assertEquals(OptionalInt.empty(), Orientation.of(width), "another tag");
  }

  @Test
  void aDirectoryBeyondTheEndIsNone() {
    ByteBuffer far = tiff(3, 1).putShort(18, (short) 6).putInt(4, 33);
    assertEquals(OptionalInt.empty(), Orientation.of(far));
    ByteBuffer last = tiff(3, 1).putInt(4, 32).putShort(32, (short) 9);
    assertEquals(OptionalInt.empty(), Orientation.of(last), "entries that are not there");
    ByteBuffer two = tiff(3, 1).putShort(18, (short) 6).putShort(8, (short) 2);
    two.putShort(22, (short) 0x112).putShort(24, (short) 3).putInt(26, 1).putShort(30, (short) 8);
    assertEquals(OptionalInt.of(8), Orientation.of(two), "the last one counts");
    ByteBuffer shorter = two.slice(0, 33);
    assertEquals(OptionalInt.of(6), Orientation.of(shorter), "an entry that is cut");
    ByteBuffer one = two.putShort(8, (short) 1);
    assertEquals(OptionalInt.of(6), Orientation.of(one), "an entry more than there are");
    ByteBuffer ends = tiff(4, 1).putInt(18, 6).slice(0, 22);
    assertEquals(OptionalInt.of(6), Orientation.of(ends), "the block ends with its value");
  }

  @Test
  void exifAndXmpSayHowAnImageLies() {
    byte[] block = tiff(3, 1).putShort(18, (short) 6).array();
    var exif = new Exif();
    assertEquals(1, exif.orientation());
    exif.xmp("tiff:Orientation=\"5\"".getBytes(StandardCharsets.ISO_8859_1), 0, 20);
    assertEquals(5, exif.orientation());
    exif.append(block, 0, 20);
    exif.append(block, 20, block.length - 20);
    assertEquals(6, exif.orientation(), "EXIF before XMP, in two parts");
    block[18] = 8;
    exif.replace(block, 0, block.length);
    assertEquals(8, exif.orientation(), "the last one");
    block[18] = 9;
    exif.replace(block, 0, block.length);
    assertEquals(1, exif.orientation(), "there is no ninth");
    block[10] = 0;
    exif.replace(block, 0, block.length);
    assertEquals(5, exif.orientation(), "no tag: XMP");
    exif.replace(new byte[] {1, 2, 3}, 0, 3);
    assertEquals(1, exif.orientation(), "what is broken says nothing");
  }

  // ---- JPEG ----

  private static Frame frame(int height, int width, int... components) {
    byte[] bytes = new byte[7 + components.length];
    bytes[1] = 8;
    bytes[2] = (byte) (height >> 8);
    bytes[3] = (byte) height;
    bytes[4] = (byte) (width >> 8);
    bytes[5] = (byte) width;
    bytes[6] = (byte) (components.length / 3);
    for (int i = 0; i < components.length; i++) {
      bytes[7 + i] = (byte) components[i];
    }
    return new Frame(bytes, 1, 6 + components.length, false, "x");
  }

  private static String refused(int height, int width, int... components) {
    return assertThrows(InputException.class, () -> frame(height, width, components)).getMessage();
  }

  @Test
  void aFrameHasOneThreeOrFourComponents() {
    int[] one = {1, 0x11, 0};
    int[] two = {1, 0x11, 0, 2, 0x11, 0};
    int[] three = {'R', 0x11, 0, 'G', 0x11, 0, 'B', 0x11, 0};
    int[] four = {1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0};
    assertEquals(1, frame(300, 517, one).components());
    assertFalse(frame(3, 2, one).namedRgb());
    assertTrue(frame(3, 2, three).namedRgb());
    for (int c = 0; c < 9; c += 3) {
      int[] other = three.clone();
      other[c] = 'X';
      assertFalse(frame(3, 2, other).namedRgb());
    }
    assertEquals(4, frame(3, 2, four).components());
    assertFalse(frame(3, 2, four).namedRgb());
    assertEquals("x: a JPEG of 2 components is not read", refused(3, 2, two));
    assertEquals("x: a JPEG of 0 components is not read", refused(3, 2));
    assertEquals("x: the image is 517x0 pixels", refused(0, 517, one));
    assertEquals(
        "x: the image is 65535x65535 pixels; more than " + Limits.IMAGE_PIXELS + " are not read",
        refused(65535, 65535, one));
  }

  @Test
  void samplingFactorsAreOneToFour() {
    for (int factor = 0; factor <= 5; factor++) {
      for (int[] f : new int[][] {{factor, 1}, {1, factor}}) {
        int[] component = {1, f[0] << 4 | f[1], 0};
        if (factor >= 1 && factor <= 4) {
          assertEquals(1, frame(3, 2, component).components());
        } else {
          assertEquals(
              "x: the image is broken (a component sampled " + f[0] + "x" + f[1] + ")",
              refused(3, 2, component));
        }
      }
    }
  }

  @Test
  void halfTheRowsAreThoseOfAComponentAndNotItsColumns() {
    int[] both = {1, 0x22, 0, 2, 0x21, 0, 3, 0x11, 0};
    assertFalse(frame(3, 2, both).halfTheRows(0));
    assertTrue(frame(3, 2, both).halfTheRows(1));
    assertFalse(frame(3, 2, both).halfTheRows(2), "half the columns too");
    int[] quarter = {1, 0x14, 0, 2, 0x11, 0, 3, 0x12, 0};
    assertFalse(frame(3, 2, quarter).halfTheRows(1));
    assertTrue(frame(3, 2, quarter).halfTheRows(2));
  }

  @Test
  void anImageHasThreeBytesAPixel() {
    assertEquals(
        "an image of 40x20 has 2400 bytes, not 2399",
        assertThrows(IllegalArgumentException.class, () -> new Image(40, 20, new byte[2399]))
            .getMessage());
  }

  @Test
  void imageModesHaveTheirNames() {
    assertEquals("checkpoint", ImageMode.CHECKPOINT.label());
    assertEquals("pad", ImageMode.PAD.label());
  }
}
