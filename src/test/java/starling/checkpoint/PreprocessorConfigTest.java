package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.checkpoint.SafetensorsTest.Refusal;
import starling.image.Preprocess;

class PreprocessorConfigTest {
  @TempDir Path dir;

  @Test
  void absentFieldsHaveClipsDefaults() throws IOException {
    Preprocess config = read("{}");
    assertTrue(config.doResize() && config.doCenterCrop() && config.doNormalize());
    assertEquals(3, config.resample());
    assertEquals(224, config.shortestEdge());
    assertEquals(224, config.cropWidth());
    assertEquals(1 / 255.0, config.rescaleFactor());
  }

  @Test
  void everyFormOfASizeReadsTheSame() throws IOException {
    Preprocess old = read("{\"size\":336,\"crop_size\":336}");
    String recent =
        "{\"size\":{\"shortest_edge\":336},\"crop_size\":{\"height\":336,\"width\":336}}";
    assertEquals(old, read(recent));
    assertNotEquals(old, read("{\"size\":{\"height\":336,\"width\":336},\"crop_size\":336}"));
    Files.delete(dir.resolve("preprocessor_config.json"));
    Files.writeString(dir.resolve("processor_config.json"), "{\"image_processor\":" + recent + "}");
    assertEquals(old, PreprocessorConfig.read(dir));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"resample\":6 | resample",
        "\"resample\":-1 | resample",
        "\"size\":0 | size",
        "\"size\":{\"longest_edge\":5} | size",
        "\"crop_size\":{\"height\":5} | crop_size",
        "\"crop_size\":99999999 | crop_size",
        "\"image_std\":[1,0,1] | image_std holds 0.0; pixels are divided by it",
        "\"image_std\":[1,1,-0.5] | image_std holds -0.5; pixels are divided by it",
        "\"image_std\":[1e-10,1,1] | image_std holds 1.0E-10; pixels are divided by it",
        "\"image_std\":[1,1e400,1] | image_std holds Infinity; numbers between",
        "\"image_std\":[1,1,1,1] | image_std is [1,1,1,1]; three numbers are needed",
        "\"image_std\":[1,1,\"1\"] | three numbers are needed",
        "\"image_std\":[1,1,null] | three numbers are needed",
        "\"image_std\":{\"r\":1,\"g\":1,\"b\":1} | three numbers are needed",
        "\"image_std\":1 | image_std is 1; three numbers are needed",
        "\"image_mean\":[1,2] | image_mean is [1,2]; three numbers are needed",
        "\"image_mean\":[0,0,-1e6] | image_mean holds -1000000.0; numbers between",
        "\"rescale_factor\":0 | rescale_factor",
        "\"do_resize\":\"yes\" | do_resize",
        "\"image_grid_pinpoints\":[[336,672]] | image_grid_pinpoints",
      })
  void refusesWhatCannotBeDone(String field, String name) {
    Refusal.of(() -> read("{" + field + "}"), "preprocessor_config.json", name);
  }

  @Test
  void anAbsentFileIsRefusedByName() throws IOException {
    Refusal.of(() -> PreprocessorConfig.read(dir), "preprocessor_config.json");
    Files.writeString(dir.resolve("processor_config.json"), "{\"patch_size\":14}");
    Refusal.of(() -> PreprocessorConfig.read(dir), "preprocessor_config.json");
  }

  private Preprocess read(String json) throws IOException {
    Files.writeString(dir.resolve("preprocessor_config.json"), json);
    return PreprocessorConfig.read(dir);
  }
}
