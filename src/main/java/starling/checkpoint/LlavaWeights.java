package starling.checkpoint;

import java.util.ArrayList;
import java.util.List;
import starling.device.InputException;
import starling.device.Stored;

/**
 * The tensors of a LLaVA checkpoint, found by name and checked against the configuration. Three
 * namings occur:
 *
 * <pre>
 *   transformers 4.36   language_model.model.…   language_model.lm_head   vision_tower.vision_model.…
 *   transformers 4.52   model.language_model.…   lm_head                  model.vision_tower.vision_model.…
 *   transformers 5      model.language_model.…   lm_head                  model.vision_tower.…
 * </pre>
 *
 * Tensors that the model does not use are left alone.
 */
public record LlavaWeights(Vision vision, Projector projector, Decoder decoder) {

  /**
   * @param classEmbedding {@code [D]}
   * @param patchEmbedding {@code [D, 3·p·p]}
   * @param positionEmbedding {@code [N + 1, D]}
   * @param blocks those that run before the feature
   */
  public record Vision(
      Stored classEmbedding,
      Stored patchEmbedding,
      Stored positionEmbedding,
      Stored preNormWeight,
      Stored preNormBias,
      List<VisionBlock> blocks) {}

  public record VisionBlock(
      Stored norm1Weight,
      Stored norm1Bias,
      Stored qWeight,
      Stored qBias,
      Stored kWeight,
      Stored kBias,
      Stored vWeight,
      Stored vBias,
      Stored outWeight,
      Stored outBias,
      Stored norm2Weight,
      Stored norm2Bias,
      Stored fc1Weight,
      Stored fc1Bias,
      Stored fc2Weight,
      Stored fc2Bias) {}

  /** Biases are null where the configuration has none. */
  public record Projector(
      Stored linear1Weight, Stored linear1Bias, Stored linear2Weight, Stored linear2Bias) {}

  /** Biases are null where the configuration has none. */
  public record DecoderLayer(
      Stored inputNorm,
      Stored qWeight,
      Stored qBias,
      Stored kWeight,
      Stored kBias,
      Stored vWeight,
      Stored vBias,
      Stored oWeight,
      Stored oBias,
      Stored postAttentionNorm,
      Stored gateWeight,
      Stored gateBias,
      Stored upWeight,
      Stored upBias,
      Stored downWeight,
      Stored downBias) {}

  /**
   * @param lmHead {@code [V, D]}: its own tensor, or the embedding table where the configuration
   *     ties them; its name says which
   */
  public record Decoder(
      Stored embedTokens, List<DecoderLayer> layers, Stored norm, Stored lmHead) {}

  public static LlavaWeights read(LlavaConfig config, Safetensors files) {
    var reader = new Reader(config, files, Naming.of(files));
    return new LlavaWeights(reader.vision(), reader.projector(), reader.decoder());
  }

  /**
   * Prefixes of the tower and the decoder, of the projector's two products, and the name of the
   * head: three generations of transformers, and the original LLaVA's with its tower inside.
   */
  private record Naming(String vision, String first, String second, String decoder, String head) {
    private static final List<Naming> KNOWN =
        List.of(
            new Naming(
                "vision_tower.vision_model.",
                "multi_modal_projector.linear_1.",
                "multi_modal_projector.linear_2.",
                "language_model.model.",
                "language_model.lm_head.weight"),
            new Naming(
                "model.vision_tower.vision_model.",
                "model.multi_modal_projector.linear_1.",
                "model.multi_modal_projector.linear_2.",
                "model.language_model.",
                "lm_head.weight"),
            new Naming(
                "model.vision_tower.",
                "model.multi_modal_projector.linear_1.",
                "model.multi_modal_projector.linear_2.",
                "model.language_model.",
                "lm_head.weight"),
            new Naming(
                "model.vision_tower.vision_tower.vision_model.",
                "model.mm_projector.0.",
                "model.mm_projector.2.",
                "model.",
                "lm_head.weight"));

    static Naming of(Safetensors files) {
      for (Naming naming : KNOWN) {
        if (files.has(naming.vision + "embeddings.class_embedding")
            && files.has(naming.decoder + "embed_tokens.weight")) {
          return naming;
        }
      }
      // Nothing fits: the first naming's first missing tensor is refused by name, unless the
      // original layout is at hand, whose tower is usually another download.
      if (files.has("model.mm_projector.0.weight")) {
        throw new InputException(
            files.dir()
                + ": tensor "
                + KNOWN.getLast().vision
                + "embeddings.class_embedding is missing; original LLaVA checkpoints leave the"
                + " tower out, so use the llava-hf checkpoint of this model");
      }
      return KNOWN.get(0);
    }
  }

  private record Reader(LlavaConfig config, Safetensors files, Naming names) {

