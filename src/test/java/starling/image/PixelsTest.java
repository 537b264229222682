package starling.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.awt.Transparency;
import java.awt.color.ColorSpace;
import java.awt.image.BufferedImage;
import java.awt.image.ComponentColorModel;
import java.awt.image.DataBuffer;
import java.io.IOException;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;

/** Images that a program has in memory. */
class PixelsTest {
  private static final Path DIR = Checkout.path("src/test/resources/starling/image");

  @ParameterizedTest
  @ValueSource(
      strings = {
        "rgb.png",
        "rgba.png",
        "rgb_transparent.png",
        "palette.png",
        "palette_4bit.png",
        "gray.png",
        "gray_2bit.png",
        "gray_alpha.png",
        "bilevel.png"
      })
  void anImageOfJavasIsWhatItsFileIs(String name) throws IOException {
    Image file = Image.read(DIR.resolve(name));
    Image image = Image.of(ImageIO.read(DIR.resolve(name).toFile()));
    assertEquals(file.width() + "x" + file.height(), image.width() + "x" + image.height());
    assertArrayEquals(file.rgb(), image.rgb(), name);
  }

  @Test
  void howPixelsAreStoredDoesNotMatter() {
    for (int type = BufferedImage.TYPE_INT_RGB; type <= BufferedImage.TYPE_4BYTE_ABGR; type++) {
      var drawn = new BufferedImage(3, 2, type);
      drawn.setRGB(2, 1, 0xff102030);
      drawn.setRGB(0, 0, 0xffff80fe);
      byte[] rgb = new byte[18];
      System.arraycopy(new byte[] {-1, (byte) 0x80, -2}, 0, rgb, 0, 3);
      System.arraycopy(new byte[] {0x10, 0x20, 0x30}, 0, rgb, 15, 3);
      assertArrayEquals(rgb, Image.of(drawn).rgb(), "type " + type);
    }
  }

  @Test
  void ofSixteenBitsTheUpperEightCount() {
    var gray = new BufferedImage(2, 1, BufferedImage.TYPE_USHORT_GRAY);
    gray.getRaster().setSample(0, 0, 0, 0x12ff);
    gray.getRaster().setSample(1, 0, 0, 0xff00);
    assertArrayEquals(new byte[] {0x12, 0x12, 0x12, -1, -1, -1}, Image.of(gray).rgb());
  }

  @Test
  void samplesOfFourBitsAreSpreadOverEight() {
    var fourBits =
        new ComponentColorModel(
            ColorSpace.getInstance(ColorSpace.CS_GRAY),
            new int[] {4},
            false,
            false,
            Transparency.OPAQUE,
            DataBuffer.TYPE_BYTE);
    var raster = fourBits.createCompatibleWritableRaster(3, 1);
    raster.setSamples(0, 0, 3, 1, 0, new int[] {0, 9, 15});
    byte nine = (byte) 0x99;
    assertArrayEquals(
        new byte[] {0, 0, 0, nine, nine, nine, -1, -1, -1},
        Image.of(new BufferedImage(fourBits, raster, false, null)).rgb());
  }

  @Test
  void numbersAreRoundedToTheNearest() {
    float[] rgb = {0, 1, 0.5f, 1 / 255f, 1.4f / 255, 1.6f / 255};
    assertArrayEquals(new byte[] {0, -1, (byte) 128, 1, 1, 2}, Image.of(1, 2, rgb).rgb());
    Image read = Image.read(DIR.resolve("rgb.png"));
    float[] floats = new float[read.rgb().length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (read.rgb()[i] & 255) / 255f;
    }
    assertArrayEquals(read.rgb(), Image.of(read.width(), read.height(), floats).rgb());
  }

  @ParameterizedTest
  @ValueSource(floats = {-0.001f, 1.001f, Float.NaN, Float.POSITIVE_INFINITY, 255})
  void aNumberThatIsNoneOfAPixelIsNamed(float wrong) {
    float[] rgb = {0, 0, 0, 0, wrong, 0};
    var e = assertThrows(IllegalArgumentException.class, () -> Image.of(2, 1, rgb));
    assertEquals("rgb[4] is " + wrong + "; it must be 0 to 1", e.getMessage());
  }

  @Test
  void thereAreAsManyNumbersAsPixelsHave() {
    assertThrows(IllegalArgumentException.class, () -> Image.of(2, 2, new float[11]));
    assertThrows(IllegalArgumentException.class, () -> Image.of(0, 2, new float[0]));
  }
}
