package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.image.Preprocess;
import starling.input.InputException;

/** How the tiles of LLaVA-NeXT are prepared: in the one size that the tower sees. */
class TileBordersTest {
  private static final List<List<Integer>> SIZES = List.of(List.of(336, 672), List.of(672, 336));

  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void own() {
    file = folder.resolve("preprocessor_config.json");
  }

  private Preprocess tiles(String json, int side) throws IOException {
    Files.writeString(file, json.replace('\'', '"'));
    return PreprocessorConfig.tiles(folder, side, SIZES);
  }

  private Preprocess tiles(String fields) throws IOException {
    return tiles("{" + fields + "}", 336);
  }

  private void refused(String fields, String sentence) {
    var e = assertThrows(InputException.class, () -> tiles(fields), fields);
    assertEquals(file + ": " + sentence, e.getMessage());
  }

  private static final String CROP = ",'crop_size':{'height':336,'width':336}";

  @Test
  void everyFormOfTheTowersSizeIsRead() throws IOException {
    Preprocess edge = tiles("'size':{'shortest_edge':336}" + CROP);
    assertEquals(336, edge.shortestEdge());
    assertEquals(336, edge.cropWidth());
    assertEquals(336, edge.cropHeight());
    assertEquals(edge, tiles("'size':336,'crop_size':336"));
    Preprocess square = tiles("'size':{'height':336,'width':336}" + CROP);
    assertEquals(0, square.shortestEdge());
    assertEquals(336, square.width());
    assertEquals(336, square.height());
    assertEquals(224, tiles("{}", 224).shortestEdge(), "the default");
    assertEquals(1, tiles("{'size':1,'crop_size':1}", 1).shortestEdge());
  }

  @Test
  void everyOtherSizeIsRefused() {
    String sentence =
        "size and crop_size must both be 336, the image_size of vision_config in config.json";
    for (String size :
        List.of(
            "335",
            "337",
            "{'shortest_edge':335}",
            "{'shortest_edge':337}",
            "{'height':335,'width':336}",
            "{'height':337,'width':336}",
            "{'height':336,'width':335}",
            "{'height':336,'width':337}")) {
      refused("'size':" + size + CROP, sentence);
    }
    for (String crop :
        List.of(
            "335",
            "337",
            "{'height':335,'width':336}",
            "{'height':337,'width':336}",
            "{'height':336,'width':335}",
            "{'height':336,'width':337}")) {
      refused("'size':336,'crop_size':" + crop, sentence);
      refused("'size':{'height':336,'width':336},'crop_size':" + crop, sentence);
    }
    refused("", sentence);
  }

  @Test
  void theSizesOfAnImageAreThoseOfTheConfiguration() throws IOException {
    String size = "'size':336" + CROP + ",";
    tiles(size + "'image_grid_pinpoints':[[336,672],[672,336]],'aspect_ratio_setting':'anyres'");
    tiles(size + "'image_grid_pinpoints':null");
    String end = ", but config.json has [[336, 672], [672, 336]]";
    for (String other :
        List.of(
            "[[336,672]]",
            "[[672,336],[336,672]]",
            "[[336,672],[672,337]]",
            "[]",
            "[[336,672],[672,336],[672,672]]",
            "\"anyres\"")) {
      refused(size + "'image_grid_pinpoints':" + other, "image_grid_pinpoints is " + other + end);
    }
  }

  @Test
  void theProcessorIsOneOfTiles() throws IOException {
    String size = "'size':336" + CROP + ",";
    for (String name :
        List.of(
            "LlavaNextImageProcessor",
            "LlavaNextImageProcessorFast",
            "LlavaNextImageProcessorPil")) {
      tiles(size + "'image_processor_type':'" + name + "'");
    }
    refused(
        size + "'image_processor_type':'CLIPImageProcessor'",
        "image_processor_type is 'CLIPImageProcessor', which prepares images in another way");
    refused(size + "'sharpen':1", "sharpen is not known, and may change the pixels");
  }

  @Test
  void aFieldOfTheCombinedFileIsNamedWithItsObject() throws IOException {
    file = folder.resolve("processor_config.json");
    String inside = "{'image_processor':{'size':%d,'crop_size':336}}";
    assertEquals(336, tiles(inside.formatted(336), 336).shortestEdge());
    var e = assertThrows(InputException.class, () -> tiles(inside.formatted(337), 336));
    assertEquals(
        file
            + ": image_processor.size and crop_size must both be 336, the image_size of"
            + " vision_config in config.json",
        e.getMessage());
  }
}
