package starling.image;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.device.InputException;

/** Pictures of every kind, as Pillow reads and resizes them ({@code src/test/golden/make_image_goldens.py}). */
class PictureTest {
  private static final Path DIR = Path.of("src/test/resources/starling/image");

  static List<String> decoded() throws IOException {
    return Files.readAllLines(DIR.resolve("decoded.txt"));
  }

  @ParameterizedTest
  @MethodSource("decoded")
  void readsAsPillowDoes(String line) throws IOException {
    String[] golden = line.split(" ");
    Picture picture = Picture.read(DIR.resolve(golden[0]));
    assertEquals(golden[1] + "x" + golden[2], picture.width() + "x" + picture.height());
    byte[] expected = HexFormat.of().parseHex(golden[3]);
    // Four components are multiplied and rounded once more; the reference rounds elsewhere.
    int bound = golden[0].startsWith("cmyk") ? 1 : 0;
    for (int i = 0; i < expected.length; i++) {
      int at = i;
      assertTrue(
          Math.abs((expected[i] & 0xff) - (picture.rgb()[i] & 0xff)) <= bound,
          () -> golden[0] + " sample " + at + ": " + (picture.rgb()[at] & 0xff) + ", Pillow " + (expected[at] & 0xff));
    }
  }

  @Test
  void resizesToTheBitAsPillowDoes() throws IOException {
    Picture source = Picture.read(DIR.resolve("resize_source.png"));
    for (String line : Files.readAllLines(DIR.resolve("resized.txt"))) {
      String[] golden = line.split(" ");
      int filter = Integer.parseInt(golden[0]);
      Picture resized = Resample.resize(source, Integer.parseInt(golden[1]), Integer.parseInt(golden[2]), filter);
      if (!golden[4].equals("-")) {
        assertArrayEquals(HexFormat.of().parseHex(golden[4]), resized.rgb(), line);
      }
      var crc = new CRC32();
      crc.update(resized.rgb());
      assertEquals(Long.parseLong(golden[3]), crc.getValue(), line);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"rgb.png", "interlaced.png", "rgb.jpg", "progressive.jpg", "exif_6.jpg"})
  void everyPrefixIsRefused(String name) throws IOException {
    byte[] whole = Files.readAllBytes(DIR.resolve(name));
    for (int n = 0; n < whole.length; n++) {
      byte[] part = Arrays.copyOf(whole, n);
      String message = assertThrows(InputException.class, () -> Picture.read(part, "part"), name + " cut to " + n).getMessage();
      assertTrue(message.startsWith("part: ") && message.lines().count() == 1, message);
    }
    Picture.read(whole, "whole");
  }

  @ParameterizedTest
  @ValueSource(strings = {"rgb.png", "palette.png", "gray_16bit.png", "rgb.jpg", "cmyk.jpg"})
  void aFlippedByteGivesAPictureOrOneSentence(String name) throws IOException {
    byte[] whole = Files.readAllBytes(DIR.resolve(name));
    for (int i = 0; i < whole.length; i++) {
      byte[] damaged = whole.clone();
      damaged[i] ^= 0x55;
      try {
        Picture.read(damaged, "damaged");
      } catch (InputException e) {
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
      }
    }
  }

  @Test
  void otherFormatsAreNamed() {
    var starts = List.of("GIF89a", "RIFF0000WEBP", "0000ftypheic", "0000ftypavif", "II*\0", "BM", "%PDF-1.7", "<?xml?><svg>");
    var names = List.of("GIF", "WebP", "HEIC", "AVIF", "TIFF", "BMP", "PDF", "SVG");
    for (int i = 0; i < starts.size(); i++) {
      byte[] bytes = (starts.get(i) + "................").getBytes(StandardCharsets.ISO_8859_1);
      String message = assertThrows(InputException.class, () -> Picture.read(bytes, "x")).getMessage();
      assertTrue(message.contains(names.get(i)) && message.endsWith("PNG and JPEG are read"), message);
    }
    assertThrows(InputException.class, () -> Picture.read(new byte[0], "x"));
    assertThrows(InputException.class, () -> Picture.read(Path.of("no-such.png")));
  }

  @Test
  void aBombIsRefusedFromItsHeader() throws IOException {
    byte[] png = Files.readAllBytes(DIR.resolve("rgb.png"));
    java.nio.ByteBuffer.wrap(png).putInt(16, 16000).putInt(20, 12000);
    var crc = new CRC32();
    crc.update(png, 12, 17);
    java.nio.ByteBuffer.wrap(png).putInt(29, (int) crc.getValue());
    String message = assertThrows(InputException.class, () -> Picture.read(png, "bomb")).getMessage();
    assertTrue(message.contains("16000x12000"), message);
  }
}
