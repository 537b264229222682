package starling.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import starling.input.InputJson;

/**
 * The keys of {@code config.json}, in one place: applied, harmless, or allowed only at the value
 * that changes nothing. A key in none of the three is reported, so that nothing that changes the
 * mathematics is ignored in silence.
 */
enum KnownKeys {
  /** The top level. */
  TOP(
      "model_type image_token_index image_token_id vision_feature_layer vision_feature_select_strategy"
          + " projector_hidden_act multimodal_projector_bias tie_word_embeddings torch_dtype dtype text_config"
          + " vision_config eos_token_id bos_token_id vocab_size"), // of the first llava-hf files;
  // text_config has it
  /** The top level of LLaVA-NeXT. */
  NEXT_TOP(
      TOP,
      "image_grid_pinpoints use_image_newline_parameter"), // ignored: there always are newlines
  /** {@code text_config}, a Llama or Mistral decoder. */
  TEXT(
      "model_type hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim"
          + " hidden_act max_position_embeddings rms_norm_eps rope_theta rope_parameters rope_scaling vocab_size"
          + " attention_bias mlp_bias tie_word_embeddings torch_dtype dtype eos_token_id bos_token_id"),
  /** {@code vision_config}, a CLIP tower. Its vocabulary is that of CLIP's text tower. */
  VISION(
      "model_type hidden_size intermediate_size num_hidden_layers num_attention_heads image_size patch_size hidden_act"
          + " layer_norm_eps num_channels vocab_size torch_dtype dtype"),
  /** {@code text_config} of Qwen2.5-VL. Its windows are checked where the file is read. */
  QWEN_TEXT(QwenKeys.TEXT),
  /** The top level of Qwen2.5-VL, where old files have the decoder's keys. */
  QWEN(QwenKeys.TEXT + " " + QwenKeys.TOP),
  /** {@code vision_config} of Qwen2.5-VL. */
  QWEN_VISION(QwenKeys.VISION);

  /** Change no result of inference, wherever they stand. */
  private static final Set<String> HARMLESS =
      words(
          "architectures _name_or_path name_or_path transformers_version ignore_index image_seq_length pad_token_id"
              + " unk_token_id sep_token_id use_cache initializer_range initializer_factor attention_dropout dropout"
              + " projection_dim pretraining_tp output_attentions output_hidden_states return_dict"
              + " _attn_implementation_autoset _attn_implementation attn_implementation auto_map"
              + " task_specific_params problem_type id2label label2id torchscript finetuning_task"
              + " chunk_size_feed_forward prefix tokenizer_class decoder_start_token_id use_bfloat16 tf_legacy_loss"
              + " max_length min_length do_sample num_beams temperature top_k top_p typical_p repetition_penalty"
              + " length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences"
              + " early_stopping diversity_penalty num_beam_groups output_scores return_dict_in_generate"
              + " forced_bos_token_id forced_eos_token_id remove_invalid_values exponential_decay_length_penalty"
              + " suppress_tokens begin_suppress_tokens gradient_checkpointing cross_attention_hidden_size");

  /**
   * Change nothing at this value, and are refused at any other. Null, empty and absent are always
   * fine.
   */
  private static final Map<String, String> NEUTRAL = new TreeMap<>();

  static {
    for (String key :
        words(
            "sliding_window use_sliding_window qk_layernorm use_qk_norm use_mrope is_encoder_decoder is_decoder add_cross_attention tie_encoder_decoder")) {
      NEUTRAL.put(key, "false");
    }
    for (String key :
        words(
            "partial_rotary_factor logit_scale logits_scaling residual_multiplier embedding_multiplier")) {
      NEUTRAL.put(key, "1.0");
    }
    for (String key :
        words(
            "quantization_config attn_logit_softcapping final_logit_softcapping attention_multiplier query_pre_attn_scalar clip_qkv no_rope_layers layer_types num_experts num_local_experts pruned_heads")) {
      NEUTRAL.put(key, "null");
    }
  }

  @SuppressWarnings("ImmutableEnumChecker") // Set.of cannot be changed
  private final Set<String> applied;

  KnownKeys(String applied) {
    this.applied = words(applied);
  }

  KnownKeys(KnownKeys like, String more) {
    this.applied =
        Stream.concat(like.applied.stream(), words(more).stream())
            .collect(Collectors.toUnmodifiableSet());
  }

  private static Set<String> words(String list) {
    return Set.of(list.split(" ", -1));
  }

  /** Refuses keys that change the mathematics; returns those nobody knows. */
  List<String> check(Fields fields) {
    var unknown = new ArrayList<String>();
    for (var field : fields.node().properties()) {
      String key = field.getKey();
      JsonNode value = field.getValue();
      String neutral = applied.contains(key) ? null : NEUTRAL.get(key);
      if (neutral != null) {
        if (!isNeutral(value, neutral) && !isFullAttention(key, value)) {
          String method = value.path("quant_method").asText("");
          throw fields.wrong(
              key,
              (method.isEmpty() ? "is " + InputJson.shown(value) + ", which" : "(" + method + ")")
                  + " is not supported");
        }
      } else if (!applied.contains(key) && !HARMLESS.contains(key)) {
        unknown.add(fields.prefix() + key);
      }
    }
    return unknown;
  }

  /** {@code layer_types} may say of every layer what is the rule. */
  private static boolean isFullAttention(String key, JsonNode value) {
    return key.equals("layer_types")
        && value.isArray()
        && value.valueStream().allMatch(type -> type.asText().equals("full_attention"));
  }

  private static boolean isNeutral(JsonNode value, String neutral) {
    return value.isNull()
        || (value.isContainerNode() && value.isEmpty())
        || (value.isNumber() ? Double.toString(value.doubleValue()) : value.toString())
            .equals(neutral);
  }
}
