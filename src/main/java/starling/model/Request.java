package starling.model;

import java.util.List;
import java.util.function.BooleanSupplier;
import starling.device.Sampling;
import starling.prune.Method;

/**
 * One question, ready for the model.
 *
 * @param ids token ids of the prompt; each picture's placeholder once, as the model's image token
 * @param pixels normalised pixels f32 {@code [3, imageSize, imageSize]} of each picture, in order
 * @param maxTokens most tokens to generate; room for them is reserved
 * @param cancelled asked between blocks and layers; true ends prefill with a {@link
 *     java.util.concurrent.CancellationException}
 */
public record Request(
    int[] ids, List<float[]> pixels, Method method, Mode mode, Sampling sampling, int maxTokens,
    BooleanSupplier cancelled) {

  void checkCancelled() {
    if (cancelled.getAsBoolean()) {
      throw new java.util.concurrent.CancellationException("the question was cancelled");
    }
  }
}
