package starling.nvidia;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import starling.device.Activation;
import starling.device.DType;
import starling.device.Norm;
import starling.device.ProductRows;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.input.InputException;

/**
 * The operator {@code gemm} around cuBLASLt's product: norm before and bias, activation and
 * residual after by the device's own kernels, where the library has none of that kind. A residual
 * alone is part of the product.
 */
public final class LibraryGemm implements AutoCloseable {
  /** Rows that scratch memory grows by. */
  private static final int STEP = 64;

  /** What scratch memory is for. */
  private record Use(String role, DType dtype, int width) {}

  /** Rows of it, in an arena of their own, so that a smaller one goes when a larger one comes. */
  private record Scratch(TensorArena arena, Tensor rows) {}

  private final LibraryHost host;
  private final TensorArena arena;
  private final CublasLtGemm library;
  private final Map<Use, Scratch> scratch = new HashMap<>();

  /**
   * @throws InputException if the library is not there or cannot start, with the reason
   */
  public LibraryGemm(LibraryHost host) {
    this.host = host;
    this.arena = host.arena("cublaslt");
    try {
      Tensor workspace =
          arena.alloc("workspace", DType.U8, Math.toIntExact(CublasLtGemm.workspaceBytes()));
      this.library = new CublasLtGemm(host, host.address(workspace));
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** Places where cuBLASLt was looked for, one line each with what came of it. */
  public static List<String> tried() {
    return CublasLtGemm.library().lines();
  }

  /** "cuBLASLt 13.1.1"; a library is loaded. */
  public static String version() {
    return CublasLtGemm.version();
  }

  /** Whether a product of so many rows is the library's: few are read by our own kernel. */
  public static boolean takes(int rows) {
    return rows >= CublasLtGemm.MIN_ROWS;
  }

  /** The algorithm of every shape so far, a line each. */
  public List<String> chosen() {
    return library.chosen();
  }

  /**
   * {@code y = activation(norm(x)·wᵀ + bias) + residual}.
   *
   * @param y {@code [T, out]}
   * @param x {@code [T, in]}
   * @param w {@code [out, in]}; with {@link Activation#SILU_MUL} {@code [2·out, in]}
   * @param bias f32, a value for each row of w, or null
   * @param norm before the product, or null; it finds its own statistics
   * @param residual {@code [T, out]}, which may be y, or null
   * @param around rows of x and residual to take, which are gathered first, and where the
   *     statistics of y go, which are found when y is there
   * @throws IllegalStateException if the library refuses, with the call and its reason
   */
  public void gemm(
      Tensor y,
      Tensor x,
      Tensor w,
      Tensor bias,
      Norm norm,
      Activation activation,
      Tensor residual,
      ProductRows around) {
    Tensor in = picked("picked", x, around.rows());
    Tensor added = residual == null ? null : picked("picked residual", residual, around.rows());
    if (norm != null) {
      Tensor normed = scratch("norm", x.dtype(), in.rows(), x.width());
      host.norm(normed, in, norm);
      in = normed;
    }
    multiply(y, in, w, bias, activation, added);
    if (around.statistics() != null) {
      host.rowStatistics(around.statistics(), y);
    }
  }

  private Tensor picked(String role, Tensor from, Tensor index) {
    if (index == null) {
      return from;
    }
    Tensor picked = scratch(role, from.dtype(), index.rows(), from.width());
    host.gatherRows(picked, from, index);
    return picked;
  }

  private void multiply(
      Tensor y, Tensor in, Tensor w, Tensor bias, Activation activation, Tensor residual) {
    if (bias == null && activation == Activation.NONE) {
      library.multiply(y, in, w, residual);
      return;
    }
    Tensor product = scratch("product", y.dtype(), y.rows(), w.rows());
    library.multiply(product, in, w, null);
    host.activation(y, product, bias, activation, residual);
  }

  private Tensor scratch(String role, DType dtype, int rows, int width) {
    var use = new Use(role, dtype, width);
    Scratch have = scratch.get(use);
    if (have == null || have.rows.rows() < rows) {
      if (have != null) {
        scratch.remove(use);
        have.arena.close();
      }
      TensorArena own = host.arena("cublaslt " + role);
      have = new Scratch(own, own.alloc(role, dtype, Math.ceilDiv(rows, STEP) * STEP, width));
      scratch.put(use, have);
    }
    return have.rows.rows(0, rows);
  }

  @Override
  public void close() {
    library.close();
    scratch.values().forEach(s -> s.arena.close());
    arena.close();
  }
}
