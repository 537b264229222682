package starling.prune;

import java.lang.foreign.MemorySegment;
import starling.device.DType;
import starling.device.Device;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * What a method finds at a place, for one group of candidates.
 *
 * @param device does the work; one thread, the calling one
 * @param scratch memory that lives as long as the answer
 * @param group number of the group among {@link VlmShape#groups}, from 0
 * @param candidates n, rows to choose from: the survivors of the cuts before this one
 * @param attention of this block; before and after the projector, of the block that gave the
 *     feature
 * @param features {@code [n, D]}: the rows to choose from; null at {@link CutSite#VISION} and in
 *     the decoder, where a method chooses by attention
 * @param nonFinite i32 {@code [1]}, set by the selecting operators when a score is not finite
 */
public record CutContext(
    Device device,
    TensorArena scratch,
    int group,
    int candidates,
    Attention attention,
    Tensor features,
    Tensor nonFinite) {

  /**
   * The values of a floating-point tensor of any type and shape, row after row, for a method that
   * computes on the host; waits for what writes them.
   */
  public float[] floats(Tensor tensor) {
    int elements = Math.multiplyExact(tensor.rows(), tensor.width());
    float[] values = new float[elements];
    if (tensor.dtype() == DType.F32) {
      device.download(MemorySegment.ofArray(values), tensor);
      return values;
    }
    short[] bits = new short[elements];
    device.download(MemorySegment.ofArray(bits), tensor);
    for (int i = 0; i < elements; i++) {
      values[i] = tensor.dtype().value(bits[i]);
    }
    return values;
  }
}
