package starling.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * {@code config.json} of a Qwen2.5-VL checkpoint, in every layout that transformers has written:
 * the decoder's fields at the top level (4.49), in {@code text_config} (from 4.52 on), or in both.
 * Sizes must be there, because transformers' defaults are those of no published checkpoint.
 *
 * @param vision the tower
 * @param text the decoder: Llama's, with biases of queries, keys and values alone
 * @param mropeSection how many frequencies of a head follow the position in time, height and width;
 *     half a head together
 * @param imageTokenId id of an image's placeholder
 * @param dtype {@code float16}, {@code bfloat16} or {@code float32}: the type the checkpoint calls
 *     its own
 * @param eosTokenIds ids that end an answer; empty if no file names one
 * @param tieWordEmbeddings the output head is the embedding table, unless the files have one
 * @param unknownKeys keys that nobody knows, to be warned about
 */
public record QwenConfig(
    QwenVisionConfig vision,
    TextConfig text,
    List<Integer> mropeSection,
    int imageTokenId,
    String dtype,
    List<Integer> eosTokenIds,
    boolean tieWordEmbeddings,
    List<String> unknownKeys) {

  /** The {@code model_type} of these checkpoints. */
  public static final String MODEL_TYPE = "qwen2_5_vl";

  /** Copies the lists. */
  public QwenConfig {
    mropeSection = List.copyOf(mropeSection);
    eosTokenIds = List.copyOf(eosTokenIds);
    unknownKeys = List.copyOf(unknownKeys);
  }

  /** Reads {@code config.json} and, for the end tokens, {@code generation_config.json}. */
  public static QwenConfig read(Path dir) {
    CheckpointFolder.check(dir);
    Fields top = Fields.read(dir.resolve("config.json"));
    top.oneOf("model_type", "", List.of(MODEL_TYPE));
    if (!top.has("vision_config")) {
      throw top.wrong("vision_config", "is missing");
    }
    Fields vision = top.object("vision_config");
    boolean nested = top.has("text_config");
    Fields text = nested ? top.object("text_config") : top;
    var unknown = new ArrayList<>(KnownKeys.QWEN.check(top));
    if (nested) {
      unknown.addAll(KnownKeys.QWEN_TEXT.check(text));
    }
    unknown.addAll(KnownKeys.QWEN_VISION.check(vision));
    text.oneOf("model_type", "qwen2_5_vl_text", List.of(MODEL_TYPE, "qwen2_5_vl_text"));
    checkWindows(text);
    TextConfig decoder = decoder(text);
    QwenVisionConfig tower = QwenVisionConfig.read(vision);
    if (tower.outHiddenSize() != decoder.hiddenSize()) {
      throw vision.wrong(
          "out_hidden_size",
          "is "
              + tower.outHiddenSize()
              + ", but the decoder's hidden_size is "
              + decoder.hiddenSize());
    }
    checkScores(text, tower, decoder);
    var common = CommonConfig.read(dir, top, text, "bfloat16");
    return new QwenConfig(
        tower,
        decoder,
        sections(text, decoder),
        top.integer("image_token_id", 151655, 0),
        common.dtype(),
        common.eosTokenIds(),
        common.tieWordEmbeddings(),
        unknown);
  }

  /** Attention's work is not in the size of any file: that of the largest image. */
  private static void checkScores(Fields fields, QwenVisionConfig tower, TextConfig decoder) {
    double tokens = Limits.IMAGE_TOKENS;
    double ofTower = tower.scores(tokens * tower.cellRows());
    double ofDecoder = tokens * tokens * decoder.numAttentionHeads() * decoder.numHiddenLayers();
    if (ofTower + ofDecoder > Limits.IMAGE_SCORES) {
      throw fields.wrong(
          "num_attention_heads",
          "is %d in %d layers, with vision_config num_heads %d in %d blocks; for an image of %d visual tokens that is more than %d attention scores"
              .formatted(
                  decoder.numAttentionHeads(),
                  decoder.numHiddenLayers(),
                  tower.numHeads(),
                  tower.depth(),
                  Limits.IMAGE_TOKENS,
                  Limits.IMAGE_SCORES));
    }
  }

  private static TextConfig decoder(Fields t) {
    t.oneOf("hidden_act", "silu", List.of("silu"));
    int hidden = t.required("hidden_size");
    int heads = t.required("num_attention_heads");
    int keyHeads = t.required("num_key_value_heads");
    if (heads % keyHeads != 0) {
      throw t.wrong(
          "num_attention_heads",
          "is " + heads + ", not a multiple of num_key_value_heads " + keyHeads);
    }
    if (hidden % heads != 0 || hidden / heads % 2 != 0) {
      throw t.wrong(
          "hidden_size",
          "is " + hidden + " for num_attention_heads " + heads + "; a head must be of even width");
    }
    if (t.integer("head_dim", hidden / heads, 1) != hidden / heads) {
      throw t.wrong(
          "head_dim",
          "is %d; hidden_size %d for num_attention_heads %d makes %d"
              .formatted(t.integer("head_dim", 0, 1), hidden, heads, hidden / heads));
    }
    t.required("num_hidden_layers");
    double eps = t.positive("rms_norm_eps", 0);
    if (eps == 0) {
      throw t.wrong("rms_norm_eps", "is missing");
    }
    return new TextConfig(
        hidden,
        t.required("intermediate_size"),
        TextConfig.layers(t, 0),
        heads,
        keyHeads,
        hidden / heads,
        (float) eps,
        theta(t),
        t.integer("max_position_embeddings", 128000, 1),
        t.required("vocab_size"),
        true,
        false);
  }

  /** {@code rope_theta}, or that inside {@code rope_parameters} (transformers 5). */
  private static double theta(Fields t) {
    double theta = t.positive("rope_theta", 0);
    for (String field : List.of("rope_parameters", "rope_scaling")) {
      double inside = t.object(field).positive("rope_theta", theta);
      if (theta != 0 && inside != theta) {
        throw t.wrong("rope_theta", "is " + theta + ", but " + field + ".rope_theta is " + inside);
      }
      theta = inside;
    }
    if (theta == 0) {
      throw t.wrong("rope_theta", "is missing");
    }
    return theta;
  }

  /** {@code mrope_section}: three numbers, half a head together. */
  private static List<Integer> sections(Fields t, TextConfig decoder) {
    Fields rope = t.object(t.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
    rope.oneOf("rope_type", "default", List.of("default", "mrope"));
    rope.oneOf("type", "default", List.of("default", "mrope"));
    for (var key : rope.node().properties()) {
      if (!List.of("rope_type", "type", "rope_theta", "mrope_section").contains(key.getKey())) {
        throw rope.wrong(
            key.getKey(), "is " + InputJson.shown(key.getValue()) + ", which is not supported");
      }
    }
    List<Integer> sections = rope.integers("mrope_section");
    long sum = sections.stream().mapToLong(Integer::longValue).sum();
    if (sections.size() != 3 || sum != decoder.headDim() / 2) {
      throw rope.wrong(
          "mrope_section",
          "is %s; three numbers that make half of the %d channels of a head are needed"
              .formatted(sections, decoder.headDim()));
    }
    return sections;
  }

  /** Windows of the decoder are written down in many files and used by none. */
  private static void checkWindows(Fields t) {
    if (t.flag("use_sliding_window", false)) {
      throw t.wrong("use_sliding_window", "is true, which is not supported");
    }
    for (var type : t.node().path("layer_types")) {
      if (!type.asText("").equals("full_attention")) {
        throw t.wrong(
            "layer_types", "holds " + InputJson.shown(type) + "; full_attention is supported");
      }
    }
  }
}
