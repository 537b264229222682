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
import starling.image.SmartResize;
import starling.input.InputException;
import starling.input.Limits;

/** How Qwen's images are prepared, at the last value of every field that is read. */
class QwenImageBordersTest {
  private static final QwenVisionConfig TOWER = tower(14, 2);

  @TempDir Path folder;
  private Path file;

  @BeforeEach
  void own() {
    file = folder.resolve("preprocessor_config.json");
  }

  private static QwenVisionConfig tower(int patch, int frames) {
    return new QwenVisionConfig(32, 44, 4, 2, patch, 2, frames, 112, List.of(1, 3), 48);
  }

  private SmartResize read(String json, QwenVisionConfig tower) throws IOException {
    Files.writeString(file, json.replace('\'', '"'));
    return QwenPreprocessorConfig.read(folder, tower);
  }

  private SmartResize read(String fields) throws IOException {
    return read("{" + fields + "}", TOWER);
  }

  private void refused(String fields, String sentence) {
    var e = assertThrows(InputException.class, () -> read(fields), fields);
    assertEquals(file + ": " + sentence, e.getMessage());
  }

  @Test
  void absentFieldsHaveTransformersDefaults() throws IOException {
    List<Double> mean = List.of(0.48145466, 0.4578275, 0.40821073);
    List<Double> std = List.of(0.26862954, 0.26130258, 0.27577711);
    assertEquals(new SmartResize(28, 3136, 1_003_520, 3, mean, std), read(""));
    assertEquals(
        new SmartResize(28, 3136, 1_003_520, 5, List.of(0.0, 0.5, 1.0), List.of(1.0, 2.0, 3.0)),
        read(
            "'resample':5,'image_mean':[0,0.5,1],'image_std':[1,2,3],'do_resize':true,"
                + "'do_rescale':true,'do_normalize':true,'merge_size':2,'patch_size':14,"
                + "'temporal_patch_size':2,'unknown':null"));
    assertEquals(0, read("'resample':0").resample());
  }

  @Test
  void pixelsMakeOneTokenToTheLimit() throws IOException {
    int cell = 28 * 28;
    long most = (long) cell * Limits.IMAGE_TOKENS;
    assertEquals(cell, read("'min_pixels':1,'max_pixels':" + cell).maxPixels());
    assertEquals(most, read("'max_pixels':" + most).maxPixels());
    assertEquals(most + cell - 1, read("'max_pixels':" + (most + cell - 1)).maxPixels());
    String sentence =
        " is %d, for %d visual tokens; at least min_pixels, %d, and 1 to 16384 tokens are supported";
    refused(
        "'min_pixels':1,'max_pixels':" + (cell - 1),
        "max_pixels" + sentence.formatted(cell - 1, 0, 1));
    refused(
        "'max_pixels':" + (most + cell),
        "max_pixels" + sentence.formatted(most + cell, Limits.IMAGE_TOKENS + 1, 3136));
    refused(
        "'size':{'longest_edge':" + (most + cell) + "}",
        "size.longest_edge" + sentence.formatted(most + cell, Limits.IMAGE_TOKENS + 1, 3136));
    refused(
        "'max_pixels':9223372036854775807",
        "max_pixels" + sentence.formatted(Long.MAX_VALUE, Long.MAX_VALUE / cell, 3136));
  }

  @Test
  void theLeastPixelsAreAtMostTheMost() throws IOException {
    SmartResize one = read("'min_pixels':7840,'max_pixels':7840");
    assertEquals(7840, one.minPixels());
    assertEquals(7840, one.maxPixels());
    refused(
        "'min_pixels':7841,'max_pixels':7840",
        "max_pixels is 7840, for 10 visual tokens; at least min_pixels, 7841, and 1 to 16384 tokens"
            + " are supported");
  }

  @Test
  void aNumberOfPixelsIsAWholeOneFromOne() throws IOException {
    assertEquals(1, read("'min_pixels':1").minPixels());
    assertEquals(1, read("'size':{'shortest_edge':1}").minPixels());
    for (String wrong : List.of("0", "-1", "1.5", "9223372036854775808", "\"784\"", "[784]")) {
      String end = " is " + wrong + "; a number of pixels is needed";
      refused("'min_pixels':" + wrong, "min_pixels" + end);
      refused("'max_pixels':" + wrong, "max_pixels" + end);
      refused("'size':{'shortest_edge':" + wrong + "}", "size.shortest_edge" + end);
      refused("'size':{'longest_edge':" + wrong + "}", "size.longest_edge" + end);
    }
  }

