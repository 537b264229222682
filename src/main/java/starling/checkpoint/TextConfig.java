package starling.checkpoint;

import java.util.List;
import starling.input.InputJson;
import starling.input.Limits;

/**
 * A Llama or Mistral decoder: {@code text_config} with the checkpoint's own names in camel case;
 * absent fields have transformers' defaults.
 *
 * @param hiddenSize D, the width of a row
 * @param intermediateSize M, the width inside the MLP
 * @param numHiddenLayers decoder layers
 * @param numAttentionHeads H, heads of the queries
 * @param numKeyValueHeads G, heads of keys and values; divides H
 * @param headDim d, the width of a head; even
 * @param rmsNormEps what is added to the mean square before its root
 * @param ropeTheta base of the rotary frequencies
 * @param maxPositionEmbeddings most rows of a sequence
 * @param vocabSize V, rows of the embedding table
 * @param attentionBias whether the four products of attention have biases
 * @param mlpBias whether the three products of the MLP have biases
 */
public record TextConfig(
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int numKeyValueHeads,
    int headDim,
    float rmsNormEps,
    double ropeTheta,
    int maxPositionEmbeddings,
    int vocabSize,
    boolean attentionBias,
    boolean mlpBias) {

  /** Reads {@code text_config} of a Llama decoder. */
  static TextConfig read(Fields t) {
    return read(t, List.of("llama"));
  }

  /**
   * Reads {@code text_config}.
   *
   * @param types supported ones; the first is meant where none is named
   */
  static TextConfig read(Fields t, List<String> types) {
    boolean mistral = t.oneOf("model_type", types.get(0), types).equals("mistral");
    if (mistral && !t.node().has("sliding_window")) {
      throw t.wrong(
          "sliding_window",
          "is missing, which means 4096 for a Mistral decoder; null, attention to all rows, is"
              + " supported");
    }
    t.oneOf("hidden_act", "silu", List.of("silu"));
    int hidden = t.integer("hidden_size", 4096, 1);
    int heads = t.integer("num_attention_heads", 32, 1);
    int keyHeads = t.integer("num_key_value_heads", mistral ? 8 : heads, 1);
    if (heads % keyHeads != 0) {
      throw t.wrong(
          "num_attention_heads",
          "is " + heads + ", not a multiple of num_key_value_heads " + keyHeads);
    }
    if (!t.has("head_dim") && hidden % heads != 0) {
      throw t.wrong(
          "hidden_size", "is " + hidden + ", not a multiple of num_attention_heads " + heads);
    }
    int headDim = t.integer("head_dim", hidden / heads, 1);
    if ((long) heads * headDim > Limits.SIZE) {
      throw t.wrong(
          "head_dim", "is " + headDim + " for " + heads + " heads; that is absurdly wide");
    }
    if (headDim % 2 != 0) {
      throw t.wrong("head_dim", "is " + headDim + "; rotary embeddings need an even one");
    }
    return new TextConfig(
        hidden,
        t.integer("intermediate_size", mistral ? 14336 : 11008, 1),
        layers(t, 32),
        heads,
        keyHeads,
        headDim,
        (float) t.positive("rms_norm_eps", 1e-6),
        ropeTheta(t),
        t.integer("max_position_embeddings", mistral ? 32 * 4096 : 2048, 1),
        t.integer("vocab_size", 32000, 1),
        t.flag("attention_bias", false),
        t.flag("mlp_bias", false));
  }

  /**
   * {@code rope_theta}, or that inside {@code rope_parameters} (transformers 5) or {@code
   * rope_scaling}.
   */
  private static double ropeTheta(Fields t) {
    double theta = t.positive("rope_theta", 0);
    for (String field : List.of("rope_parameters", "rope_scaling")) {
      Fields rope = t.object(field);
      rope.oneOf("rope_type", "default", List.of("default"));
      rope.oneOf("type", "default", List.of("default"));
      for (var key : rope.node().properties()) {
        if (!List.of("rope_type", "type", "rope_theta").contains(key.getKey())) {
          throw rope.wrong(
              key.getKey(), "is " + InputJson.shown(key.getValue()) + ", which is not supported");
        }
      }
      double inside = rope.positive("rope_theta", theta);
      if (theta != 0 && inside != theta) {
        throw t.wrong("rope_theta", "is " + theta + ", but " + field + ".rope_theta is " + inside);
      }
      theta = inside;
    }
    return theta == 0 ? 10000 : theta;
  }

  static int layers(Fields f, int otherwise) {
    int layers = f.integer("num_hidden_layers", otherwise, 1);
    if (layers > Limits.LAYERS) {
      throw f.wrong(
          "num_hidden_layers", "is " + layers + "; at most " + Limits.LAYERS + " are supported");
    }
    return layers;
  }
}
