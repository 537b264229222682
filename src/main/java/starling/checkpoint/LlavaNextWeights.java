package starling.checkpoint;

import java.util.List;
import starling.device.StoredTensor;

/**
 * The tensors of a LLaVA-NeXT checkpoint: a LLaVA's, and the row that ends a row of tiles' patches.
 *
 * @param llava tower, projector and decoder
 * @param newline {@code [1, D]}
 */
public record LlavaNextWeights(LlavaWeights llava, StoredTensor newline) {

  /**
   * Finds every tensor that the model uses; none is read yet.
   *
   * @throws starling.input.InputException if one is missing, or of another shape or type
   */
  public static LlavaNextWeights read(LlavaNextConfig config, Safetensors files) {
    LlavaWeights llava = LlavaWeights.read(config.llava(), files);
    String name = files.has("model.image_newline") ? "model.image_newline" : "image_newline";
    int d = config.llava().text().hiddenSize();
    StoredTensor newline = files.get(name, List.of(d), "text_config hidden_size");
    return new LlavaNextWeights(llava, newline.as(List.of(1, d)));
  }
}
