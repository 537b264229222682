package starling.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.awt.geom.Rectangle2D;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which steps an image goes through: by the checkpoint's fields, and by what was asked for. */
class PreprocessChoicesTest {
  private static Preprocess of(boolean resize, int edge, int h, int w, boolean crop, boolean pad) {
    return new Preprocess(
        resize,
        0,
        edge,
        h,
        w,
        crop,
        6,
        6,
        false,
        1,
        false,
        List.of(0.5, 0.25, 1.0),
        List.of(1.0, 1.0, 1.0),
        pad);
  }

  /** Red counts the columns, green the rows. */
  private static Image image(int width, int height) {
    byte[] rgb = new byte[3 * width * height];
    for (int i = 0; i < width * height; i++) {
      rgb[3 * i] = (byte) (i % width);
      rgb[3 * i + 1] = (byte) (i / width);
    }
    return new Image(width, height, rgb);
  }

  @Test
  void whatComesOutOfEveryImageIsNamedIfItIsAnotherSize() {
    assertNull(of(true, 9, 0, 0, true, false).otherSize(6), "the crop decides");
    assertEquals("6x6", of(true, 9, 0, 0, true, false).otherSize(9));
    Preprocess wide =
        new Preprocess(true, 0, 9, 0, 0, true, 5, 6, false, 1, false, List.of(), List.of(), false);
    assertEquals("6x5", wide.otherSize(6));
    assertEquals("6x5", wide.otherSize(5));
    assertNull(of(false, 9, 0, 0, false, false).otherSize(77), "an image of that size");
    assertNull(of(true, 9, 0, 0, false, false).otherSize(9), "a square image");
    assertEquals("at least 9x9", of(true, 9, 0, 0, false, false).otherSize(8));
    assertNull(of(true, 0, 8, 8, false, false).otherSize(8));
    assertEquals("9x8", of(true, 0, 8, 9, false, false).otherSize(8));
    assertEquals("9x8", of(true, 0, 8, 9, false, false).otherSize(9));
  }

  @ParameterizedTest
  @CsvSource({
    // resize, edge, height, width, crop, pad, mode: size of 12 x 8, what is seen of it
    "true, 6, 0, 0, true, false, CHECKPOINT, 6, 6, 1.3333333333333333, 0, 8, 8",
    "true, 6, 0, 0, false, false, CHECKPOINT, 9, 6, 0, 0, 12, 8",
    "true, 6, 0, 0, false, false, CROP, 6, 6, 1.3333333333333333, 0, 8, 8",
    "true, 0, 4, 6, false, false, CHECKPOINT, 6, 4, 0, 0, 12, 8",
    "true, 0, 4, 6, false, false, CROP, 6, 6, 1.3333333333333333, 0, 8, 8",
    "false, 0, 0, 0, false, false, CHECKPOINT, 12, 8, 0, 0, 12, 8",
    "false, 0, 0, 0, true, false, CHECKPOINT, 6, 6, 3, 1, 6, 6",
    "false, 0, 0, 0, false, true, CHECKPOINT, 12, 12, 0, -2, 12, 12",
    "false, 0, 0, 0, false, true, CROP, 6, 6, 1.3333333333333333, 0, 8, 8",
    "false, 0, 0, 0, false, false, PAD, 12, 12, 0, -2, 12, 12",
    "true, 6, 0, 0, true, true, CHECKPOINT, 6, 6, 0, -2, 12, 12",
  })
  void stepsFollowTheCheckpointUnlessAskedOtherwise(
      boolean resize,
      int edge,
      int h,
      int w,
      boolean crop,
      boolean pad,
      ImageMode mode,
      int width,
      int height,
      double x,
      double y,
      double seenWidth,
      double seenHeight) {
    Preprocess.Prepared seen = of(resize, edge, h, w, crop, pad).apply(image(12, 8), mode, "x");
    assertEquals(width, seen.width());
    assertEquals(height, seen.height());
    assertEquals(3 * width * height, seen.pixels().length);
    assertEquals(x, seen.region().getX(), 1e-9);
    assertEquals(y, seen.region().getY(), 1e-9);
    assertEquals(seenWidth, seen.region().getWidth(), 1e-9);
    assertEquals(seenHeight, seen.region().getHeight(), 1e-9);
  }

  @Test
  void aSquareImageIsPaddedByNothing() {
    Preprocess.Prepared seen =
        of(false, 0, 0, 0, false, true).apply(image(4, 4), ImageMode.PAD, "x");
    assertEquals(new Rectangle2D.Double(0, 0, 4, 4), seen.region());
    assertArrayEquals(
        new float[] {0, 1, 2, 3, 0, 1, 2, 3}, java.util.Arrays.copyOf(seen.pixels(), 8));
  }

  /** The part of a crop that lies beyond the image is black, wherever it lies. */
  @Test
  void aCropOfAThinImageIsFilledAboveAndBelow() {
    Preprocess.Prepared seen =
        of(false, 0, 0, 0, true, false).apply(image(12, 2), ImageMode.CHECKPOINT, "x");
    float[] red = new float[36];
    for (int i = 0; i < 6; i++) {
      red[12 + i] = 3 + i;
      red[18 + i] = 3 + i;
    }
    assertArrayEquals(red, java.util.Arrays.copyOf(seen.pixels(), 36));
    assertEquals(new Rectangle2D.Double(3, -2, 6, 6), seen.region());
  }
}
