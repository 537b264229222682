package starling.device;

import java.util.List;

/**
 * A weight matrix on a device, with an optional bias, made by {@link Device#linear}. Several
 * checkpoint matrices with the same input (query, key and value; gate and up) may stand in it one
 * below the other.
 *
 * @param name checkpoint names of the parts
 * @param in columns: the width of the input
 * @param out rows of all parts: the width of the output
 * @param parts the matrices, {@code [out_i, in]} each, in order; their rows add up to {@code out}
 * @param bias f32 {@code [out]}, or null
 */
public record Linear(String name, int in, int out, List<Tensor> parts, Tensor bias) {

  /**
   * What a {@link Linear} is loaded from.
   *
   * @param weights {@code [out_i, in]} each
   * @param biases {@code [out_i]} each, null where a part has none
   * @param outHead channels of a head if the output is divided into heads, else 0; a device whose
   *     heads are wider ({@link Device#headSize}) pads every head with zero rows
   * @param inHead the same for the input: padded with zero columns
   */
  public record Source(List<Stored> weights, List<Stored> biases, int outHead, int inHead) {
    /** A plain matrix without heads. */
    public static Source of(Stored weight, Stored bias) {
      return new Source(List.of(weight), java.util.Collections.singletonList(bias), 0, 0);
    }
  }
}
