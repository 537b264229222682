package starling.model;

import java.util.List;
import starling.device.Tensor;
import starling.device.TensorArena;

/** Tower and projector of a model on a device. */
public interface ImageEncoder {
  /**
   * Makes an image's rows of the decoder.
   *
   * @param pixels f32 {@code [3, H, W]} of each crop
   * @param cuts what becomes of its rows on the way
   * @param work memory for this image's activations
   */
  void encode(List<Tensor> pixels, ImageCuts cuts, TensorArena work);
}
