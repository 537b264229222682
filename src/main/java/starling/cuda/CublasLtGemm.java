package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import starling.cuda.cublaslt.CublasLt;
import starling.cuda.cublaslt.cublasLtMatmulAlgo_t;
import starling.cuda.cublaslt.cublasLtMatmulHeuristicResult_t;
import starling.device.DType;
import starling.device.Tensor;
import starling.input.InputException;

/**
 * Matrix products by NVIDIA's cuBLASLt, for one stream: {@code y = x·wᵀ [+ c]}, f32 accumulation,
 * f32 operands without TF32. The algorithm of a shape is chosen at its first product, by the
 * library's heuristic, and kept; schemes that add parts of a sum in place, in no fixed order, are
 * excluded. The workspace belongs to the stream, so that nothing is allocated later and results do
 * not depend on other streams.
 */
final class CublasLtGemm implements AutoCloseable {
  /** Below, the weights are read once by our own kernel, which also has the norm in it. */
  static final int MIN_ROWS = 17;

  private static final long WORKSPACE = 32L << 20;
  private static final List<String> FILES = List.of("libcublasLt.so.13", "libcublasLt.so.12");

  /** What the algorithm depends on; strides in elements. */
  private record Shape(
      int rows,
      int out,
      int in,
      long xStride,
      long wStride,
      long yStride,
      long cStride,
      DType dtype,
      DType yType) {}

  /** {@code layouts}: of w, x, c and y. */
  private record Plan(MemorySegment matmul, List<MemorySegment> layouts, MemorySegment algorithm) {}

  private static NvidiaLibrary library;

  private final Arena arena = Arena.ofShared();
  private final MemorySegment one = arena.allocateFrom(JAVA_FLOAT, 1f);
  private final MemorySegment zero = arena.allocateFrom(JAVA_FLOAT, 0f);
  private final MemorySegment handle;
  private final long workspace;
  private final Map<Shape, Plan> plans = new HashMap<>();
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
  CublasLtGemm(long workspace) {
    NvidiaLibrary found = library();
    if (found.loaded() == null) {
      arena.close();
      throw new InputException("gemm cublaslt: no library could be used (see doctor)");
    }
    this.workspace = workspace;
    var out = arena.allocate(ADDRESS);
    int status = CublasLt.cublasLtCreate(out);
    if (status != 0) {
      arena.close();
      throw new InputException("gemm cublaslt: cublasLtCreate: " + sentence(status));
    }
    this.handle = out.get(ADDRESS, 0);
  }

