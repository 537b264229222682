package starling.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import starling.input.InputException;

/** The rules of preprocessing: truncation, offsets, padding, the order of arithmetic. */
class PreprocessTest {
  private static final List<Double> MEAN = List.of(0.48145466, 0.4578275, 0.40821073);
  private static final List<Double> STD = List.of(0.26862954, 0.26130258, 0.27577711);

  private static Preprocess clip(int side) {
    return new Preprocess(
        true, 3, side, 0, 0, true, side, side, true, 1 / 255.0, true, MEAN, STD, false);
  }

  private static Image gradient(int width, int height) {
    byte[] rgb = new byte[3 * width * height];
    for (int i = 0; i < width * height; i++) {
      rgb[3 * i] = (byte) (i % width * 255 / Math.max(1, width - 1));
      rgb[3 * i + 1] = (byte) (i / width * 255 / Math.max(1, height - 1));
      rgb[3 * i + 2] = 77;
    }
    return new Image(width, height, rgb);
  }

  @Test
  void theLongSideIsTruncatedAndTheMiddleIsCutAtTheFloor() {
    // 10 x 16 becomes 7 x int(7·16/10) = 7 x 11; the crop starts at floor((11 − 7)/2) = 2 rows of
    // 16/11 pixels.
    var prepared = clip(7).apply(gradient(10, 16), ImageMode.CHECKPOINT, "x");
    assertEquals(7, prepared.width());
    assertEquals(7, prepared.height());
    assertEquals(2 * 16.0 / 11, prepared.region().getY(), 1e-12);
    assertEquals(7 * 16.0 / 11, prepared.region().getHeight(), 1e-12);
    assertEquals(0, prepared.region().getX());
    assertEquals(10, prepared.region().getWidth(), 1e-12);
  }

  @Test
  void anOddRestIsCutAtTheFloor() {
    // 15 x 10 becomes 10 x 7: 3 columns too many, 1 of them on the left.
    var prepared = clip(7).apply(gradient(15, 10), ImageMode.CHECKPOINT, "x");
    assertEquals(1.5, prepared.region().getX(), 1e-12);
    Image resized = Resample.resize(gradient(15, 10), 10, 7, 3);
    float first = (float) ((resized.rgb()[3] & 0xff) * (1 / 255.0));
    assertEquals(
        (first - MEAN.get(0).floatValue()) / STD.get(0).floatValue(), prepared.pixels()[0]);
  }

  @Test
  void anImageOfTheRightSizeIsOnlyNormalised() {
    Image image = gradient(8, 8);
    float[] pixels = clip(8).apply(image, ImageMode.CHECKPOINT, "x").pixels();
    for (int i = 0; i < 64; i++) {
      for (int c = 0; c < 3; c++) {
        float scaled = (float) ((image.rgb()[3 * i + c] & 0xff) * (1 / 255.0));
        float expected = (scaled - MEAN.get(c).floatValue()) / STD.get(c).floatValue();
        assertEquals(expected, pixels[c * 64 + i]);
      }
    }
  }

  @Test
  void padFillsWithTheTruncatedMeanColourAroundTheMiddle() {
    float[] pixels = clip(9).apply(gradient(9, 4), ImageMode.PAD, "x").pixels();
    int[] colour = {122, 116, 104};
    for (int c = 0; c < 3; c++) {
      float expected =
          ((float) (colour[c] * (1 / 255.0)) - MEAN.get(c).floatValue()) / STD.get(c).floatValue();
      // floor((9 − 4)/2) = 2 rows above, 3 below.
      assertEquals(expected, pixels[c * 81 + 9]);
      assertEquals(expected, pixels[c * 81 + 8 * 9]);
    }
    float blue = ((float) (77 * (1 / 255.0)) - MEAN.get(2).floatValue()) / STD.get(2).floatValue();
    assertEquals(blue, pixels[2 * 81 + 2 * 9]);
    assertEquals(blue, pixels[2 * 81 + 5 * 9 + 8]);
  }

  @Test
  void tinyAndThinImagesGiveTheWholeGrid() {
    for (int[] size : new int[][] {{1, 1}, {1, 40}, {40, 1}, {3, 2}, {2, 3}}) {
      var prepared = clip(12).apply(gradient(size[0], size[1]), ImageMode.CHECKPOINT, "x");
      assertEquals(3 * 12 * 12, prepared.pixels().length);
      assertTrue(Float.isFinite(prepared.pixels()[0]));
    }
    String message =
        assertThrows(
                InputException.class,
                () -> clip(336).apply(gradient(1, 40_000), ImageMode.CHECKPOINT, "thin"))
            .getMessage();
    assertTrue(message.startsWith("thin: the image is 1x40000 pixels, too thin"), message);
  }

