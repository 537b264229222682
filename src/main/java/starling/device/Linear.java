package starling.device;

import java.util.Collections;
import java.util.List;

/**
 * A weight matrix on a device, with an optional bias, made by {@link Device#linear} or {@link
 * Device#asLinear}. Several checkpoint matrices with the same input (query, key and value; gate and
 * up) may stand in it one below the other, each in a format of its own. Each device decides how it
 * lies in memory; only devices look inside, and only the device that made a matrix can multiply
 * with it.
 */
public abstract class Linear {
  private final String name;
  private final DType activations;
  private final int in;
  private final int out;
  private final List<Tensor> parts;
  private final List<WeightFormat> formats;
  private final Tensor bias;

  /**
   * @param activations the type of the rows that it multiplies
   * @param parts {@code [out_i, in]} of a plain type, or u8 {@code [out_i, bytes of a row]} of a
   *     block format, one below the other
   * @param formats of each part
   * @param bias f32 {@code [out]}, or null
   */
  protected Linear(
      String name,
      DType activations,
      int in,
      List<Tensor> parts,
      List<WeightFormat> formats,
      Tensor bias) {
    this.name = name;
    this.activations = activations;
    this.in = in;
    this.out = parts.stream().mapToInt(Tensor::rows).sum();
    this.parts = List.copyOf(parts);
    this.formats = List.copyOf(formats);
    this.bias = bias;
  }

  /** Over one matrix of a plain type. */
  protected Linear(Tensor weight, Tensor bias) {
    this(
        weight.name(),
        weight.type(),
        weight.width(),
        List.of(weight),
        List.of(new PlainFormat(weight.dtype())),
        bias);
  }

  /** The first part's name in the checkpoint. */
  public final String name() {
    return name;
  }

  /** Columns: the width of the input. */
  public final int in() {
    return in;
  }

  /** Rows of all parts: the width of the output. */
  public final int out() {
    return out;
  }

  /** The type of the rows that it multiplies. */
  public final DType activations() {
    return activations;
  }

  /** How each part lies on the device. */
  public final List<WeightFormat> formats() {
    return formats;
  }

  /**
   * Bytes of all parts as they lie on the device, without bias: what a product of one row reads.
   */
  public final long bytes() {
    return parts.stream().mapToLong(p -> (long) p.rows() * p.width() * p.dtype().bytes()).sum();
  }

  /** {@code [out_i, in]} each, or u8 {@code [out_i, bytes of a row]} of a block format. */
  protected final List<Tensor> parts() {
    return parts;
  }

  /** f32 {@code [out]}, or null. */
  protected final Tensor bias() {
    return bias;
  }

  @Override
  public final String toString() {
    return name + " is " + activations + "[" + out + ", " + in + "]";
  }

  /**
   * What a {@link Linear} is loaded from.
   *
   * @param weights {@code [out_i, in]} each
   * @param biases {@code [out_i]} each, null where a part has none
   * @param outHead channels of a head if the output is divided into heads, else 0; a device whose
   *     heads are wider ({@link Device#headSize}) pads every head with zero rows
   * @param inHead the same for the input: padded with zero columns
   */
  public record Source(
      List<StoredTensor> weights, List<StoredTensor> biases, int outHead, int inHead) {
    /** A plain matrix without heads. */
    public static Source of(StoredTensor weight, StoredTensor bias) {
      return new Source(List.of(weight), Collections.singletonList(bias), 0, 0);
    }
  }
}
