package starling.checkpoint;

import java.util.List;
import java.util.Set;

/** Refuses models of no family that is known, and says what to use instead. */
final class ModelType {
  private static final Set<String> LANGUAGE =
      Set.of(
          "llama",
          "mistral",
          "mixtral",
          "qwen2",
          "qwen3",
          "gemma",
          "gemma2",
          "phi",
          "phi3",
          "gpt2",
          "gpt_neox",
          "mpt",
          "falcon",
          "opt",
          "vicuna",
          "stablelm",
          "deepseek_v3",
          "t5",
          "bert");

  private static final Set<String> TOWERS =
      Set.of("clip", "clip_vision_model", "siglip", "siglip_vision_model", "dinov2", "vit");

  private ModelType() {}

  /** Refuses every model but LLaVA-1.5 in the Hugging Face layout. */
  static void check(Fields top) {
    String type = top.text("model_type", "llava");
    // haotian-liu's first checkpoints call themselves llava, and many say so in no other field.
    boolean original = top.has("mm_vision_tower") || top.has("mm_hidden_size");
    if (!type.equals("llava")) {
      throw top.wrong(
          "model_type",
          "is '"
              + type
              + "'; supported are llava, llava_next and qwen2_5_vl"
              + hint(type, original));
    }
    for (String part : List.of("text_config", "vision_config")) {
      if (!top.has(part)) {
        throw top.wrong(part, "is missing" + (original ? ": this is " + ORIGINAL : ""));
      }
    }
  }

  private static final String ORIGINAL =
      "the original LLaVA layout; use the llava-hf checkpoint of this model";

  private static String hint(String type, boolean original) {
    if (Set.of("llava_next_video", "llava_onevision", "vipllava", "video_llava").contains(type)) {
      return " (llava-hf/llava-1.5-7b-hf and its like); this is another model of that family";
    }
    if (original || type.startsWith("llava_")) {
      return ": this is " + ORIGINAL;
    }
    if (LANGUAGE.contains(type)) {
      return ": this is a language model without a vision tower";
    }
    return TOWERS.contains(type)
        ? ": this is a vision tower without a language model"
        : " (llava-hf/llava-1.5-7b-hf and its like)";
  }
}
