package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The keys of {@code config.json}, in one place: applied, harmless, or allowed only at the value
 * that changes nothing. A key in none of the three is reported, so that nothing that changes the
 * mathematics is ignored in silence.
 */
final class KnownKeys {
  /** Read by {@link LlavaConfig}. */
  private static final Set<String> APPLIED =
      Set.of(
          "model_type",
          "image_token_index",
          "image_token_id",
          "vision_feature_layer",
          "vision_feature_select_strategy",
          "projector_hidden_act",
          "multimodal_projector_bias",
          "tie_word_embeddings",
          "torch_dtype",
          "dtype",
          "text_config",
          "vision_config",
          "hidden_size",
          "intermediate_size",
          "num_hidden_layers",
          "num_attention_heads",
          "num_key_value_heads",
          "head_dim",
          "hidden_act",
          "max_position_embeddings",
          "rms_norm_eps",
          "rope_theta",
          "rope_parameters",
          "rope_scaling",
          "vocab_size",
          "attention_bias",
          "mlp_bias",
          "image_size",
          "patch_size",
          "layer_norm_eps",
          "eos_token_id",
          "bos_token_id",
          "num_channels");

  /** Change no result of inference. */
  private static final Set<String> HARMLESS =
      Set.of(
          "architectures",
          "_name_or_path",
          "name_or_path",
          "transformers_version",
          "ignore_index",
          "image_seq_length",
          "pad_token_id",
          "unk_token_id",
          "sep_token_id",
          "use_cache",
          "initializer_range",
          "initializer_factor",
          "attention_dropout",
          "dropout",
          "projection_dim",
          "pretraining_tp",
          "output_attentions",
          "output_hidden_states",
          "return_dict",
          "_attn_implementation_autoset",
          "_attn_implementation",
          "attn_implementation",
          "auto_map",
          "task_specific_params",
          "problem_type",
          "id2label",
          "label2id",
          "torchscript",
          "pruned_heads",
          "is_encoder_decoder",
          "is_decoder",
          "cross_attention_hidden_size",
          "add_cross_attention",
          "tie_encoder_decoder",
          "finetuning_task",
          "chunk_size_feed_forward",
          "prefix",
          "tokenizer_class",
          "decoder_start_token_id",
          "use_bfloat16",
          "tf_legacy_loss",
          "max_length",
          "min_length",
          "do_sample",
          "num_beams",
          "temperature",
          "top_k",
          "top_p",
          "typical_p",
          "repetition_penalty",
          "length_penalty",
          "no_repeat_ngram_size",
          "encoder_no_repeat_ngram_size",
          "bad_words_ids",
          "num_return_sequences",
          "early_stopping",
          "diversity_penalty",
          "num_beam_groups",
          "output_scores",
          "return_dict_in_generate",
          "forced_bos_token_id",
          "forced_eos_token_id",
          "remove_invalid_values",
          "exponential_decay_length_penalty",
          "suppress_tokens",
          "begin_suppress_tokens",
          "gradient_checkpointing");

  /** Allowed only when null, false, or the number that changes nothing. */
  private static final Set<String> NEUTRAL_ONLY =
      Set.of(
          "sliding_window",
          "use_sliding_window",
          "partial_rotary_factor",
          "attn_logit_softcapping",
          "final_logit_softcapping",
          "logit_scale",
          "logits_scaling",
          "residual_multiplier",
          "embedding_multiplier",
          "attention_multiplier",
          "query_pre_attn_scalar",
          "qk_layernorm",
          "use_qk_norm",
          "clip_qkv",
          "no_rope_layers",
          "layer_types",
          "use_mrope",
          "num_experts",
          "num_local_experts");

  private KnownKeys() {}

  /** Refuses keys that change the mathematics; returns those nobody knows. */
  static List<String> check(Fields fields) {
    var unknown = new ArrayList<String>();
    for (var field : fields.node().properties()) {
      String key = field.getKey();
      if (NEUTRAL_ONLY.contains(key)) {
        if (!isNeutral(field.getValue())) {
          throw fields.wrong(key, "is " + field.getValue() + ", which is not supported");
        }
      } else if (!APPLIED.contains(key) && !HARMLESS.contains(key)) {
        unknown.add(fields.prefix() + key);
      }
    }
    return unknown;
  }

  private static boolean isNeutral(JsonNode value) {
    return value.isNull()
        || (value.isBoolean() && !value.booleanValue())
        || (value.isNumber() && value.doubleValue() == 1)
        || (value.isContainerNode() && value.isEmpty());
  }
}
