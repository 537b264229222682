package starling.model.qwen;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The configurations of the two published sizes, as their files say. */
public final class PublishedQwen {
  private PublishedQwen() {}

  /** Qwen2.5-VL-3B-Instruct. */
  public static Path three(Path dir) throws IOException {
    return write(dir, 2048, 11008, 36, 16, 2, 70, 151936, true);
  }

  /** Qwen2.5-VL-7B-Instruct. */
  public static Path seven(Path dir) throws IOException {
    return write(dir, 3584, 18944, 28, 28, 4, 28, 152064, false);
  }

  private static Path write(
      Path dir,
      int hidden,
      int ffn,
      int layers,
      int heads,
      int keyHeads,
      int windowLayers,
      int vocabulary,
      boolean tied)
      throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"architectures": ["Qwen2_5_VLForConditionalGeneration"], "attention_dropout": 0.0,
         "bos_token_id": 151643, "eos_token_id": 151645, "vision_start_token_id": 151652,
         "vision_end_token_id": 151653, "vision_token_id": 151654, "image_token_id": 151655,
         "video_token_id": 151656, "hidden_act": "silu", "hidden_size": %d, "initializer_range": 0.02,
         "intermediate_size": %d, "max_position_embeddings": 128000, "max_window_layers": %d,
         "model_type": "qwen2_5_vl", "num_attention_heads": %d, "num_hidden_layers": %d,
         "num_key_value_heads": %d, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
         "sliding_window": 32768, "tie_word_embeddings": %s, "torch_dtype": "bfloat16",
         "transformers_version": "4.41.2", "use_cache": true, "use_sliding_window": false,
         "vision_config": {"depth": 32, "hidden_act": "silu", "hidden_size": 1280,
          "intermediate_size": 3420, "num_heads": 16, "in_chans": 3, "out_hidden_size": %d,
          "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14, "window_size": 112,
          "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2, "temporal_patch_size": 2},
         "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "vocab_size": %d}
        """
            .formatted(
                hidden, ffn, windowLayers, heads, layers, keyHeads, tied, hidden, vocabulary));
    Files.writeString(
        dir.resolve("generation_config.json"),
        """
        {"bos_token_id": 151643, "pad_token_id": 151643, "do_sample": true,
         "eos_token_id": [151645, 151643], "repetition_penalty": 1.05, "temperature": 0.000001}
        """);
    Files.writeString(
        dir.resolve("preprocessor_config.json"),
        """
        {"min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2,
         "merge_size": 2, "image_mean": [0.48145466, 0.4578275, 0.40821073],
         "image_std": [0.26862954, 0.26130258, 0.27577711],
         "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
        """);
    return dir;
  }
}
