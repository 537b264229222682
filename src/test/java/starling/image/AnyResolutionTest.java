package starling.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.input.InputException;

/** Sizes of images in tiles against those that transformers' processor gave. */
class AnyResolutionTest {
  private static final List<List<Integer>> SIZES =
      List.of(
          List.of(336, 672),
          List.of(672, 336),
          List.of(672, 672),
          List.of(1008, 336),
          List.of(336, 1008));

  @ParameterizedTest
  @CsvSource({
    "336,336, 336,672, 336,336, 0,168, 24,24",
    "480,640, 672,672, 504,672, 84,0, 36,48",
    "640,480, 672,672, 672,504, 0,84, 48,36",
    "427,640, 672,672, 449,672, 111,0, 32,48",
    "200,1000, 336,1008, 202,1008, 67,0, 14,72",
    "1000,200, 1008,336, 1008,202, 0,67, 72,14",
    "333,500, 336,672, 336,505, 0,83, 24,36",
    "100,100, 336,672, 336,336, 0,168, 24,24",
    "1080,1920, 672,672, 378,672, 147,0, 28,48",
    "2000,300, 1008,336, 1008,152, 0,92, 72,10",
    "672,672, 672,672, 672,672, 0,0, 48,48",
    "37,911, 336,1008, 41,1008, 147,0, 2,72",
  })
  void sizesAreThoseOfTransformers(
      int h,
      int w,
      int height,
      int width,
      int fittedHeight,
      int fittedWidth,
      int top,
      int left,
      int rows,
      int columns) {
    AnyResolution size = AnyResolution.of(h, w, SIZES, "it");
    assertEquals(new AnyResolution(height, width, fittedHeight, fittedWidth), size);
    assertEquals(top, size.padTop());
    assertEquals(left, size.padLeft());
    AnyResolution.Part part = AnyResolution.unpadded(height / 14, width / 14, h, w);
    assertEquals(rows, part.rows());
    assertEquals(columns, part.columns());
    assertEquals((height / 14 - rows) / 2, part.top());
    assertEquals((width / 14 - columns) / 2, part.left());
  }

  /** A square image fits two sizes as well; the order of the list decides. */
  @Test
  void theEarlierOfEqualSizesIsTaken() {
    AnyResolution size = AnyResolution.of(100, 100, SIZES.reversed(), "it");
    assertEquals(672, size.height());
    assertEquals(336, size.width());
  }

  @Test
  void anImageOfALineIsRefused() {
    var e = assertThrows(InputException.class, () -> AnyResolution.of(1, 4000, SIZES, "line.png"));
    assertEquals(
        "line.png: the image is 4000x1 pixels, too thin to be cut into tiles", e.getMessage());
  }
}
