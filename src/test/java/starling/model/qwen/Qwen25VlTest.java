package starling.model.qwen;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.device.Span;
import starling.image.Image;
import starling.image.ImageMode;
import starling.input.InputException;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.Layout;
import starling.model.Positions;
import starling.prune.ImageTokens;
import starling.text.Template;

/** What the family says of the two published sizes. */
class Qwen25VlTest {
  @TempDir Path dir;

  @Test
  void twoImagesStandAsInTransformers() throws IOException {
    Qwen25Vl family = Qwen25Vl.read(PublishedQwen.three(dir));
    var layout = new Layout(20, List.of(new Span(4, 10), new Span(13, 17)), List.of());
    Positions positions =
        family.positions(layout, List.of(family.tokens(2, 3), family.tokens(2, 2)));
    assertArrayEquals(
        new int[] {
          0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 7, 8, 9, 10, 10, 10, 10, 12, 13, 14, //
          0, 1, 2, 3, 4, 4, 4, 5, 5, 5, 7, 8, 9, 10, 10, 11, 11, 12, 13, 14, //
          0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9, 10, 11, 10, 11, 12, 13, 14
        },
        positions.values());
    assertEquals(3, positions.axes());
    assertEquals(15, positions.next());
  }

  @ParameterizedTest
  @CsvSource({"4, 4, -2", "8, 8, -12", "10, 14, -28", "22, 6, -22", "2, 18, 0"})
  void decodingGoesOnBehindTheLongerSide(int h, int w, int delta) throws IOException {
    Qwen25Vl family = Qwen25Vl.read(PublishedQwen.three(dir));
    ImageTokens tokens = family.tokens(h / 2, w / 2);
    int rows = tokens.rows() + 7;
    var layout = new Layout(rows, List.of(new Span(3, 3 + tokens.rows())), List.of());
    assertEquals(rows + delta, family.positions(layout, List.of(tokens)).next());
  }

  @Test
  void textAloneCountsOnAllAxes() throws IOException {
    Qwen25Vl family = Qwen25Vl.read(PublishedQwen.three(dir));
    Positions positions = family.positions(new Layout(4, List.of(), List.of()), List.of());
    assertArrayEquals(IntStream.range(0, 12).map(i -> i % 4).toArray(), positions.values());
    assertEquals(4, positions.next());
  }

  /** 2.073, 7.261 and 15.35 TFLOP: tower and merger of the 7B model. */
  @ParameterizedTest
  @CsvSource({"34, 46, 2.073", "72, 72, 7.261", "74, 138, 15.35"})
  void theTowersWorkIsCounted(int h, int w, double tera) throws IOException {
    Qwen25Vl family = Qwen25Vl.read(PublishedQwen.seven(dir));
    ImageTokens image = family.tokens(h / 2, w / 2);
    double flops = family.towerFlops(image) + family.projectorFlops(image.rows());
    assertEquals(tera, flops / 1e12, tera * 4e-4);
  }

  @Test
  void anImageHasTheTokensOfItsSizeAndOfTheOptions() throws IOException {
    Qwen25Vl family = Qwen25Vl.read(PublishedQwen.three(dir));
    var image = new Image(640, 427, new byte[3 * 640 * 427]);
    ImageInput own = family.images(dir).prepare(image, ImageOptions.DEFAULT, "image");
    assertEquals(345, own.tokens().candidates());
    assertEquals(
        own.tokens(), family.images(dir).tokens(427, 640, ImageOptions.DEFAULT), "the same");
    assertEquals(0, own.tokens().fixedRows());
    assertEquals(30 * 46, own.tokens().towerRows());
    ImageInput few =
        family.images(dir).prepare(image, ImageOptions.DEFAULT.maxImageTokens(100), "image");
    assertEquals(96, few.tokens().candidates());
    assertEquals(8, few.tokens().crops().get(0).rows());
    assertEquals(640, few.crops().get(0).region().getWidth());
  }

  @Test
  void optionsOfOtherFamiliesAreRefused() throws IOException {
    Qwen25Vl family = Qwen25Vl.read(PublishedQwen.three(dir));
    var image = new Image(28, 28, new byte[3 * 28 * 28]);
    ImageOptions pad = ImageOptions.DEFAULT.mode(ImageMode.PAD);
    String message =
        assertThrows(InputException.class, () -> family.images(dir).prepare(image, pad, "image"))
            .getMessage();
    assertTrue(message.startsWith("--image-mode pad does not apply to this model"), message);
  }

  @Test
  void thePublishedSizesAreRead() throws IOException {
    Qwen25Vl three = Qwen25Vl.read(PublishedQwen.three(dir));
    assertEquals(List.of(), three.unknownKeys());
    assertEquals(128, three.text().headDim());
    assertEquals(1e6, three.text().ropeTheta());
    assertArrayEquals(new int[] {16, 24, 24}, three.ropeSections());
    assertEquals(List.of(151645, 151643), three.endTokens());
    assertTrue(three.config().tieWordEmbeddings());
    assertEquals(151655, three.imageToken());
    Qwen25Vl seven = Qwen25Vl.read(PublishedQwen.seven(dir));
    assertEquals(List.of(), seven.unknownKeys());
    assertEquals(28, seven.text().numAttentionHeads());
    assertEquals(80, seven.config().vision().headDim());
    assertEquals(4, seven.config().vision().windowCells());
    assertEquals(32, seven.visionBlocks());
    assertEquals(256, seven.typicalImage().candidates());
  }

  @Test
  void theFamilySaysWhatTheCheckpointSays() throws IOException {
    Qwen25Vl seven = Qwen25Vl.read(PublishedQwen.seven(dir));
    assertEquals("bfloat16", seven.dtype());
    assertEquals(Template.CHATML, seven.template());
    assertEquals(
        "32 blocks, width 1280, 16 heads, patch 14, windows of 112 pixels but in blocks [7, 15, 23,"
            + " 31]; a visual token is 28x28 pixels of an image of any size",
        seven.tower());
  }

  /** 256 cells of four rows: the image twice, once in windows' order, and what stands beside it. */
  @Test
  void theTowersMemoryIsCounted() throws IOException {
    Qwen25Vl seven = Qwen25Vl.read(PublishedQwen.seven(dir));
    long patch = 3 * 14 * 14;
    long row = 10 * 1280 + 3420 + 2 * 16;
    assertEquals(1024 * (4 * patch + row), seven.towerElements(seven.typicalImage()));
  }

  @Test
  void aKeyThatNobodyKnowsIsToldOf() throws IOException {
    Path config = PublishedQwen.seven(dir).resolve("config.json");
    String text = Files.readString(config);
    Files.writeString(config, text.replace("\"vocab_size\"", "\"colour\": 1, \"vocab_size\""));
    assertEquals(List.of("colour"), Qwen25Vl.read(dir).unknownKeys());
  }
}