  /** 13,377 is the largest side whose square is still an image. */
  @Test
  void anImageTooLongToBePaddedIsRefusedBeforeItIs() {
    String message =
        assertThrows(
                InputException.class,
                () -> clip(12).apply(gradient(13_378, 2), ImageMode.PAD, "long"))
            .getMessage();
    assertTrue(message.startsWith("long: the image is 13378x2 pixels, too large to be"), message);
    message =
        assertThrows(
                InputException.class,
                () -> clip(12).apply(gradient(1, 50_000), ImageMode.PAD, "thin"))
            .getMessage();
    assertTrue(message.startsWith("thin: the image is 1x50000 pixels, too large to be"), message);
  }

  @Test
  void aCropLargerThanTheImageStandsOnBlack() {
    var spec =
        new Preprocess(true, 3, 4, 0, 0, true, 8, 8, true, 1 / 255.0, false, MEAN, STD, false);
    float[] pixels = spec.apply(gradient(4, 4), ImageMode.CHECKPOINT, "x").pixels();
    assertEquals(0, pixels[2 * 64]);
    assertEquals((float) (77 * (1 / 255.0)), pixels[2 * 64 + 2 * 8 + 2]);
    assertEquals(0, pixels[2 * 64 + 6 * 8 + 6]);
  }

  /**
   * Five levels of room are 1.5 pixels on either side: transformers pads with the larger half in
   * front, {@code ceil(3/2) = 2} rows and columns, and cuts nothing.
   */
  @Test
  void anOddRestAroundASmallImageIsLargerInFront() {
    var spec =
        new Preprocess(true, 3, 5, 0, 0, true, 8, 8, true, 1 / 255.0, false, MEAN, STD, false);
    var prepared = spec.apply(gradient(5, 5), ImageMode.CHECKPOINT, "x");
    float[] blue = java.util.Arrays.copyOfRange(prepared.pixels(), 2 * 64, 3 * 64);
    for (int y = 0; y < 8; y++) {
      for (int x = 0; x < 8; x++) {
        boolean inside = y >= 2 && y < 7 && x >= 2 && x < 7;
        assertEquals(inside ? (float) (77 * (1 / 255.0)) : 0, blue[8 * y + x], y + ", " + x);
      }
    }
    assertEquals(-2, prepared.region().getX());
    assertEquals(-2, prepared.region().getY());
    assertEquals(8, prepared.region().getWidth());
  }

  /** Every row and column of the crop, both ways round, against the resized image. */
  @Test
  void theCropIsTheMiddleOfTheResizedImage() {
    for (int[] size : new int[][] {{15, 10}, {10, 15}, {16, 10}, {23, 10}, {10, 13}}) {
      Image image = gradient(size[0], size[1]);
      int w = size[0] <= size[1] ? 7 : 7 * size[0] / size[1];
      int h = size[0] <= size[1] ? 7 * size[1] / size[0] : 7;
      Image resized = Resample.resize(image, w, h, 3);
      int left = (w - 7) / 2;
      int top = (h - 7) / 2;
      var spec = new Preprocess(true, 3, 7, 0, 0, true, 7, 7, false, 1, false, MEAN, STD, false);
      var prepared = spec.apply(image, ImageMode.CHECKPOINT, "x");
      for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 49; i++) {
          int from = 3 * ((top + i / 7) * w + left + i % 7) + c;
          assertEquals(resized.rgb()[from] & 0xff, prepared.pixels()[c * 49 + i]);
        }
      }
      assertEquals(left * (double) size[0] / w, prepared.region().getX(), 1e-12);
      assertEquals(top * (double) size[1] / h, prepared.region().getY(), 1e-12);
    }
  }

  /** Both directions, an odd and an even rest: floor in front, the rest behind. */
  @Test
  void paddingToASquareIsSmallerInFront() {
    for (int[] size : new int[][] {{9, 4}, {4, 9}, {9, 5}, {5, 9}, {8, 9}, {9, 8}}) {
      var spec = new Preprocess(true, 3, 9, 0, 0, true, 9, 9, false, 1, false, MEAN, STD, false);
      var prepared = spec.apply(gradient(size[0], size[1]), ImageMode.PAD, "x");
      int left = (9 - size[0]) / 2;
      int top = (9 - size[1]) / 2;
      for (int i = 0; i < 81; i++) {
        int x = i % 9 - left;
        int y = i / 9 - top;
        boolean inside = x >= 0 && x < size[0] && y >= 0 && y < size[1];
        assertEquals(inside ? 77 : 104, prepared.pixels()[2 * 81 + i], i + " of " + size[0]);
      }
      assertEquals(-left, prepared.region().getX());
      assertEquals(-top, prepared.region().getY());
    }
  }
}
