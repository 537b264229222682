package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.image.Preprocess;
import starling.input.InputException;
import starling.input.Limits;

/** The sizes of a decoder, a tower and an image at the last value that is read, and behind it. */
class ConfigBordersTest {
  private static Fields of(String json) {
    try {
      return new Fields(
          Path.of("f.json"), "", new ObjectMapper().readTree(json.replace('\'', '"')));
    } catch (IOException e) {
      throw new IllegalArgumentException(e);
    }
  }

  private static String refusal(String json, Function<Fields, Object> read) {
    Fields fields = of(json);
    String sentence =
        assertThrows(InputException.class, () -> read.apply(fields), json).getMessage();
    return sentence.substring("f.json: ".length());
  }

  @Test
  void aDecoderHasTransformersDefaults() {
    assertEquals(
        new TextConfig(4096, 11008, 32, 32, 32, 128, 1e-6f, 10000, 2048, 32000, false, false),
        TextConfig.read(of("{}")));
    assertEquals(
        new TextConfig(12, 5, 3, 6, 2, 4, 1e-5f, 500, 7, 9, true, true),
        TextConfig.read(
            of(
                """
                {'hidden_size':12,'intermediate_size':5,'num_hidden_layers':3,
                 'num_attention_heads':6,'num_key_value_heads':2,'head_dim':4,'rms_norm_eps':1e-5,
                 'rope_theta':500,'max_position_embeddings':7,'vocab_size':9,
                 'attention_bias':true,'mlp_bias':true}""")));
    assertEquals(2, TextConfig.read(of("{'hidden_size':12,'num_attention_heads':6}")).headDim());
  }

  @Test
  void headsDivideWhatTheyShare() {
    assertEquals(
        "num_attention_heads is 6, not a multiple of num_key_value_heads 4",
        refusal("{'num_attention_heads':6,'num_key_value_heads':4}", TextConfig::read));
    assertEquals(
        "hidden_size is 10, not a multiple of num_attention_heads 4",
        refusal("{'hidden_size':10,'num_attention_heads':4}", TextConfig::read));
    String apart = "{'hidden_size':10,'num_attention_heads':4,'head_dim':6}";
    assertEquals(6, TextConfig.read(of(apart)).headDim(), "a head of its own width");
    assertEquals(
        "head_dim is 3; rotary embeddings need an even one",
        refusal("{'head_dim':3}", TextConfig::read));
    assertEquals(
        "hidden_size is 13, not a multiple of num_attention_heads 4",
        refusal("{'hidden_size':13,'num_attention_heads':4}", ClipConfig::read));
  }

  @Test
  void headsTogetherAreAsWideAsTheLimit() {
    int half = Limits.SIZE / 2 / 2 * 2;
    String two = "{'num_attention_heads':2,'head_dim':%d}";
    assertEquals(half, TextConfig.read(of(two.formatted(half))).headDim());
    assertEquals(
        "head_dim is " + (half + 2) + " for 2 heads; that is absurdly wide",
        refusal(two.formatted(half + 2), TextConfig::read));
  }

  @Test
  void layersAreAsManyAsTheLimit() {
    String layers = "{'num_hidden_layers':%d}";
    int most = Limits.LAYERS;
    assertEquals(most, TextConfig.read(of(layers.formatted(most))).numHiddenLayers());
    assertEquals(most, ClipConfig.read(of(layers.formatted(most))).numHiddenLayers());
    String sentence = "num_hidden_layers is " + (most + 1) + "; at most " + most + " are supported";
    assertEquals(sentence, refusal(layers.formatted(most + 1), TextConfig::read));
    assertEquals(sentence, refusal(layers.formatted(most + 1), ClipConfig::read));
  }

  @Test
  void ropesBaseIsTheSameWhereverItStands() {
    assertEquals(500, theta("{'rope_theta':500}"));
    assertEquals(500, theta("{'rope_parameters':{'rope_theta':500,'rope_type':'default'}}"));
    assertEquals(500, theta("{'rope_scaling':{'rope_theta':500,'type':'default'}}"));
    assertEquals(500, theta("{'rope_theta':500,'rope_parameters':{'rope_theta':500}}"));
    assertEquals(500, theta("{'rope_theta':500,'rope_scaling':{}}"));
    assertEquals(
        "rope_theta is 500.0, but rope_parameters.rope_theta is 400.0",
        refusal("{'rope_theta':500,'rope_parameters':{'rope_theta':400}}", TextConfig::read));
    assertEquals(
        "rope_theta is 500.0, but rope_scaling.rope_theta is 400.0",
        refusal(
            "{'rope_parameters':{'rope_theta':500},'rope_scaling':{'rope_theta':400}}",
            TextConfig::read));
    assertEquals(
        "rope_scaling.factor is 2, which is not supported",
        refusal("{'rope_scaling':{'factor':2}}", TextConfig::read));
    assertEquals(
        "rope_scaling.type is 'linear'; supported is default",
        refusal("{'rope_scaling':{'type':'linear'}}", TextConfig::read));
  }

  private static double theta(String json) {
    return TextConfig.read(of(json)).ropeTheta();
  }

  @Test
  void aTowerHasTransformersDefaults() {
    ClipConfig clip = ClipConfig.read(of("{}"));
    assertEquals(new ClipConfig(768, 3072, 12, 12, 224, 32, "quick_gelu", 1e-5f), clip);
    assertEquals(64, clip.headDim());
    assertEquals(7, clip.grid());
    assertEquals(49, clip.patches());
    assertEquals(
        "num_channels is 1; 3 is supported", refusal("{'num_channels':1}", ClipConfig::read));
  }

