package starling.image;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.input.InputException;

/** Sizes that {@code smart_resize} of transformers 5.18 gives for the same. */
class SmartResizeTest {
  /** The limits of the published checkpoints. */
  private static final SmartResize PUBLISHED = limits(3136, 12_845_056);

  /** 256 to 1280 visual tokens, as evaluations run them. */
  private static final SmartResize EVALUATION = limits(200_704, 1_003_520);

  private static SmartResize limits(long least, long most) {
    List<Double> half = List.of(0.5, 0.5, 0.5);
    return new SmartResize(28, least, most, 3, half, half);
  }

  @ParameterizedTest
  @CsvSource({
    "336, 336, 336x336 144, 448x448 256",
    "480, 640, 476x644 391, 476x644 391",
    "427, 640, 420x644 345, 420x644 345",
    "1024, 768, 1036x756 999, 1036x756 999",
    "200, 1000, 196x1008 252, 224x1008 288",
    "333, 500, 336x504 216, 392x560 280",
    "100, 100, 112x112 16, 448x448 256",
    "1080, 1920, 1092x1932 2691, 728x1316 1222",
    "28, 28, 56x56 4, 448x448 256",
    "20, 300, 28x308 11, 140x1736 310",
    "4000, 6000, 2912x4368 16224, 812x1204 1247",
    "70, 14, 140x28 5, 1008x224 288",
    "42, 70, 56x56 4, 364x588 273",
    "70, 42, 56x56 4, 588x364 273"
  })
  void sidesAreMultiplesOf28InsideTheLimits(int h, int w, String published, String evaluation) {
    assertEquals(published, shown(PUBLISHED.of(h, w, "image")));
    assertEquals(evaluation, shown(EVALUATION.of(h, w, "image")));
  }

  private static String shown(SmartResize.Size size) {
    int tokens = size.height() / 28 * (size.width() / 28);
    return size.height() + "x" + size.width() + " " + tokens;
  }

  @Test
  void imagesThinnerThanTwoHundredToOneAreRefused() {
    assertEquals("28x5600 200", shown(PUBLISHED.of(28, 5600, "image")));
    assertEquals(
        "ribbon.png: the image is 5601x28 pixels, and its longer side may be at most 200 times the"
            + " shorter; cut it",
        assertThrows(InputException.class, () -> PUBLISHED.of(28, 5601, "ribbon.png"))
            .getMessage());
  }

  @Test
  void limitsMayBeCountedInVisualTokens() {
    assertEquals("448x448 256", shown(PUBLISHED.tokens(256, 1280).of(336, 336, "image")));
    assertEquals("728x1316 1222", shown(PUBLISHED.tokens(null, 1280).of(1080, 1920, "image")));
    assertEquals("224x224 64", shown(PUBLISHED.tokens(null, 64).of(1000, 1000, "image")));
    // A limit of the checkpoint gives way to one that is asked for.
    assertEquals("28x28 1", shown(PUBLISHED.tokens(null, 1).of(1000, 1000, "image")));
    // A side is never less than a token, so thin images stay above the limit.
    assertEquals("28x392 14", shown(PUBLISHED.tokens(null, 1).of(28, 5600, "image")));
    assertEquals("392x28 14", shown(PUBLISHED.tokens(null, 1).of(5600, 28, "image")));
    assertEquals("1120x1120 1600", shown(EVALUATION.tokens(1600, null).of(300, 300, "image")));
    assertEquals(PUBLISHED, PUBLISHED.tokens(null, null));
    assertEquals(
        "at least 9 and at most 8 visual tokens are asked for; the least is more than the most",
        assertThrows(InputException.class, () -> PUBLISHED.tokens(9, 8)).getMessage());
    assertEquals(
        "16385 visual tokens are asked for; an image may have at most 16384",
        assertThrows(InputException.class, () -> PUBLISHED.tokens(null, 16385)).getMessage());
  }

  @Test
  void limitsThemselvesAreAllowed() {
    assertEquals("56x56 4", shown(limits(784, 3136).of(57, 56, "image")), "as many as the most");
    assertEquals("112x112 16", shown(limits(12_544, 12_544).of(100, 100, "image")));
    assertEquals("224x224 64", shown(PUBLISHED.tokens(64, 64).of(1000, 1000, "image")));
    assertEquals(16_384L * 784, PUBLISHED.tokens(null, 16_384).maxPixels());
    assertEquals(
        "image: the image would be 16485 visual tokens, and may be at most 16384; ask for fewer at"
            + " least",
        assertThrows(
                InputException.class, () -> PUBLISHED.tokens(16_384, null).of(200, 300, "image"))
            .getMessage());
  }

  /** One colour stays one colour, whatever the filter; the region is the whole image. */
  @Test
  void anImageIsScaledAndNormalized() {
    var half = List.of(0.5, 0.25, 0.0);
    var resize = new SmartResize(28, 784, 3136, 3, half, List.of(0.5, 1.0, 2.0));
    byte[] rgb = new byte[3 * 100 * 60];
    for (int i = 0; i < rgb.length; i += 3) {
      rgb[i] = (byte) 255;
      rgb[i + 1] = 51;
    }
    Preprocess.Prepared prepared = resize.apply(new Image(60, 100, rgb), "image");
    assertEquals(new java.awt.geom.Rectangle2D.Double(0, 0, 60, 100), prepared.region());
    assertEquals(56, prepared.height());
    assertEquals(28, prepared.width());
    assertEquals(3 * 56 * 28, prepared.pixels().length);
    for (int i = 0; i < 56 * 28; i++) {
      assertEquals(1f, prepared.pixels()[i]);
      assertEquals(-0.05f, prepared.pixels()[56 * 28 + i], 1e-6f);
      assertEquals(0f, prepared.pixels()[2 * 56 * 28 + i]);
    }
  }
}
