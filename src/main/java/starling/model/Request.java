package starling.model;

import java.util.List;
import starling.device.Sampling;
import starling.prune.Method;

/**
 * One question, ready for the model.
 *
 * @param ids token ids of the prompt; each image's placeholder once, as the model's image token
 * @param images of the prompt, in order
 * @param method what drops visual tokens
 * @param mode whether dropped rows are removed or hidden
 * @param sampling how tokens are drawn
 * @param maxTokens most tokens to generate; room for them is reserved
 * @param progress told before every image and layer of prefill
 */
public record Request(
    int[] ids,
    List<ImageInput> images,
    Method method,
    Mode mode,
    Sampling sampling,
    int maxTokens,
    Progress progress) {

  /** The same with tokens drawn in another way. */
  Request sampling(Sampling other) {
    return new Request(ids, images, method, mode, other, maxTokens, progress);
  }

  /** Hears how far the work is. An exception it throws ends the work and comes out of the call. */
  public interface Progress {
    /**
     * @param phase {@code vision}, {@code prefill} or {@code decode}
     * @param done images, layers or tokens done
     * @param of how many there are, for tokens at the most
     */
    void at(String phase, int done, int of);
  }
}