  static long workspaceBytes() {
    return WORKSPACE;
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
   * @param c null, or a tensor of y's type and shape
   */
  void multiply(NativeDevice device, Tensor y, Tensor x, Tensor w, Tensor c, MemorySegment stream) {
    var shape =
        new Shape(
            x.rows(),
            y.width(),
            x.width(),
            x.rowStride(),
            w.rowStride(),
            y.rowStride(),
            c == null ? y.rowStride() : c.rowStride(),
            x.dtype(),
            y.dtype());
    Plan plan = plans.computeIfAbsent(shape, this::plan);
    check(
        "cublasLtMatmul",
        CublasLt.cublasLtMatmul(
            handle,
            plan.matmul,
            one,
            MemorySegment.ofAddress(device.address(w)),
            plan.layouts.get(0),
            MemorySegment.ofAddress(device.address(x)),
            plan.layouts.get(1),
            c == null ? zero : one,
            MemorySegment.ofAddress(device.address(c == null ? y : c)),
            plan.layouts.get(2),
            MemorySegment.ofAddress(device.address(y)),
            plan.layouts.get(3),
            plan.algorithm,
            MemorySegment.ofAddress(workspace),
            WORKSPACE,
            stream));
  }

  // ---- plans ----

  /** Row-major y = x·wᵀ is column-major yᵀ = w·xᵀ: w, read as its transpose, comes first. */
  private Plan plan(Shape s) {
    var out = arena.allocate(ADDRESS);
    check(
        "cublasLtMatmulDescCreate",
        CublasLt.cublasLtMatmulDescCreate(
            out, CublasLt.CUBLAS_COMPUTE_32F(), CublasLt.CUDA_R_32F()));
    MemorySegment matmul = out.get(ADDRESS, 0);
    var layouts = new ArrayList<MemorySegment>();
    try {
      check(
          "cublasLtMatmulDescSetAttribute",
          CublasLt.cublasLtMatmulDescSetAttribute(
              matmul,
              CublasLt.CUBLASLT_MATMUL_DESC_TRANSA(),
              arena.allocateFrom(JAVA_INT, CublasLt.CUBLAS_OP_T()),
              JAVA_INT.byteSize()));
      layouts.add(layout(s.dtype, s.in, s.out, s.wStride));
      layouts.add(layout(s.dtype, s.in, s.rows, s.xStride));
      layouts.add(layout(s.yType, s.out, s.rows, s.cStride));
      layouts.add(layout(s.yType, s.out, s.rows, s.yStride));
      return new Plan(matmul, layouts, algorithm(s, matmul, layouts));
    } catch (RuntimeException e) {
      destroy(matmul, layouts);
      throw e;
    }
  }

  private static void destroy(MemorySegment matmul, List<MemorySegment> layouts) {
    CublasLt.cublasLtMatmulDescDestroy(matmul);
    layouts.forEach(CublasLt::cublasLtMatrixLayoutDestroy);
  }

  private MemorySegment layout(DType dtype, long rows, long columns, long stride) {
    var out = arena.allocate(ADDRESS);
    check(
        "cublasLtMatrixLayoutCreate",
        CublasLt.cublasLtMatrixLayoutCreate(out, type(dtype), rows, columns, stride));
    return out.get(ADDRESS, 0);
  }

  private MemorySegment algorithm(Shape s, MemorySegment matmul, List<MemorySegment> layouts) {
    var out = arena.allocate(ADDRESS);
    check("cublasLtMatmulPreferenceCreate", CublasLt.cublasLtMatmulPreferenceCreate(out));
    MemorySegment preference = out.get(ADDRESS, 0);
    try (Arena own = Arena.ofConfined()) {
      MemorySegment bytes = own.allocateFrom(JAVA_LONG, WORKSPACE);
      prefer(preference, CublasLt.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES(), bytes);
      int fixedOrder =
          CublasLt.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE()
              | CublasLt.CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE();
      prefer(
          preference,
          CublasLt.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK(),
          own.allocateFrom(JAVA_INT, fixedOrder));
      MemorySegment alignment = own.allocateFrom(JAVA_INT, 16); // the default is 256
      for (int operand :
          new int[] {
            CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES(),
            CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES(),
            CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES(),
            CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES()
          }) {
        prefer(preference, operand, alignment);
      }
      MemorySegment result = cublasLtMatmulHeuristicResult_t.allocate(own);
      MemorySegment found = own.allocate(JAVA_INT);
      check(
          "cublasLtMatmulAlgoGetHeuristic",
          CublasLt.cublasLtMatmulAlgoGetHeuristic(
              handle,
              matmul,
              layouts.get(0),
              layouts.get(1),
              layouts.get(2),
              layouts.get(3),
              preference,
              1,
              result,
              found));
      if (found.get(JAVA_INT, 0) < 1 || cublasLtMatmulHeuristicResult_t.state(result) != 0) {
        throw new IllegalStateException("cuBLASLt has no algorithm for " + s);
      }
      MemorySegment algorithm = cublasLtMatmulAlgo_t.allocate(arena);
      algorithm.copyFrom(cublasLtMatmulHeuristicResult_t.algo(result));
      record(s, algorithm, own);
      return algorithm;
    } finally {
      CublasLt.cublasLtMatmulPreferenceDestroy(preference);
    }
  }

  private static void prefer(MemorySegment preference, int attribute, MemorySegment value) {
    check(
        "cublasLtMatmulPreferenceSetAttribute",
        CublasLt.cublasLtMatmulPreferenceSetAttribute(
            preference, attribute, value, value.byteSize()));
  }

  private void record(Shape s, MemorySegment algorithm, Arena own) {
    MemorySegment value = own.allocate(JAVA_INT);
    MemorySegment written = own.allocate(JAVA_LONG);
    int[] numbers = new int[4];
    int[] attributes = {
      CublasLt.CUBLASLT_ALGO_CONFIG_ID(),
      CublasLt.CUBLASLT_ALGO_CONFIG_TILE_ID(),
      CublasLt.CUBLASLT_ALGO_CONFIG_SPLITK_NUM(),
      CublasLt.CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME()
    };
    for (int i = 0; i < numbers.length; i++) {
      check(
          "cublasLtMatmulAlgoConfigGetAttribute",
          CublasLt.cublasLtMatmulAlgoConfigGetAttribute(
              algorithm, attributes[i], value, JAVA_INT.byteSize(), written));
      numbers[i] = value.get(JAVA_INT, 0);
    }
    chosen.add(
        String.format(
            Locale.ROOT,
            "%dx%dx%d %s: algorithm %d, tile %d, split-k %d, reduction %d",
            s.rows,
            s.out,
            s.in,
            s.dtype.label(),
            numbers[0],
            numbers[1],
            numbers[2],
            numbers[3]));
  }

  private static int type(DType dtype) {
    return switch (dtype) {
      case F32 -> CublasLt.CUDA_R_32F();
      case BF16 -> CublasLt.CUDA_R_16BF();
      case F16 -> CublasLt.CUDA_R_16F();
      default -> throw new IllegalArgumentException("no products of " + dtype.label());
    };
  }

  private static void check(String call, int status) {
    if (status != 0) {
      throw new IllegalStateException(call + ": " + sentence(status));
    }
  }

  private static String sentence(int status) {
    return NativeLibrary.string(CublasLt.cublasLtGetStatusString(status)) + " (" + status + ")";
  }

  @Override
  public void close() {
    plans.values().forEach(plan -> destroy(plan.matmul, plan.layouts));
    plans.clear();
    CublasLt.cublasLtDestroy(handle);
    arena.close();
  }
}
