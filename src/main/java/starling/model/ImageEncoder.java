package starling.model;

import java.util.List;
import starling.device.AttentionInputs;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.prune.ImageTokens;

/**
 * Tower and projector of a model on a device. The way of an image has two parts: as far as the
 * tower's last attention it is the same whatever is asked, and {@link #see} goes it; behind that
 * attention methods cut, and rows go on one by one: {@link #encode}.
 */
public interface ImageEncoder {
  /**
   * An image in the tower, its last attention done.
   *
   * @param in what that attention was computed from, all rows of the tower
   * @param lse f32 {@code [H, T]}, which it wrote
   * @param x {@code [T, D]}: the rows as they entered the last block
   * @param attn {@code [T, H·d]}: that attention, before the block's output projection
   */
  record Seen(AttentionInputs in, Tensor lse, Tensor x, Tensor attn) {}

  /**
   * Runs the tower as far as its last attention.
   *
   * @param pixels f32 {@code [3, H, W]} of each crop
   * @param tokens of the image
   * @param crops as segments of one call, each with the keys of its own rows; null for one crop
   * @param own memory for what is returned
   * @param work memory for everything else
   */
  Seen see(
      List<Tensor> pixels, ImageTokens tokens, Segments crops, TensorArena own, TensorArena work);

  /**
   * Makes the image's rows of the decoder.
   *
   * @param seen of this encoder; its {@code x} may be written to
   * @param cuts what becomes of the rows on the way
   * @param work memory for this image's activations
   */
  void encode(Seen seen, ImageCuts cuts, TensorArena work);
}