  @Test
  void aTowersGridIsAsLargeAsTheLimit() {
    int grid = (int) Math.sqrt(Limits.PATCHES);
    String size = "{'image_size':%d,'patch_size':%d}";
    assertEquals(grid, ClipConfig.read(of(size.formatted(grid, 1))).grid());
    assertEquals(1, ClipConfig.read(of(size.formatted(31, 31))).grid());
    int side = Limits.IMAGE_SIDE;
    assertEquals(1, ClipConfig.read(of(size.formatted(side, side))).grid());
    for (int[] s : new int[][] {{grid + 1, 1}, {31, 32}, {side + 1, side + 1}}) {
      String sentence = refusal(size.formatted(s[0], s[1]), ClipConfig::read);
      assertEquals(
          "image_size is %d with patch_size %d; at most %d pixels and 1 to %d patches are supported"
              .formatted(s[0], s[1], side, Limits.PATCHES),
          sentence);
    }
  }

  // ---- images ----

  @TempDir Path dir;

  private Preprocess preprocess(String json) throws IOException {
    Files.writeString(dir.resolve("preprocessor_config.json"), json.replace('\'', '"'));
    return PreprocessorConfig.read(dir);
  }

  private String refused(String json) {
    String sentence = assertThrows(InputException.class, () -> preprocess(json), json).getMessage();
    return sentence.substring(sentence.indexOf(": ") + 2);
  }

  @Test
  void anImagesFieldsAreReadEachForItself() throws IOException {
    assertEquals(
        new Preprocess(
            false,
            5,
            0,
            7,
            9,
            false,
            4,
            6,
            false,
            0.5,
            false,
            List.of(-999_999.0, 0.0, 1.0),
            List.of(1e-9, 1.0, 2.0),
            true),
        preprocess(
            """
            {'do_resize':false,'resample':5,'size':{'height':7,'width':9},'do_center_crop':false,
             'crop_size':{'height':4,'width':6},'do_rescale':false,'rescale_factor':0.5,
             'do_normalize':false,'image_mean':[-999999,0,1],'image_std':[1e-9,1,2],'do_pad':true,
             'unknown':null}"""));
    Preprocess clip = preprocess("{}");
    assertEquals(List.of(0.48145466, 0.4578275, 0.40821073), clip.imageMean());
    assertEquals(List.of(0.26862954, 0.26130258, 0.27577711), clip.imageStd());
    assertTrue(clip.doRescale());
    assertFalse(clip.doPad());
    assertEquals(0, preprocess("{'resample':0}").resample());
  }

  @Test
  void anImageIsAsLargeAsTheLimit() throws IOException {
    int side = Limits.IMAGE_SIDE;
    assertEquals(side, preprocess("{'size':" + side + "}").shortestEdge());
    assertEquals(
        "size is " + (side + 1) + "; at most " + side + " is supported",
        refused("{'size':" + (side + 1) + "}"));
    assertEquals("resample is 6; Pillow's filters are 0 to 5", refused("{'resample':6}"));
  }

  @Test
  void onlyKnownProcessorsAndFormsOfASizeAreRead() throws IOException {
    preprocess("{'image_processor_type':'LlavaImageProcessorFast'}");
    preprocess("{'feature_extractor_type':'CLIPFeatureExtractor'}");
    assertEquals(
        "image_processor_type is 'Other', which prepares images in another way",
        refused("{'feature_extractor_type':'Other'}"));
    assertEquals(
        "do_split_image is true, which is not supported", refused("{'do_split_image':true}"));
    preprocess("{'do_split_image':false,'default_to_square':false}");
    preprocess("{'default_to_square':true,'size':{'height':7,'width':9}}");
    assertEquals(
        "default_to_square is true, which is not supported",
        refused("{'default_to_square':true,'size':7}"));
    String forms = "; a number, shortest_edge, or height and width are supported";
    assertEquals(
        "size is {\"shortest_edge\":5,\"longest_edge\":6}" + forms,
        refused("{'size':{'shortest_edge':5,'longest_edge':6}}"));
    assertEquals(
        "size is {\"height\":5,\"depth\":6}" + forms, refused("{'size':{'height':5,'depth':6}}"));
    assertEquals(
        "size is {\"width\":5,\"depth\":6}" + forms, refused("{'size':{'width':5,'depth':6}}"));
    assertEquals(
        "size is {\"height\":5,\"width\":6,\"depth\":7}" + forms,
        refused("{'size':{'height':5,'width':6,'depth':7}}"));
    assertEquals(
        "crop_size is {\"shortest_edge\":5}" + forms, refused("{'crop_size':{'shortest_edge':5}}"));
  }

  @Test
  void whatComesOutFitsTheTower() throws IOException {
    preprocess("{'size':7,'crop_size':6}");
    assertTrue(PreprocessorConfig.isIn(dir));
    assertEquals(6, PreprocessorConfig.read(dir, 6).cropWidth());
    String name = dir.resolve("preprocessor_config.json").toString();
    String asks = " pixels of every image, but config.json (vision_config image_size) asks for 8x8";
    assertEquals(
        name + ": crop_size makes 6x6" + asks,
        assertThrows(InputException.class, () -> PreprocessorConfig.read(dir, 8)).getMessage());
    preprocess("{'size':7,'do_center_crop':false}");
    assertEquals(
        name + ": size makes at least 7x7" + asks,
        assertThrows(InputException.class, () -> PreprocessorConfig.read(dir, 8)).getMessage());
    Files.delete(dir.resolve("preprocessor_config.json"));
    assertFalse(PreprocessorConfig.isIn(dir));
    Files.writeString(dir.resolve("processor_config.json"), "{}");
    assertTrue(PreprocessorConfig.isIn(dir));
    assertEquals(
        name + ": there is no such file, and processor_config.json has no image_processor",
        assertThrows(InputException.class, () -> PreprocessorConfig.read(dir)).getMessage());
  }
}