    Vision vision() {
      LlavaConfig.VisionConfig c = config.vision();
      int d = c.hiddenSize();
      int p = c.patchSize();
      String at = names.vision;
      Stored patch =
          files.get(
              at + "embeddings.patch_embedding.weight",
              List.of(d, 3, p, p),
              "vision_config hidden_size, patch_size");
      var blocks = new ArrayList<VisionBlock>();
      for (int b = 0; b < config.visionBlocks(); b++) {
        blocks.add(visionBlock(at + "encoder.layers." + b + "."));
      }
      return new Vision(
          files.get(at + "embeddings.class_embedding", List.of(d), "vision_config hidden_size"),
          patch.as(List.of(d, 3 * p * p)),
          files.get(
              at + "embeddings.position_embedding.weight",
              List.of(config.patches() + 1, d),
              "vision_config image_size, patch_size, hidden_size"),
          vector(at + "pre_layrnorm.weight", d, "vision_config hidden_size"),
          vector(at + "pre_layrnorm.bias", d, "vision_config hidden_size"),
          List.copyOf(blocks));
    }

    private VisionBlock visionBlock(String at) {
      int d = config.vision().hiddenSize();
      int m = config.vision().intermediateSize();
      String width = "vision_config hidden_size";
      String mlp = "vision_config hidden_size, intermediate_size";
      return new VisionBlock(
          vector(at + "layer_norm1.weight", d, width),
          vector(at + "layer_norm1.bias", d, width),
          matrix(at + "self_attn.q_proj.weight", d, d, width),
          vector(at + "self_attn.q_proj.bias", d, width),
          matrix(at + "self_attn.k_proj.weight", d, d, width),
          vector(at + "self_attn.k_proj.bias", d, width),
          matrix(at + "self_attn.v_proj.weight", d, d, width),
          vector(at + "self_attn.v_proj.bias", d, width),
          matrix(at + "self_attn.out_proj.weight", d, d, width),
          vector(at + "self_attn.out_proj.bias", d, width),
          vector(at + "layer_norm2.weight", d, width),
          vector(at + "layer_norm2.bias", d, width),
          matrix(at + "mlp.fc1.weight", m, d, mlp),
          vector(at + "mlp.fc1.bias", m, mlp),
          matrix(at + "mlp.fc2.weight", d, m, mlp),
          vector(at + "mlp.fc2.bias", d, mlp));
    }

    Projector projector() {
      int in = config.vision().hiddenSize();
      int d = config.text().hiddenSize();
      boolean bias = config.projectorBias();
      String fields = "vision_config hidden_size, text_config hidden_size";
      return new Projector(
          matrix(names.first + "weight", d, in, fields),
          bias ? vector(names.first + "bias", d, fields) : null,
          matrix(names.second + "weight", d, d, fields),
          bias ? vector(names.second + "bias", d, fields) : null);
    }

    Decoder decoder() {
      int d = config.text().hiddenSize();
      int v = config.text().vocabSize();
      var layers = new ArrayList<DecoderLayer>();
      for (int l = 0; l < config.text().numHiddenLayers(); l++) {
        layers.add(decoderLayer(names.decoder + "layers." + l + "."));
      }
      String table = names.decoder + "embed_tokens.weight";
      String head = config.tieWordEmbeddings() ? table : names.head;
      return new Decoder(
          matrix(table, v, d, "text_config vocab_size, hidden_size"),
          List.copyOf(layers),
          vector(names.decoder + "norm.weight", d, "text_config hidden_size"),
          matrix(head, v, d, "text_config vocab_size, hidden_size"));
    }

    private DecoderLayer decoderLayer(String at) {
      LlavaConfig.TextConfig c = config.text();
      int d = c.hiddenSize();
      int m = c.intermediateSize();
      int q = c.numAttentionHeads() * c.headDim();
      int kv = c.numKeyValueHeads() * c.headDim();
      boolean bias = c.attentionBias();
      String queries = "text_config num_attention_heads, head_dim, hidden_size";
      String keys = "text_config num_key_value_heads, head_dim, hidden_size";
      String mlp = "text_config intermediate_size, hidden_size";
      return new DecoderLayer(
          vector(at + "input_layernorm.weight", d, "text_config hidden_size"),
          matrix(at + "self_attn.q_proj.weight", q, d, queries),
          bias ? vector(at + "self_attn.q_proj.bias", q, queries) : null,
          matrix(at + "self_attn.k_proj.weight", kv, d, keys),
          bias ? vector(at + "self_attn.k_proj.bias", kv, keys) : null,
          matrix(at + "self_attn.v_proj.weight", kv, d, keys),
          bias ? vector(at + "self_attn.v_proj.bias", kv, keys) : null,
          matrix(at + "self_attn.o_proj.weight", d, q, queries),
          bias ? vector(at + "self_attn.o_proj.bias", d, queries) : null,
          vector(at + "post_attention_layernorm.weight", d, "text_config hidden_size"),
          matrix(at + "mlp.gate_proj.weight", m, d, mlp),
          c.mlpBias() ? vector(at + "mlp.gate_proj.bias", m, mlp) : null,
          matrix(at + "mlp.up_proj.weight", m, d, mlp),
          c.mlpBias() ? vector(at + "mlp.up_proj.bias", m, mlp) : null,
          matrix(at + "mlp.down_proj.weight", d, m, mlp),
          c.mlpBias() ? vector(at + "mlp.down_proj.bias", d, mlp) : null);
    }

    private Stored matrix(String name, int rows, int columns, String fields) {
      return files.get(name, List.of(rows, columns), fields);
    }

    private Stored vector(String name, int size, String fields) {
      return files.get(name, List.of(size), fields);
    }
  }
}
