package starling.checkpoint;

import java.util.ArrayList;
import java.util.List;
import starling.device.StoredTensor;

/**
 * The tensors of a Llama decoder.
 *
 * @param embedTokens {@code [V, D]}: a row for each token
 * @param layers from the first to the last
 * @param norm {@code [D]}: the RMS norm behind the last layer
 * @param lmHead {@code [V, D]}: its own tensor, or the embedding table where the configuration ties
 *     them; its name says which
 */
public record DecoderWeights(
    StoredTensor embedTokens, List<Layer> layers, StoredTensor norm, StoredTensor lmHead) {

  /**
   * The tensors of one layer. A weight is {@code [outputs, inputs]}; biases are null where the
   * configuration has none.
   *
   * @param inputNorm {@code [D]}: the RMS norm before attention
   * @param qWeight {@code [H·d, D]}: queries
   * @param qBias {@code [H·d]}
   * @param kWeight {@code [G·d, D]}: keys
   * @param kBias {@code [G·d]}
   * @param vWeight {@code [G·d, D]}: values
   * @param vBias {@code [G·d]}
   * @param oWeight {@code [D, H·d]}: behind attention
   * @param oBias {@code [D]}
   * @param postAttentionNorm {@code [D]}: the RMS norm before the MLP
   * @param gateWeight {@code [M, D]}: through SiLU
   * @param gateBias {@code [M]}
   * @param upWeight {@code [M, D]}: times the gate
   * @param upBias {@code [M]}
   * @param downWeight {@code [D, M]}: out of the MLP
   * @param downBias {@code [D]}
   */
  public record Layer(
      StoredTensor inputNorm,
      StoredTensor qWeight,
      StoredTensor qBias,
      StoredTensor kWeight,
      StoredTensor kBias,
      StoredTensor vWeight,
      StoredTensor vBias,
      StoredTensor oWeight,
      StoredTensor oBias,
      StoredTensor postAttentionNorm,
      StoredTensor gateWeight,
      StoredTensor gateBias,
      StoredTensor upWeight,
      StoredTensor upBias,
      StoredTensor downWeight,
      StoredTensor downBias) {}

  /**
   * @param tied the head is the embedding table where the files have none of its own
   * @param at what stands before the names of the decoder's tensors
   * @param head name of the head where it has its own
   */
  static DecoderWeights read(
      TextConfig config, boolean tied, Safetensors files, String at, String head) {
    return new Reader(config, files, config.attentionBias()).decoder(tied, at, head);
  }

  /** The same of a decoder that has no bias behind attention, whatever its other products have. */
  static DecoderWeights withoutOutputBias(
      TextConfig config, boolean tied, Safetensors files, String at, String head) {
    return new Reader(config, files, false).decoder(tied, at, head);
  }

  private record Reader(TextConfig config, Safetensors files, boolean outputBias) {

    DecoderWeights decoder(boolean tied, String at, String ownHead) {
      int d = config.hiddenSize();
      int v = config.vocabSize();
      var layers = new ArrayList<Layer>();
      for (int l = 0; l < config.numHiddenLayers(); l++) {
        layers.add(layer(at + "layers." + l + "."));
      }
      String table = at + "embed_tokens.weight";
      String head = tied && !files.has(ownHead) ? table : ownHead;
      return new DecoderWeights(
          matrix(table, v, d, "text_config vocab_size, hidden_size"),
          List.copyOf(layers),
          vector(at + "norm.weight", d, "text_config hidden_size"),
          matrix(head, v, d, "text_config vocab_size, hidden_size"));
    }

    private Layer layer(String at) {
      int d = config.hiddenSize();
      int m = config.intermediateSize();
      int q = config.numAttentionHeads() * config.headDim();
      int kv = config.numKeyValueHeads() * config.headDim();
      boolean bias = config.attentionBias();
      String queries = "text_config num_attention_heads, head_dim, hidden_size";
      String keys = "text_config num_key_value_heads, head_dim, hidden_size";
      String mlp = "text_config intermediate_size, hidden_size";
      return new Layer(
          vector(at + "input_layernorm.weight", d, "text_config hidden_size"),
          matrix(at + "self_attn.q_proj.weight", q, d, queries),
          bias ? vector(at + "self_attn.q_proj.bias", q, queries) : null,
          matrix(at + "self_attn.k_proj.weight", kv, d, keys),
          bias ? vector(at + "self_attn.k_proj.bias", kv, keys) : null,
          matrix(at + "self_attn.v_proj.weight", kv, d, keys),
          bias ? vector(at + "self_attn.v_proj.bias", kv, keys) : null,
          matrix(at + "self_attn.o_proj.weight", d, q, queries),
          outputBias ? vector(at + "self_attn.o_proj.bias", d, queries) : null,
          vector(at + "post_attention_layernorm.weight", d, "text_config hidden_size"),
          matrix(at + "mlp.gate_proj.weight", m, d, mlp),
          config.mlpBias() ? vector(at + "mlp.gate_proj.bias", m, mlp) : null,
          matrix(at + "mlp.up_proj.weight", m, d, mlp),
          config.mlpBias() ? vector(at + "mlp.up_proj.bias", m, mlp) : null,
          matrix(at + "mlp.down_proj.weight", d, m, mlp),
          config.mlpBias() ? vector(at + "mlp.down_proj.bias", d, mlp) : null);
    }

    private StoredTensor matrix(String name, int rows, int columns, String fields) {
      return files.get(name, List.of(rows, columns), fields);
    }

    private StoredTensor vector(String name, int size, String fields) {
      return files.get(name, List.of(size), fields);
    }
  }
}
