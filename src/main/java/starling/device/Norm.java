package starling.device;

/**
 * A normalisation of rows, applied by {@link Device#gemm} to its input.
 *
 * @param weight {@code [D]}
 * @param bias {@code [D]} for layer norm; null makes it RMS norm
 * @param eps added to the variance or mean square
 */
public record Norm(Tensor weight, Tensor bias, float eps) {}
