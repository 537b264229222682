package starling.nvidia;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import starling.device.DType;
import starling.device.Tensor;
import starling.foreign.Symbols;
import starling.input.InputException;
import starling.nvidia.cublaslt.CublasLt;

/**
 * Matrix products by NVIDIA's cuBLASLt, for one stream: {@code y = x·wᵀ [+ c]}, f32 accumulation,
 * f32 operands without TF32. The algorithm of a shape is chosen at its first product and kept
 * ({@link CublasLtPlan}). The workspace belongs to the stream, so that nothing is allocated later
 * and results do not depend on other streams.
 */
final class CublasLtGemm implements AutoCloseable {
  /** Below, the weights are read once by our own kernel, which also has the norm in it. */
  static final int MIN_ROWS = 17;

  private static final List<String> FILES = List.of("libcublasLt.so.13", "libcublasLt.so.12");

  /** What the algorithm depends on; strides in elements. */
  record Shape(
      int rows,
      int out,
      int in,
      long xStride,
      long wStride,
      long yStride,
      long cStride,
      DType dtype,
      DType yType) {}

  private static NvidiaLibrary library;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment one = arena.allocateFrom(JAVA_FLOAT, 1f);
  private final MemorySegment zero = arena.allocateFrom(JAVA_FLOAT, 0f);
  private final LibraryHost host;
  private final MemorySegment stream;
  private final MemorySegment handle;
  private final long workspace;
  private final Map<Shape, CublasLtPlan> plans = new HashMap<>();
  private final List<String> chosen = new ArrayList<>();

  /** Searched once; what is loaded stays. */
  static synchronized NvidiaLibrary library() {
    if (library == null || library.loaded() == null) {
      library = NvidiaLibrary.search("cublaslt", FILES);
    }
    return library;
  }

  /**
   * @param workspace device memory of {@link #workspaceBytes} for the one stream
   * @throws InputException if the library is not there or cannot start, with the reason
   */
  CublasLtGemm(LibraryHost host, long workspace) {
    this.host = host;
    this.stream = host.cudaStream();
    this.workspace = workspace;
    NvidiaLibrary found = library();
    if (found.loaded() == null) {
      arena.close();
      throw new InputException("gemm cublaslt: no library could be used (see doctor)");
    }
    var out = arena.allocate(ADDRESS);
    int status = CublasLt.cublasLtCreate(out);
    if (status != 0) {
      arena.close();
      throw new InputException("gemm cublaslt: cublasLtCreate: " + sentence(status));
    }
    this.handle = out.get(ADDRESS, 0);
  }

  static long workspaceBytes() {
    return CublasLtPlan.WORKSPACE;
  }

  /** "cuBLASLt 13.1.1". */
  static String version() {
    long v = CublasLt.cublasLtGetVersion();
    // CUBLAS_VERSION of cublas_api.h: 130101 is 13.1.1
    return String.format(Locale.ROOT, "cuBLASLt %d.%d.%d", v / 10_000, v / 100 % 100, v % 100);
  }

  /** The algorithm of every shape so far, a line each. */
  List<String> chosen() {
    return List.copyOf(chosen);
  }

  /**
   * {@code y = x·wᵀ}, or {@code + c}, which may be {@code y}. Addresses are multiples of 16 bytes.
   *
   * @param y {@code [T, out]}
   * @param x {@code [T, in]}
   * @param w {@code [out, in]}
   * @param c null, or a tensor of y's type and shape
   */
  void multiply(Tensor y, Tensor x, Tensor w, Tensor c) {
    Tensor added = c == null ? y : c;
    CublasLtPlan plan = plans.computeIfAbsent(shape(y, x, w, added), this::plan);
    check(
        "cublasLtMatmul",
        CublasLt.cublasLtMatmul(
            handle,
            plan.matmul(),
            one,
            address(w),
            plan.w(),
            address(x),
            plan.x(),
            c == null ? zero : one,
            address(added),
            plan.c(),
            address(y),
            plan.y(),
            plan.algorithm(),
            MemorySegment.ofAddress(workspace),
            CublasLtPlan.WORKSPACE,
            stream));
  }

  private MemorySegment address(Tensor t) {
    return MemorySegment.ofAddress(host.address(t));
  }

  private static Shape shape(Tensor y, Tensor x, Tensor w, Tensor c) {
    return new Shape(
        x.rows(),
        y.width(),
        x.width(),
        x.rowStride(),
        w.rowStride(),
        y.rowStride(),
        c.rowStride(),
        x.dtype(),
        y.dtype());
  }

  private CublasLtPlan plan(Shape shape) {
    CublasLtPlan plan = CublasLtPlan.of(shape, handle, arena);
    try {
      chosen.add(plan.description(shape));
      return plan;
    } catch (RuntimeException e) {
      plan.close();
      throw e;
    }
  }

  static void check(String call, int status) {
    if (status != 0) {
      throw new IllegalStateException(call + ": " + sentence(status));
    }
  }

  private static String sentence(int status) {
    return Symbols.string(CublasLt.cublasLtGetStatusString(status)) + " (" + status + ")";
  }

  @Override
  public void close() {
    plans.values().forEach(CublasLtPlan::close);
    plans.clear();
    CublasLt.cublasLtDestroy(handle);
    arena.close();
  }
}
