package starling.checkpoint;

/** The keys of Qwen2.5-VL's {@code config.json} that are applied, or that only videos need. */
final class QwenKeys {
  static final String TEXT =
      "model_type hidden_size intermediate_size num_hidden_layers num_attention_heads"
          + " num_key_value_heads head_dim hidden_act max_position_embeddings rms_norm_eps rope_theta"
          + " rope_parameters rope_scaling vocab_size tie_word_embeddings torch_dtype dtype"
          + " eos_token_id bos_token_id use_sliding_window sliding_window max_window_layers"
          + " layer_types image_token_id video_token_id vision_start_token_id vision_end_token_id"
          + " vision_token_id";

  static final String TOP = "text_config vision_config";

  static final String VISION =
      "model_type depth hidden_size intermediate_size num_heads in_channels in_chans patch_size"
          + " spatial_patch_size spatial_merge_size temporal_patch_size tokens_per_second window_size"
          + " fullatt_block_indexes out_hidden_size hidden_act rope_parameters torch_dtype dtype";

  private QwenKeys() {}
}
