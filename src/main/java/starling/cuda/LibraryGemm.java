package starling.cuda;

import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import starling.device.Activation;
import starling.device.DType;
import starling.device.Norm;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The operator {@code gemm} around cuBLASLt's product: norm before and bias, activation and
 * residual after by our own kernels, where the library has none of that kind. A residual alone is
 * part of the product.
 */
final class LibraryGemm implements AutoCloseable {
  /** Rows that scratch memory grows by. */
  private static final int STEP = 64;

  /** What scratch memory is for. */
  private record Use(String role, DType dtype, int width) {}

  /** Rows of it, in an arena of their own, so that a smaller one goes when a larger one comes. */
  private record Scratch(TensorArena arena, Tensor rows) {}

  private final NativeDevice device;
  private final MemorySegment stream;
  private final TensorArena arena;
  private final CublasLtGemm library;
  private final Map<Use, Scratch> scratch = new HashMap<>();

  /**
   * @param stream the device's own, as cuBLASLt takes it
   */
  LibraryGemm(NativeDevice device, MemorySegment stream) {
    this.device = device;
    this.stream = stream;
    this.arena = device.arena("cublaslt");
    try {
      Tensor workspace =
          arena.alloc("workspace", DType.U8, Math.toIntExact(CublasLtGemm.workspaceBytes()));
      this.library = new CublasLtGemm(device.address(workspace));
    } catch (RuntimeException e) {
      arena.close();
      throw e;
    }
  }

  /** Few rows are read by our own kernel; what comes after a product has the type of its input. */
  boolean takes(Tensor y, Tensor x) {
    return x.rows() >= CublasLtGemm.MIN_ROWS && y.dtype() == x.dtype();
  }

  List<String> chosen() {
    return library.chosen();
  }

  void gemm(
      Tensor y, Tensor x, NativeLinear w, Norm before, Activation activation, Tensor residual) {
    Tensor in = x;
    if (before != null) {
      in = scratch("norm", x.dtype(), x.rows(), x.width());
      if (before.bias() == null) {
        device.rmsnorm(in, x, before);
      } else {
        device.layernorm(in, x, before);
      }
    }
    Tensor weight = w.matrix();
    if (w.biases() == null && activation == Activation.NONE) {
      library.multiply(device, y, in, weight, residual, stream);
      return;
    }
    Tensor product = scratch("product", y.dtype(), y.rows(), weight.rows());
    library.multiply(device, product, in, weight, null, stream);
    device.activation(y, product, w.biases(), activation, residual);
  }

  private Tensor scratch(String role, DType dtype, int rows, int width) {
    var use = new Use(role, dtype, width);
    Scratch have = scratch.get(use);
    if (have == null || have.rows.rows() < rows) {
      if (have != null) {
        scratch.remove(use);
        have.arena.close();
      }
      TensorArena own = device.arena("cublaslt " + role);
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
