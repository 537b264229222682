package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.Test;
import starling.image.ImageMode;

/** What a question says of its images, as reports and the command line name it. */
class ImageOptionsTest {
  @Test
  void whatIsSaidIsNamedInOrder() {
    assertEquals(Map.of(), ImageOptions.DEFAULT.said());
    assertNull(ImageOptions.DEFAULT.text());
    ImageOptions all =
        ImageOptions.DEFAULT
            .mode(ImageMode.PAD)
            .anyres(ImageOptions.Anyres.TWO_BY_TWO)
            .newline(ImageOptions.Newline.COMPETE)
            .unpad(false)
            .pinpoints(ImageOptions.Pinpoints.WH)
            .minImageTokens(1)
            .maxImageTokens(2);
    assertEquals(
        "image-mode=pad,anyres=672,newline=compete,unpad=off,pinpoints=wh,min-image-tokens=1,"
            + "max-image-tokens=2",
        all.text());
    ImageOptions others =
        all.mode(ImageMode.CHECKPOINT)
            .anyres(ImageOptions.Anyres.STOCK)
            .newline(ImageOptions.Newline.DROP)
            .unpad(true)
            .pinpoints(ImageOptions.Pinpoints.HW)
            .minImageTokens(null)
            .maxImageTokens(null);
    assertEquals("anyres=stock,newline=drop,unpad=on,pinpoints=hw", others.text());
    assertEquals("max-image-tokens=7", ImageOptions.DEFAULT.maxImageTokens(7).text());
  }

  @Test
  void countsAreAtLeastOne() {
    assertEquals(
        "minImageTokens is 0; it must be at least 1",
        assertThrows(IllegalArgumentException.class, () -> ImageOptions.DEFAULT.minImageTokens(0))
            .getMessage());
    assertEquals(
        "maxImageTokens is -1; it must be at least 1",
        assertThrows(IllegalArgumentException.class, () -> ImageOptions.DEFAULT.maxImageTokens(-1))
            .getMessage());
  }
}