  /** The name of its own counts before that inside the size. */
  @Test
  void ofTwoNamesTheOwnCounts() throws IOException {
    SmartResize both =
        read("'min_pixels':784,'max_pixels':7840,'size':{'shortest_edge':5,'longest_edge':78400}");
    assertEquals(784, both.minPixels());
    assertEquals(7840, both.maxPixels());
    SmartResize size = read("'size':{'shortest_edge':785,'longest_edge':78400}");
    assertEquals(785, size.minPixels());
    assertEquals(78_400, size.maxPixels());
    SmartResize mixed = read("'min_pixels':784,'size':{'longest_edge':78400}");
    assertEquals(784, mixed.minPixels());
    assertEquals(78_400, mixed.maxPixels());
    refused("'size':{'width':5}", "size.width is 5, which is not supported");
    refused("'size':5", "size is not an object");
  }

  @Test
  void patchesAreTheTowers() throws IOException {
    assertEquals(32, read("{'patch_size':16}", tower(16, 2)).factor());
    assertEquals(28, read("{'temporal_patch_size':1}", tower(14, 1)).factor());
    refused("'patch_size':13", "patch_size is 13, but config.json (vision_config) says 14");
    refused("'merge_size':3", "merge_size is 3, but config.json (vision_config) says 2");
    refused(
        "'temporal_patch_size':1",
        "temporal_patch_size is 1, but config.json (vision_config) says 2");
    refused("'patch_size':0", "patch_size is 0; it must be at least 1 and at most " + Limits.SIZE);
    String absent = " is %d, but config.json (vision_config) says %d";
    assertEquals(
        file + ": patch_size" + absent.formatted(14, 16),
        assertThrows(InputException.class, () -> read("{}", tower(16, 2))).getMessage());
    assertEquals(
        file + ": temporal_patch_size" + absent.formatted(2, 1),
        assertThrows(InputException.class, () -> read("{}", tower(14, 1))).getMessage());
  }

  @Test
  void nothingIsLeftOutAndFiltersArePillows() throws IOException {
    for (String step : List.of("do_resize", "do_rescale", "do_normalize")) {
      refused("'" + step + "':false", step + " is false, which is not supported");
    }
    refused("'resample':6", "resample is 6; Pillow's filters are 0 to 5");
    refused("'resample':-1", "resample is -1; it must be at least 0 and at most " + Limits.SIZE);
    refused("'sharpen':1", "sharpen is not known, and may change the pixels");
  }

  @Test
  void aPixelIsDividedBy255() throws IOException {
    read("'rescale_factor':" + 1 / 255.0);
    read("'rescale_factor':" + (1 / 255.0 + 9e-13));
    read("'rescale_factor':" + (1 / 255.0 - 9e-13));
    for (double factor : new double[] {1 / 255.0 + 2e-12, 1 / 255.0 - 2e-12, 0, -1 / 255.0}) {
      refused("'rescale_factor':" + factor, "rescale_factor is " + factor + "; 1/255 is supported");
    }
  }

  @Test
  void theProcessorIsOneOfQwens() throws IOException {
    for (String name :
        List.of(
            "Qwen2VLImageProcessor",
            "Qwen2VLImageProcessorFast",
            "Qwen2VLImageProcessorPil",
            "Qwen2_5_VLImageProcessor")) {
      assertEquals(28, read("'image_processor_type':'" + name + "'").factor());
    }
    refused(
        "'image_processor_type':'LlavaImageProcessor'",
        "image_processor_type is 'LlavaImageProcessor', which prepares images in another way");
  }

  @Test
  void theFileOfTheProcessorIsReadWhereThereIsNoOther() throws IOException {
    Path own = file;
    file = folder.resolve("processor_config.json");
    assertEquals(7840, read("{'image_processor':{'max_pixels':7840}}", TOWER).maxPixels());
    assertEquals(
        file + ": image_processor.max_pixels is 0; a number of pixels is needed",
        assertThrows(
                InputException.class, () -> read("{'image_processor':{'max_pixels':0}}", TOWER))
            .getMessage());
    assertEquals(
        own + ": there is no such file, and processor_config.json has no image_processor",
        assertThrows(InputException.class, () -> read("{}", TOWER)).getMessage());
    Files.writeString(own, "{\"max_pixels\":784,\"min_pixels\":1}");
    assertEquals(784, read("{}", TOWER).maxPixels(), "the own one counts");
  }
}
