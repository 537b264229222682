package starling.cuda;

import java.util.List;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.AttentionProvider;
import starling.device.GemmProvider;
import starling.device.Norm;
import starling.device.ProductRows;
import starling.device.Providers;
import starling.device.Tensor;
import starling.input.InputException;
import starling.nvidia.LibraryAttention;
import starling.nvidia.LibraryGemm;
import starling.nvidia.LibraryHost;

/** NVIDIA's libraries that a device was opened with, and the operators that they take. */
final class Libraries implements AutoCloseable {
  /** For a device that has its own kernels alone. */
  static final Libraries NONE = new Libraries(null, null);

  private final LibraryGemm products; // null: our own
  private final LibraryAttention attentions; // null: our own
  private long calls;

  private Libraries(LibraryGemm products, LibraryAttention attentions) {
    this.products = products;
    this.attentions = attentions;
  }

  /**
   * @throws InputException if a library was asked for by name and cannot be used, with the reason
   */
  static Libraries of(Providers providers, LibraryHost host) {
    LibraryGemm products = products(providers.gemm(), host);
    try {
      boolean cudnn = providers.attention() == AttentionProvider.CUDNN;
      return new Libraries(products, cudnn ? new LibraryAttention(host) : null);
    } catch (RuntimeException e) {
      if (products != null) {
        products.close();
      }
      throw e;
    }
  }

  private static LibraryGemm products(GemmProvider provider, LibraryHost host) {
    if (provider == GemmProvider.OWN) {
      return null;
    }
    try {
      return new LibraryGemm(host);
    } catch (InputException e) {
      if (provider == GemmProvider.AUTO) {
        return null;
      }
      throw e;
    }
  }

  /** Whether products of so many rows are a library's, but for those of two types. */
  boolean multiplies(int rows) {
    return products != null && LibraryGemm.takes(rows);
  }

  /** Multiplies, if that is a library's; else returns false, and nothing is done. */
  boolean gemm(
      Tensor y,
      Tensor x,
      NativeLinear w,
      Norm before,
      Activation activation,
      Tensor residual,
      ProductRows around) {
    if (!multiplies(y.rows()) || y.dtype() != x.dtype()) {
      return false; // what comes after a library's product has the type of its input
    }
    calls++;
    products.gemm(y, x, w.matrix(), w.biases(), before, activation, residual, around);
    return true;
  }

  /** Attends, if that is a library's; else returns false, and nothing is done. */
  boolean attention(Tensor out, Tensor lse, AttentionInputs in) {
    if (attentions == null || !attentions.takes(in)) {
      return false;
    }
    calls++;
    attentions.attention(out, lse, in);
    return true;
  }

  /** How many operators they took. */
  long calls() {
    return calls;
  }

  /** The algorithm that was taken for each shape of products so far. */
  List<String> gemmAlgorithms() {
    return products == null ? List.of() : products.chosen();
  }

  /** ", gemm by cuBLASLt 13.1.1"; empty if there are none. */
  String description() {
    return (products == null ? "" : ", gemm by " + LibraryGemm.version())
        + (attentions == null ? "" : ", attention by " + LibraryAttention.version());
  }

  @Override
  public void close() {
    try {
      if (products != null) {
        products.close();
      }
    } finally {
      if (attentions != null) {
        attentions.close();
      }
    }
  }
}
