package starling.device;

import starling.input.InputException;

/**
 * Whose kernels compute the operators that more than one has.
 *
 * @param gemm for {@link Device#gemm}
 * @param attention for {@link Device#attention}
 */
public record Providers(GemmProvider gemm, AttentionProvider attention) {
  /** The device's own kernels throughout. */
  public static final Providers OWN = new Providers(GemmProvider.OWN, AttentionProvider.OWN);

  /** The best that is found. */
  public static final Providers AUTO = new Providers(GemmProvider.AUTO, AttentionProvider.OWN);

  /** The device's own but for matrix products. */
  public static Providers gemm(GemmProvider gemm) {
    return new Providers(gemm, AttentionProvider.OWN);
  }

  /** The device's own but for attention. */
  public static Providers attention(AttentionProvider attention) {
    return new Providers(GemmProvider.OWN, attention);
  }

  /**
   * For devices that have no other kernels than their own.
   *
   * @throws InputException if others were asked for by name
   */
  public void needsCuda() {
    if (gemm == GemmProvider.CUBLASLT) {
      throw new InputException("gemm cublaslt needs device cuda");
    }
    if (attention == AttentionProvider.CUDNN) {
      throw new InputException("attention cudnn needs device cuda");
    }
  }

  /** Whether a library was asked for by name, so that doing without it is a failure. */
  public boolean named() {
    return gemm == GemmProvider.CUBLASLT || attention == AttentionProvider.CUDNN;
  }
}
