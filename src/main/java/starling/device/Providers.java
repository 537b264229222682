package starling.device;

import starling.input.InputException;

/**
 * Whose kernels compute what more than one has.
 *
 * @param gemm {@code own}; {@code cublaslt}, which only cuda has; {@code auto} is cuBLASLt where it
 *     is found
 * @param attention {@code own}; {@code cudnn}, which only cuda has
 */
public record Providers(String gemm, String attention) {
  /** Our own kernels throughout. */
  public static final Providers OWN = new Providers("own", "own");

  /** The best that is found. */
  public static final Providers AUTO = new Providers("auto", "own");

  /** Ours but for matrix products. */
  public static Providers gemm(String name) {
    return new Providers(name, "own");
  }

  /** Ours but for attention. */
  public static Providers attention(String name) {
    return new Providers("own", name);
  }

  /**
   * For devices that have no other kernels than their own.
   *
   * @throws InputException if others were asked for by name
   */
  public void needsCuda() {
    if (gemm.equals("cublaslt")) {
      throw new InputException("gemm cublaslt needs device cuda");
    }
    if (attention.equals("cudnn")) {
      throw new InputException("attention cudnn needs device cuda");
    }
  }

  /** Whether a library was asked for by name, so that doing without it is a failure. */
  public boolean named() {
    return gemm.equals("cublaslt") || attention.equals("cudnn");
  }
}
