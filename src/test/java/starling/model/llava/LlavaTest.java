package starling.model.llava;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import starling.Demo;
import starling.image.ImageMode;
import starling.input.InputException;
import starling.model.ImageOptions;

/** How LLaVA-1.5 takes images: any of them becomes the tower's one size. */
class LlavaTest {
  @Test
  void everyImageHasAsManyTokens() {
    Llava family = Llava.read(Demo.MODEL);
    var images = family.images(Demo.MODEL);
    assertEquals(576, images.tokens(10, 1000, ImageOptions.DEFAULT).candidates());
    var input = images.prepare(Demo.read("small-00.png"), ImageOptions.DEFAULT, "image");
    assertEquals(family.typicalImage(), input.tokens());
    assertEquals(1, input.crops().size());
    assertEquals(96, input.crops().getFirst().width());
    var pad = ImageOptions.DEFAULT.mode(ImageMode.PAD);
    assertEquals(576, images.tokens(10, 1000, pad).candidates());
  }

  @Test
  void optionsOfOtherFamiliesAreRefused() {
    var images = Llava.read(Demo.MODEL).images(Demo.MODEL);
    var few = ImageOptions.DEFAULT.maxImageTokens(100);
    var image = Demo.read("small-00.png");
    for (Executable asking :
        List.<Executable>of(
            () -> images.prepare(image, few, "image"), () -> images.tokens(10, 10, few))) {
      String why = assertThrows(InputException.class, asking).getMessage();
      assertTrue(why.startsWith("--max-image-tokens 100 does not apply to this model"), why);
    }
  }

  @Test
  void aKeyThatNobodyKnowsIsToldOf(@TempDir Path dir) throws IOException {
    String config = Files.readString(Demo.MODEL.resolve("config.json"));
    Files.writeString(dir.resolve("config.json"), "{\"colour\": 1, " + config.substring(1));
    assertEquals(List.of("colour"), Llava.read(dir).unknownKeys());
  }
}
