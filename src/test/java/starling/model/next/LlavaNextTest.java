package starling.model.next;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static starling.model.next.NextCheckpoint.distance;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceType;
import starling.image.Image;
import starling.image.ImageMode;
import starling.input.InputException;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.Mode;
import starling.model.next.NextCheckpoint.Outcome;
import starling.prune.ImageTokens;
import starling.text.Template;

/**
 * Two tiny checkpoints, with a Llama and a Mistral decoder, against transformers 5.18 ({@code
 * src/test/golden/make_next_goldens.py}), and what pruning makes of them.
 */
class LlavaNextTest {
  /** Float32 on both sides, logits of about 3. */
  private static final double BOUND = 2e-5;

  private static void goldens(String name, Device device, double bound) throws IOException {
    try (var at = NextCheckpoint.open(NextCheckpoint.folder(name), device)) {
      for (JsonNode golden : NextCheckpoint.cases(name)) {
        var images = List.of(at.image(golden, ImageOptions.DEFAULT));
        NextCheckpoint.isTheGolden(golden, at.run(images, "none", Mode.COMPACT), bound);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "mistral"})
  void logitsAndTokensAreThoseOfTransformers(String name) throws IOException {
    goldens(name, CpuDevice.open(), BOUND);
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "mistral"})
  void kernelsGiveThemToo(String name) throws IOException {
    Native.needs(Native.HOST);
    goldens(name, NativeDevice.open(DeviceType.EMULATED), BOUND);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "star:R=0.3,K=1,P=0.6",
        "star:R=0.3,K=1,P=0.6,budget=crop",
        "fastv:K=1,keep=7",
        "fastervlm:keep=9",
        "fastervlm:keep=3,budget=crop",
        "vispruner:keep=8",
        "random:keep=6,seed=3",
        "uniform:keep=0.5,budget=crop"
      })
  void maskingIsCompactingOnTwoImages(String spec) throws IOException {
    for (String name : List.of("llama", "mistral")) {
      try (var at = NextCheckpoint.open(NextCheckpoint.folder(name), CpuDevice.open())) {
        JsonNode all = NextCheckpoint.cases(name);
        var images =
            List.of(
                at.image(all.get(1), ImageOptions.DEFAULT),
                at.image(all.get(2), ImageOptions.DEFAULT));
        Outcome compact = at.run(images, spec, Mode.COMPACT);
        Outcome mask = at.run(images, spec, Mode.MASK);
        assertEquals(compact.kept(), mask.kept());
        assertArrayEquals(compact.tokens(), mask.tokens());
        for (int i = 0; i < NextCheckpoint.TOKENS; i++) {
          assertTrue(distance(compact.logits().get(i), mask.logits().get(i)) < BOUND, spec + i);
        }
        Outcome whole = at.run(images, "none", Mode.COMPACT);
        assertTrue(distance(whole.logits().get(0), compact.logits().get(0)) > 100 * BOUND);
      }
    }
  }

  /** 2 x 56 pixels are a third of a patch wide in the grid: its rows are newlines alone. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "fastervlm:keep=5",
        "fastervlm:keep=5,budget=crop",
        "vispruner:keep=5",
        "star:R=0.3,K=1,P=0.6",
        "star:R=0.3,K=1,P=0.6,budget=crop",
        "fastv:K=1,keep=5",
        "uniform:keep=0.5,budget=crop"
      })
  void tilesThatHoldNothingOfAThinImageAreNoneOfTheMethods(String spec) throws IOException {
    try (var at = NextCheckpoint.open(NextCheckpoint.folder("llama"), CpuDevice.open())) {
      ImageTokens tokens = at.family().tokens(56, 2, ImageOptions.DEFAULT);
      assertEquals(16 + 8, tokens.rows());
      assertEquals(
          List.of(16, 0, 0),
          List.of(tokens.candidates(0), tokens.candidates(1), tokens.candidates(2)));
      ImageInput square = at.image(NextCheckpoint.cases("llama").get(0), ImageOptions.DEFAULT);
      var images = List.of(new ImageInput(tokens, square.crops()));
      Outcome compact = at.run(images, spec, Mode.COMPACT);
      Outcome mask = at.run(images, spec, Mode.MASK);
      assertEquals(compact.kept(), mask.kept());
      assertTrue(compact.kept().getLast().size() <= 8);
      for (int i = 0; i < NextCheckpoint.TOKENS; i++) {
        assertTrue(distance(compact.logits().get(i), mask.logits().get(i)) < BOUND, spec + i);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"fastv:K=1,keep=1.0", "fastervlm:keep=1.0", "star:R=0,K=1,P=0"})
  void keepingAllChangesNoBit(String spec) throws IOException {
    try (var at = NextCheckpoint.open(NextCheckpoint.folder("llama"), CpuDevice.open())) {
      var images = List.of(at.image(NextCheckpoint.cases("llama").get(1), ImageOptions.DEFAULT));
      Outcome whole = at.run(images, "none", Mode.COMPACT);
      Outcome all = at.run(images, spec, Mode.COMPACT);
      for (int i = 0; i < NextCheckpoint.TOKENS; i++) {
        assertArrayEquals(whole.logits().get(i), all.logits().get(i), spec);
      }
    }
  }

  // ---- counts ----

  @ParameterizedTest
  @CsvSource({
    "336,336,1176",
    "480,640,2340",
    "640,480,2352",
    "427,640,2144",
    "200,1000,1598",
    "1000,200,1656",
    "333,500,1464",
    "100,100,1176",
    "1080,1920,1948",
    "2000,300,1368",
    "672,672,2928",
    "37,911,722",
    // Rounded up to whole pixels these would be a patch wider on either side.
    "968,1258,2340",
    "1013,527,1776"
  })
  void rowsAreAsManyAsInTransformers(int h, int w, int rows, @TempDir Path dir) throws IOException {
    assertEquals(
        rows,
        LlavaNext.read(PublishedNext.vicunaSeven(dir)).tokens(h, w, ImageOptions.DEFAULT).rows());
  }

  @Test
  void withoutAnImageTheTowersOwnSizeIsCounted(@TempDir Path dir) throws IOException {
    LlavaNext family = LlavaNext.read(PublishedNext.vicunaSeven(dir));
    assertEquals(family.tokens(336, 336, ImageOptions.DEFAULT), family.typicalImage());
    assertEquals(1176, family.typicalImage().rows());
  }

  @Test
  void aMistralIsAskedInAnotherForm(@TempDir Path dir) throws IOException {
    assertEquals(
        Template.NEXT_VICUNA, LlavaNext.read(PublishedNext.vicunaThirteen(dir)).template());
    assertEquals(Template.MISTRAL, LlavaNext.read(PublishedNext.mistralSeven(dir)).template());
  }

  /**
   * Pixels twice, and for each row its activations: what a question is refused by if it is much.
   */
  @Test
  void theTowersMemoryGrowsWithTheCrops(@TempDir Path dir) throws IOException {
    LlavaNext family = LlavaNext.read(PublishedNext.vicunaSeven(dir));
    for (int[] c : new int[][] {{336, 336, 3}, {200, 1000, 4}, {480, 640, 5}}) {
      long elements = family.towerElements(family.tokens(c[0], c[1], ImageOptions.DEFAULT));
      assertEquals(c[2] * (2L * 3 * 336 * 336 + 577L * (6 * 1024 + 4096 + 2 * 4096)), elements);
    }
  }

  /** The original's order of the list: the same count from a column of two tiles. */
  @Test
  void pinpointsReadTheOtherWayTurnTheGrid(@TempDir Path dir) throws IOException {
    LlavaNext family = LlavaNext.read(PublishedNext.vicunaSeven(dir));
    ImageTokens stock = family.tokens(336, 336, ImageOptions.DEFAULT);
    ImageTokens original =
        family.tokens(336, 336, ImageOptions.DEFAULT.pinpoints(ImageOptions.Pinpoints.WH));
    assertEquals(576 + 24 * 25, stock.rows());
    assertEquals(576 + 24 * 25, original.rows());
    // Half of a row of two tiles is left, or half of each of two tiles.
    assertEquals(12, stock.place()[576]);
    assertEquals(List.of(1, 2), List.of(stock.crop()[576], stock.crop()[576 + 12]));
    assertEquals(12 * 24, original.place()[576]);
    assertEquals(
        List.of(1, 1, 2),
        List.of(original.crop()[576], original.crop()[576 + 23], original.crop()[576 + 12 * 24]));
  }

  @Test
  void anotherFamilysOptionIsRefused(@TempDir Path dir) throws IOException {
    LlavaNext family = LlavaNext.read(PublishedNext.vicunaSeven(dir));
    var options = ImageOptions.DEFAULT.mode(ImageMode.PAD);
    var e = assertThrows(InputException.class, () -> family.tokens(336, 336, options));
    assertEquals(
        "--image-mode pad does not apply to this model, which is LLaVA-NeXT; only LLaVA-1.5 has"
            + " that option",
        e.getMessage());
  }

  @Test
  void theFamilySaysWhatTheCheckpointSays(@TempDir Path dir) throws IOException {
    Path file = PublishedNext.vicunaSeven(dir).resolve("config.json");
    String text = Files.readString(file);
    Files.writeString(file, text.replace("\"ignore_index\"", "\"colour\": 1, \"ignore_index\""));
    Files.writeString(dir.resolve("generation_config.json"), "{\"eos_token_id\": [2, 7]}");
    LlavaNext vicuna = LlavaNext.read(dir);
    assertEquals("float16", vicuna.dtype());
    assertEquals(List.of(2, 7), vicuna.endTokens());
    assertEquals(List.of("colour"), vicuna.unknownKeys());
    assertEquals(32000, vicuna.imageToken());
    assertEquals(23, vicuna.visionBlocks());
    assertEquals(
        "23 of 24 blocks run, width 1024, 16 heads, the image and its tiles of 336x336 pixels, patch"
            + " 14: 576 patches each",
        vicuna.tower());
  }

  @Test
  void anImageIsCutIntoItsTiles() {
    Path folder = NextCheckpoint.folder("llama");
    LlavaNext family = LlavaNext.read(folder);
    var image = new Image(53, 40, new byte[3 * 53 * 40]);
    var images = family.images(folder);
    ImageInput input = images.prepare(image, ImageOptions.DEFAULT, "image");
    assertEquals(5, input.crops().size());
    assertEquals(family.tokens(40, 53, ImageOptions.DEFAULT), input.tokens());
    assertEquals(images.tokens(40, 53, ImageOptions.DEFAULT), input.tokens());
    var pad = ImageOptions.DEFAULT.mode(ImageMode.PAD);
    for (Executable asking :
        List.<Executable>of(
            () -> images.prepare(image, pad, "image"), () -> images.tokens(40, 53, pad))) {
      assertTrue(
          assertThrows(InputException.class, asking)
              .getMessage()
              .startsWith("--image-mode pad does not apply to this model"));
    }
  }

  /** 88 rows of an image of five crops, of which 18 enter a context of 60. */
  @Test
  void anImageOfMoreRowsThanTheContextIsPrunedBeforeTheDecoder(@TempDir Path dir)
      throws IOException {
    Path folder = NextCheckpoint.folder("llama");
    String config = Files.readString(folder.resolve("config.json"));
    String shorter =
        config.replaceAll("\"max_position_embeddings\": *\\d+", "\"max_position_embeddings\": 60");
    Files.writeString(dir.resolve("config.json"), shorter);
    Files.copy(folder.resolve("model.safetensors"), dir.resolve("model.safetensors"));
    Files.copy(folder.resolve("preprocessor_config.json"), dir.resolve("preprocessor_config.json"));
    try (NextCheckpoint small = NextCheckpoint.open(dir, CpuDevice.open(1))) {
      assertEquals(60, small.family().text().maxPositionEmbeddings());
      var image = new Image(56, 56, new byte[3 * 56 * 56]);
      ImageInput input = small.family().images(dir).prepare(image, ImageOptions.DEFAULT, "image");
      assertEquals(16 + 8 * 9, input.tokens().rows());
      Outcome out = small.run(List.of(input), "fastervlm:keep=10", Mode.COMPACT);
      assertEquals(10, out.kept().getFirst().size());
    }
  }
}
