package starling.checkpoint;

import java.util.List;
import starling.device.StoredTensor;

/**
 * Two products that take rows of a tower to the width of the decoder. Biases are null where the
 * configuration has none.
 *
 * @param linear1Weight {@code [D, width of the tower's rows]}; GELU follows
 * @param linear1Bias {@code [D]}
 * @param linear2Weight {@code [D, D]}
 * @param linear2Bias {@code [D]}
 */
public record ProjectorWeights(
    StoredTensor linear1Weight,
    StoredTensor linear1Bias,
    StoredTensor linear2Weight,
    StoredTensor linear2Bias) {

  /**
   * @param in width of the tower's rows
   * @param d width of the decoder's
   * @param first what stands before the first product's {@code weight} and {@code bias}
   * @param second the same of the second
   */
  static ProjectorWeights read(
      int in, int d, boolean bias, Safetensors files, String first, String second) {
    String fields = "vision_config hidden_size, text_config hidden_size";
    return new ProjectorWeights(
        files.get(first + "weight", List.of(d, in), fields),
        bias ? files.get(first + "bias", List.of(d), fields) : null,
        files.get(second + "weight", List.of(d, d), fields),
        bias ? files.get(second + "bias", List.of(d), fields) : null);
  }
}
