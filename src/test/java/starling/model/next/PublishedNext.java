package starling.model.next;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The configurations of the published sizes, as their files say. */
public final class PublishedNext {
  private PublishedNext() {}

  /** llava-v1.6-vicuna-7b-hf. */
  public static Path vicunaSeven(Path dir) throws IOException {
    return write(
        dir,
        """
        {"_name_or_path": "lmsys/vicuna-7b-v1.5", "architectures": ["LlamaForCausalLM"],
         "max_position_embeddings": 4096, "model_type": "llama", "pad_token_id": 0,
         "rms_norm_eps": 1e-05, "torch_dtype": "float16", "vocab_size": 32064}
        """);
  }

  /** llava-v1.6-vicuna-13b-hf. */
  public static Path vicunaThirteen(Path dir) throws IOException {
    return write(
        dir,
        """
        {"_name_or_path": "lmsys/vicuna-13b-v1.5", "architectures": ["LlamaForCausalLM"],
         "hidden_size": 5120, "intermediate_size": 13824, "max_position_embeddings": 4096,
         "model_type": "llama", "num_attention_heads": 40, "num_hidden_layers": 40,
         "num_key_value_heads": 40, "pad_token_id": 0, "rms_norm_eps": 1e-05,
         "torch_dtype": "float16", "vocab_size": 32064}
        """);
  }

  /** llava-v1.6-mistral-7b-hf. */
  public static Path mistralSeven(Path dir) throws IOException {
    return write(
        dir,
        """
        {"_name_or_path": "mistralai/Mistral-7B-Instruct-v0.2",
         "architectures": ["MistralForCausalLM"], "intermediate_size": 14336,
         "max_position_embeddings": 32768, "model_type": "mistral", "num_key_value_heads": 8,
         "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null,
         "torch_dtype": "bfloat16", "vocab_size": 32064}
        """);
  }

  private static Path write(Path dir, String text) throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        """
        {"architectures": ["LlavaNextForConditionalGeneration"], "ignore_index": -100,
         "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
         "image_token_index": 32000, "model_type": "llava_next", "projector_hidden_act": "gelu",
         "text_config": %s, "tie_word_embeddings": false, "torch_dtype": "float16",
         "transformers_version": "4.39.0.dev0", "use_image_newline_parameter": true,
         "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
          "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24,
          "patch_size": 14, "projection_dim": 768, "vocab_size": 32000},
         "vision_feature_layer": -2, "vision_feature_select_strategy": "default",
         "vocab_size": 32064}
        """
            .formatted(text));
    Files.writeString(
        dir.resolve("preprocessor_config.json"),
        """
        {"aspect_ratio_setting": "anyres", "crop_size": {"height": 336, "width": 336},
         "do_center_crop": true, "do_convert_rgb": true, "do_normalize": true, "do_rescale": true,
         "do_resize": true,
         "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
         "image_mean": [0.48145466, 0.4578275, 0.40821073],
         "image_processor_type": "LlavaNextImageProcessor",
         "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
         "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 336}}
        """);
    return dir;
  }
}
