package starling.model;

import starling.device.Tensor;
import starling.input.InputException;
import starling.prune.CutSite;

/**
 * A cut that was made for one group of candidates; its tensors stay on the device until somebody
 * reads them.
 *
 * @param stage 1 before the decoder, 2 for the first cut inside it, 3, 4 … for later ones
 * @param image number of the image, from 0
 * @param crop the crop that the group is, or −1: the whole image
 * @param where the place of the cut
 * @param layer blocks that ran in full before the cut
 * @param kept i32: the candidates of the image that the group keeps, ascending
 * @param score f32: one for each candidate of the group that was left; null if the method ranks by
 *     none
 * @param counted whether the device decided how many are kept
 */
public record Stage(
    int stage,
    int image,
    int crop,
    CutSite where,
    int layer,
    Tensor kept,
    Tensor score,
    boolean counted) {

  /**
   * @param scores the values of {@link #score}
   * @throws InputException naming the first that is not finite
   */
  void checkFinite(float[] scores) {
    for (int j = 0; j < scores.length; j++) {
      if (!Float.isFinite(scores[j])) {
        throw new InputException(
            "the score of candidate "
                + j
                + " in stage "
                + stage
                + " (image "
                + image
                + ", "
                + where.label()
                + " block "
                + layer
                + ") is not finite; the weights are damaged");
      }
    }
  }
}
