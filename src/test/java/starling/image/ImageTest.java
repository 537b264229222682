package starling.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.Checkout;
import starling.input.InputException;

/**
 * Images of every kind, as Pillow reads and resizes them ({@code
 * src/test/golden/make_image_goldens.py}).
 */
class ImageTest {
  private static final Path DIR = Checkout.path("src/test/resources/starling/image");

  static List<String> decoded() throws IOException {
    return Files.readAllLines(DIR.resolve("decoded.txt"));
  }

  @ParameterizedTest
  @MethodSource("decoded")
  void readsAsPillowDoes(String line) throws IOException {
    String[] golden = line.split(" ", -1);
    Image image = Image.read(DIR.resolve(golden[0]));
    assertEquals(golden[1] + "x" + golden[2], image.width() + "x" + image.height());
    byte[] expected = HexFormat.of().parseHex(golden[3]);
    assertArrayEquals(expected, image.rgb(), golden[0]);
  }

  @Test
  void resizesToTheBitAsPillowDoes() throws IOException {
    Image source = Image.read(DIR.resolve("resize_source.png"));
    for (String line : Files.readAllLines(DIR.resolve("resized.txt"))) {
      String[] golden = line.split(" ", -1);
      int filter = Integer.parseInt(golden[0]);
      Image resized =
          Resample.resize(source, Integer.parseInt(golden[1]), Integer.parseInt(golden[2]), filter);
      if (!golden[4].equals("-")) {
        assertArrayEquals(HexFormat.of().parseHex(golden[4]), resized.rgb(), line);
      }
      var crc = new CRC32();
      crc.update(resized.rgb());
      assertEquals(Long.parseLong(golden[3]), crc.getValue(), line);
    }
  }

  @Tag("slow")
  @ParameterizedTest
  @ValueSource(strings = {"rgb.png", "interlaced.png", "rgb.jpg", "progressive.jpg", "exif_6.jpg"})
  void everyPrefixIsRefused(String name) throws IOException {
    byte[] whole = Files.readAllBytes(DIR.resolve(name));
    for (int n = 0; n < whole.length; n++) {
      byte[] part = Arrays.copyOf(whole, n);
      String message =
          assertThrows(InputException.class, () -> Image.read(part, "part"), name + " cut to " + n)
              .getMessage();
      assertTrue(message.startsWith("part: ") && message.lines().count() == 1, message);
    }
    Image.read(whole, "whole");
  }

  @Tag("slow")
  @ParameterizedTest
  @ValueSource(strings = {"rgb.png", "palette.png", "gray_16bit.png", "rgb.jpg", "cmyk.jpg"})
  void aFlippedByteGivesAnImageOrOneSentence(String name) throws IOException {
    byte[] whole = Files.readAllBytes(DIR.resolve(name));
    for (int i = 0; i < whole.length; i++) {
      byte[] damaged = whole.clone();
      damaged[i] ^= 0x55;
      try {
        Image.read(damaged, "damaged");
      } catch (InputException e) {
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
      }
    }
  }

  /** Whatever the file is called; {@link FormatTest} has them all. */
  @Test
  void otherFormatsAreNamed(@TempDir Path dir) throws IOException {
    Path gif = Files.writeString(dir.resolve("photo.png"), "GIF89a..........");
    String message = assertThrows(InputException.class, () -> Image.read(gif)).getMessage();
    assertEquals(gif + ": is a GIF image; PNG and JPEG are read", message);
    message =
        assertThrows(InputException.class, () -> Image.read(Path.of("no-such.png"))).getMessage();
    assertEquals("no-such.png: there is no such file", message);
  }

  @Test
  void aBombIsRefusedFromItsHeader() throws IOException {
    byte[] png = Files.readAllBytes(DIR.resolve("rgb.png"));
    java.nio.ByteBuffer.wrap(png).putInt(16, 16000).putInt(20, 12000);
    var crc = new CRC32();
    crc.update(png, 12, 17);
    java.nio.ByteBuffer.wrap(png).putInt(29, (int) crc.getValue());
    String message = assertThrows(InputException.class, () -> Image.read(png, "bomb")).getMessage();
    assertTrue(message.contains("16000x12000"), message);
  }
}
