package starling.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.input.InputException;
import starling.input.Limits;

/** Every size of a Qwen checkpoint at the last value that is read, and the sentence behind it. */
class QwenBordersTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String VISION =
      """
      {'depth':4,'hidden_size':32,'intermediate_size':44,'num_heads':2,'patch_size':14,
       'spatial_merge_size':2,'temporal_patch_size':2,'window_size':112,'out_hidden_size':48,
       'fullatt_block_indexes':[1,3]}""";

  private static final String TEXT =
      """
      {'model_type':'qwen2_5_vl','hidden_size':48,'intermediate_size':64,'num_hidden_layers':3,
       'num_attention_heads':3,'num_key_value_heads':1,'rms_norm_eps':1e-06,'vocab_size':96,
       'rope_theta':1e6,'rope_scaling':{'type':'mrope','mrope_section':[2,3,3]}}""";

  @TempDir Path dir;

  /** An object with some of its fields replaced. */
  private static ObjectNode with(String object, String fields) {
    try {
      var node = (ObjectNode) JSON.readTree(object.replace('\'', '"'));
      JsonNode other = JSON.readTree(("{" + fields + "}").replace('\'', '"'));
      other.properties().forEach(f -> node.set(f.getKey(), f.getValue()));
      return node;
    } catch (IOException e) {
      throw new IllegalArgumentException(e);
    }
  }

  // ---- the tower ----

  private static QwenVisionConfig tower(String fields) {
    return QwenVisionConfig.read(new Fields(Path.of("f.json"), "v.", with(VISION, fields)));
  }

  private static void refusedTower(String fields, String sentence) {
    var e = assertThrows(InputException.class, () -> tower(fields), fields);
    assertEquals("f.json: v." + sentence, e.getMessage());
  }

  @Test
  void blocksAreAsManyAsTheLimit() {
    int most = Limits.LAYERS;
    String blocks = "'depth':%d,'fullatt_block_indexes':[%d]";
    assertEquals(1, tower(blocks.formatted(1, 0)).depth());
    assertEquals(most, tower(blocks.formatted(most, most - 1)).depth());
    refusedTower(
        blocks.formatted(most + 1, most),
        "depth is " + (most + 1) + "; at most " + most + " are supported");
    refusedTower("'depth':0", "depth is 0; it must be at least 1 and at most " + Limits.SIZE);
  }

  @Test
  void aHeadIsAMultipleOfFourWide() {
    assertEquals(4, tower("'hidden_size':4,'num_heads':1").headDim());
    assertEquals(4, tower("'hidden_size':8,'num_heads':2").headDim());
    String end = "; a head must be a multiple of four wide, half for rows and half for columns";
    refusedTower("'hidden_size':9,'num_heads':2", "hidden_size is 9 for num_heads 2" + end);
    refusedTower("'hidden_size':6,'num_heads':1", "hidden_size is 6 for num_heads 1" + end);
  }

  @Test
  void aPatchHasTwoFramesToSixteenAndFourMakeAToken() {
    assertEquals(16, tower("'temporal_patch_size':16").temporalPatchSize());
    assertEquals(1, tower("'temporal_patch_size':1").temporalPatchSize());
    refusedTower("'temporal_patch_size':17", "temporal_patch_size is 17; at most 16 is supported");
    refusedTower("'spatial_merge_size':1", "spatial_merge_size is 1; 2 is supported");
    refusedTower("'spatial_merge_size':3", "spatial_merge_size is 3; 2 is supported");
    refusedTower("'in_channels':4", "in_channels is 4; 3 is supported");
    refusedTower("'in_chans':2", "in_chans is 2; 3 is supported");
    assertEquals(4, tower("'in_channels':3,'in_chans':3").depth());
  }

  @Test
  void aWindowIsBetweenATokenAndTheLargestImage() {
    int side = Limits.IMAGE_SIDE;
    String sizes = "'window_size':%d,'patch_size':%d";
    assertEquals(1, tower(sizes.formatted(28, 14)).windowCells());
    assertEquals(1, tower(sizes.formatted(2, 1)).windowCells());
    assertEquals(1, tower(sizes.formatted(side, side / 2)).windowCells());
    assertEquals(side / 2, tower(sizes.formatted(side, 1)).windowCells());
    for (int[] s :
        new int[][] {{27, 14}, {1, 1}, {side + 1, 1}, {side, side / 2 + 1}, {side, side + 1}}) {
      refusedTower(
          sizes.formatted(s[0], s[1]),
          "window_size is %d with patch_size %d; at least a visual token of %d pixels and at most %d are supported"
              .formatted(s[0], s[1], 2 * s[1], side));
    }
  }

  @Test
  void theLastBlockSeesTheWholeImage() {
    assertEquals(List.of(3), tower("'fullatt_block_indexes':[3]").fullattBlockIndexes());
    assertEquals(List.of(3), tower("'fullatt_block_indexes':3").fullattBlockIndexes());
    assertEquals(2, tower("'fullatt_block_indexes':[0,3]").fullBlocks());
    assertEquals(1, tower("'fullatt_block_indexes':[3,3]").fullBlocks());
    String end =
        " for 4 blocks; the last, 3, has to be among them, because images are pruned by its attention";
    for (String list : List.of("[]", "[2]", "[3, 4]", "[4]")) {
      refusedTower("'fullatt_block_indexes':" + list, "fullatt_block_indexes is " + list + end);
    }
    refusedTower(
        "'fullatt_block_indexes':[3,-1]", "fullatt_block_indexes holds -1, which is no token id");
  }

  @Test
  void sizesOfATokenAndScoresOfAnImageAreToldByHand() {
    QwenVisionConfig v = tower("");
    assertEquals(16, v.headDim());
    assertEquals(4, v.cellRows());
    assertEquals(28, v.cellSize());
    assertEquals(4, v.windowCells());
    assertEquals(2, v.fullBlocks());
    // Two heads; two blocks see all rows, two the 4x4 tokens of four rows of a window.
    assertEquals(2 * 100 * (2 * 100 + 2 * 64), v.scores(100));
    assertEquals(2 * 64 * (2 * 64 + 2 * 64), v.scores(64));
    assertEquals(2 * 10 * (2 * 10 + 2 * 10), v.scores(10));
    QwenVisionConfig other =
        tower("'depth':7,'num_heads':1,'window_size':90,'fullatt_block_indexes':[6,6]");
    assertEquals(100 * (1 * 100 + 6 * (3 * 3 * 4)), other.scores(100));
    // Beyond a long: 2^20 heads and 2^22 rows, squared.
    var large = new QwenVisionConfig(1 << 22, 1, 1, 1 << 20, 14, 2, 2, 2048, List.of(0), 1);
    assertEquals(0x1p64, large.scores(1 << 22));
  }

  @Test
  void onlyTheTowersAnglesAreRead() {
    assertEquals(4, tower("'rope_parameters':{'rope_type':'axial','rope_theta':10000}").depth());
    refusedTower(
        "'rope_parameters':{'rope_theta':10001}",
        "rope_parameters.rope_theta is 10001.0; 10000 is supported");
  }

  // ---- the decoder ----

  private QwenConfig config(String text, String vision) throws IOException {
    ObjectNode json = with(TEXT, text);
    json.set("vision_config", with(VISION, vision));
    Files.writeString(dir.resolve("config.json"), json.toString());
    return QwenConfig.read(dir);
  }

  private void refused(String text, String vision, String sentence) {
    var e = assertThrows(InputException.class, () -> config(text, vision), text + vision);
    assertEquals(dir.resolve("config.json") + ": " + sentence, e.getMessage());
  }

  /**
   * In units of 2^28 scores, one of a head of the decoder, a head of the tower is 16: rows are four
   * times the tokens. 2^41 are 8192 of them.
   */
  @Test
  void anImagesScoresAreAsManyAsTheLimit() throws IOException {
    String text =
        "'num_attention_heads':%d,'num_hidden_layers':%d,'hidden_size':%d,"
            + "'rope_scaling':{'mrope_section':[1,0,0]}";
    String vision =
        "'depth':1,'fullatt_block_indexes':[0],'num_heads':%d,'hidden_size':%d,"
            + "'out_hidden_size':%d";
    assertEquals(8192L << 28, Limits.IMAGE_SCORES);
    assertEquals(
        584,
        config(text.formatted(14, 584, 28), vision.formatted(1, 4, 28)).text().numHiddenLayers());
    assertEquals(
        16,
        config(text.formatted(16, 1, 32), vision.formatted(511, 2044, 32))
            .text()
            .numAttentionHeads());
    String end =
        "; for an image of 16384 visual tokens that is more than 2199023255552 attention scores";
    refused(
        text.formatted(13, 629, 26),
        vision.formatted(1, 4, 26),
        "num_attention_heads is 13 in 629 layers, with vision_config num_heads 1 in 1 blocks"
            + end);
    refused(
        text.formatted(17, 1, 34),
        vision.formatted(511, 2044, 34),
        "num_attention_heads is 17 in 1 layers, with vision_config num_heads 511 in 1 blocks"
            + end);
  }

  @Test
  void headsDivideTheirRowsEvenly() throws IOException {
    assertEquals(3, config("'num_key_value_heads':3", "").text().numKeyValueHeads());
    assertEquals(16, config("'head_dim':16", "").text().headDim());
    refused(
        "'num_key_value_heads':2",
        "",
        "num_attention_heads is 3, not a multiple of num_key_value_heads 2");
    refused(
        "'hidden_size':49",
        "",
        "hidden_size is 49 for num_attention_heads 3; a head must be of even width");
    refused(
        "'hidden_size':45",
        "",
        "hidden_size is 45 for num_attention_heads 3; a head must be of even width");
    refused(
        "'head_dim':17", "", "head_dim is 17; hidden_size 48 for num_attention_heads 3 makes 16");
    refused(
        "'num_hidden_layers':" + (Limits.LAYERS + 1),
        "",
        "num_hidden_layers is "
            + (Limits.LAYERS + 1)
            + "; at most "
            + Limits.LAYERS
            + " are supported");
    refused(
        "'num_hidden_layers':0",
        "",
        "num_hidden_layers is 0; it must be at least 1 and at most " + Limits.SIZE);
  }

  @Test
  void sectionsMakeHalfAHead() throws IOException {
    assertEquals(
        List.of(0, 0, 8), config("'rope_scaling':{'mrope_section':[0,0,8]}", "").mropeSection());
    String end = "; three numbers that make half of the 16 channels of a head are needed";
    for (String list : List.of("[2, 3, 2]", "[2, 3, 4]", "[8]", "[4, 4]", "[2, 2, 2, 2]", "[]")) {
      refused(
          "'rope_scaling':{'mrope_section':" + list + "}",
          "",
          "rope_scaling.mrope_section is " + list + end);
    }
  }

  @Test
  void placeholdersAndContextsHaveTheirDefaults() throws IOException {
    QwenConfig c = config("", "");
    assertEquals(151_655, c.imageTokenId());
    assertEquals(128_000, c.text().maxPositionEmbeddings());
    assertEquals("bfloat16", c.dtype());
    assertTrue(c.text().attentionBias());
    assertFalse(c.text().mlpBias());
    assertFalse(c.tieWordEmbeddings());
    assertEquals(0, config("'image_token_id':0", "").imageTokenId());
    refused(
        "'image_token_id':-1",
        "",
        "image_token_id is -1; it must be at least 0 and at most " + Limits.SIZE);
  }

  @Test
  void basesOfTheAnglesAgree() throws IOException {
    String both = "'rope_theta':%s,'rope_scaling':{'rope_theta':500,'mrope_section':[2,3,3]}";
    assertEquals(500, config(both.formatted("500"), "").text().ropeTheta());
    assertEquals(500, config(both.formatted("null"), "").text().ropeTheta());
    refused(both.formatted("400"), "", "rope_theta is 400.0, but rope_scaling.rope_theta is 500.0");
    refused("'rope_theta':null", "", "rope_theta is missing");
    refused("'rms_norm_eps':null", "", "rms_norm_eps is missing");
  }

  @Test
  void bothPartsFitTogether() throws IOException {
    refused(
        "",
        "'out_hidden_size':47",
        "vision_config.out_hidden_size is 47, but the decoder's hidden_size is 48");
    ObjectNode alone = with(TEXT, "");
    Files.writeString(dir.resolve("config.json"), alone.toString());
    var e = assertThrows(InputException.class, () -> QwenConfig.read(dir));
    assertEquals(dir.resolve("config.json") + ": vision_config is missing", e.getMessage());
  }

  // ---- the folder ----

  @Test
  void aFolderIsLookedAtBeforeItsFiles() throws IOException {
    Path none = dir.resolve("none");
    assertEquals(none + ": there is no such folder", sentence(none));
    String wanted =
        "a checkpoint is a folder in the Hugging Face layout, with config.json and safetensors";
    assertEquals(dir.resolve("config.json") + ": there is no such file; " + wanted, sentence(dir));
    Files.writeString(dir.resolve("model.gguf"), "");
    assertEquals(
        dir.resolve("config.json")
            + ": there is no such file; the folder holds model.gguf, and GGUF is not read; use the"
            + " checkpoint in the Hugging Face layout",
        sentence(dir));
    Path file = Files.writeString(dir.resolve("weights"), "?");
    assertEquals(file + ": is a file; " + wanted, sentence(file));
  }

  private static String sentence(Path path) {
    return assertThrows(InputException.class, () -> QwenConfig.read(path)).getMessage();
  }
}
