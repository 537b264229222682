package starling.nvidia;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import starling.device.DType;
import starling.nvidia.cublaslt.CublasLt;
import starling.nvidia.cublaslt.cublasLtMatmulAlgo_t;
import starling.nvidia.cublaslt.cublasLtMatmulHeuristicResult_t;

/**
 * How cuBLASLt multiplies one shape: its descriptors and the algorithm that its heuristic proposes.
 * Schemes that add parts of a sum in place, in no fixed order, are excluded.
 *
 * @param layouts of w, x, c and y
 */
record CublasLtPlan(MemorySegment matmul, List<MemorySegment> layouts, MemorySegment algorithm)
    implements AutoCloseable {
  /** Bytes of device memory that an algorithm may use. */
  static final long WORKSPACE = 32L << 20;

  private static final int FIXED_ORDER =
      CublasLt.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE()
          | CublasLt.CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE();

  MemorySegment w() {
    return layouts.get(0);
  }

  MemorySegment x() {
    return layouts.get(1);
  }

  MemorySegment c() {
    return layouts.get(2);
  }

  MemorySegment y() {
    return layouts.get(3);
  }

  /**
   * Row-major y = x·wᵀ is column-major yᵀ = w·xᵀ: w, read as its transpose, comes first.
   *
   * @param handle the library's
   * @param arena where the algorithm lies
   * @throws IllegalStateException if the library refuses, with the call and its reason
   */
  static CublasLtPlan of(CublasLtGemm.Shape s, MemorySegment handle, Arena arena) {
    MemorySegment matmul = matmul(arena);
    var layouts = new ArrayList<MemorySegment>();
    try {
      layouts.add(layout(s.dtype(), s.in(), s.out(), s.wStride()));
      layouts.add(layout(s.dtype(), s.in(), s.rows(), s.xStride()));
      layouts.add(layout(s.yType(), s.out(), s.rows(), s.cStride()));
      layouts.add(layout(s.yType(), s.out(), s.rows(), s.yStride()));
      MemorySegment algorithm = algorithm(s, handle, matmul, layouts, arena);
      return new CublasLtPlan(matmul, layouts, algorithm);
    } catch (RuntimeException e) {
      destroy(matmul, layouts);
      throw e;
    }
  }

  private static MemorySegment matmul(Arena arena) {
    MemorySegment out = arena.allocate(ADDRESS);
    CublasLtGemm.check(
        "cublasLtMatmulDescCreate",
        CublasLt.cublasLtMatmulDescCreate(
            out, CublasLt.CUBLAS_COMPUTE_32F(), CublasLt.CUDA_R_32F()));
    MemorySegment matmul = out.get(ADDRESS, 0);
    try (Arena own = Arena.ofConfined()) {
      CublasLtGemm.check(
          "cublasLtMatmulDescSetAttribute",
          CublasLt.cublasLtMatmulDescSetAttribute(
              matmul,
              CublasLt.CUBLASLT_MATMUL_DESC_TRANSA(),
              own.allocateFrom(JAVA_INT, CublasLt.CUBLAS_OP_T()),
              JAVA_INT.byteSize()));
      return matmul;
    } catch (RuntimeException e) {
      destroy(matmul, List.of());
      throw e;
    }
  }

  private static MemorySegment layout(DType dtype, long rows, long columns, long stride) {
    try (Arena own = Arena.ofConfined()) {
      MemorySegment out = own.allocate(ADDRESS);
      CublasLtGemm.check(
          "cublasLtMatrixLayoutCreate",
          CublasLt.cublasLtMatrixLayoutCreate(out, type(dtype), rows, columns, stride));
      return out.get(ADDRESS, 0);
    }
  }

  private static int type(DType dtype) {
    return switch (dtype) {
      case F32 -> CublasLt.CUDA_R_32F();
      case BF16 -> CublasLt.CUDA_R_16BF();
      case F16 -> CublasLt.CUDA_R_16F();
      default -> throw new IllegalArgumentException("no products of " + dtype.label());
    };
  }

  // ---- the heuristic ----

  private static MemorySegment algorithm(
      CublasLtGemm.Shape s,
      MemorySegment handle,
      MemorySegment matmul,
      List<MemorySegment> layouts,
      Arena arena) {
    MemorySegment preference = preference();
    try (Arena own = Arena.ofConfined()) {
      MemorySegment result = cublasLtMatmulHeuristicResult_t.allocate(own);
      MemorySegment found = own.allocate(JAVA_INT);
      CublasLtGemm.check(
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
      return algorithm;
    } finally {
      CublasLt.cublasLtMatmulPreferenceDestroy(preference);
    }
  }

  /** What an algorithm may use and must bear; the caller destroys it. */
  private static MemorySegment preference() {
    try (Arena own = Arena.ofConfined()) {
      MemorySegment out = own.allocate(ADDRESS);
      CublasLtGemm.check(
          "cublasLtMatmulPreferenceCreate", CublasLt.cublasLtMatmulPreferenceCreate(out));
      MemorySegment preference = out.get(ADDRESS, 0);
      try {
        MemorySegment bytes = own.allocateFrom(JAVA_LONG, WORKSPACE);
        prefer(preference, CublasLt.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES(), bytes);
        MemorySegment schemes = own.allocateFrom(JAVA_INT, FIXED_ORDER);
        prefer(preference, CublasLt.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK(), schemes);
        MemorySegment alignment = own.allocateFrom(JAVA_INT, 16); // the default is 256
        prefer(preference, CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES(), alignment);
        prefer(preference, CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES(), alignment);
        prefer(preference, CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES(), alignment);
        prefer(preference, CublasLt.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES(), alignment);
        return preference;
      } catch (RuntimeException e) {
        CublasLt.cublasLtMatmulPreferenceDestroy(preference);
        throw e;
      }
    }
  }

  private static void prefer(MemorySegment preference, int attribute, MemorySegment value) {
    CublasLtGemm.check(
        "cublasLtMatmulPreferenceSetAttribute",
        CublasLt.cublasLtMatmulPreferenceSetAttribute(
            preference, attribute, value, value.byteSize()));
  }

  /** "40x24x44 bf16: algorithm 7, tile 20, split-k 3, reduction 2", as T, out and in. */
  String description(CublasLtGemm.Shape s) {
    return String.format(
        Locale.ROOT,
        "%dx%dx%d %s: algorithm %d, tile %d, split-k %d, reduction %d",
        s.rows(),
        s.out(),
        s.in(),
        s.dtype().label(),
        number(CublasLt.CUBLASLT_ALGO_CONFIG_ID()),
        number(CublasLt.CUBLASLT_ALGO_CONFIG_TILE_ID()),
        number(CublasLt.CUBLASLT_ALGO_CONFIG_SPLITK_NUM()),
        number(CublasLt.CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME()));
  }

  private int number(int attribute) {
    try (Arena own = Arena.ofConfined()) {
      MemorySegment value = own.allocate(JAVA_INT);
      MemorySegment written = own.allocate(JAVA_LONG);
      CublasLtGemm.check(
          "cublasLtMatmulAlgoConfigGetAttribute",
          CublasLt.cublasLtMatmulAlgoConfigGetAttribute(
              algorithm, attribute, value, JAVA_INT.byteSize(), written));
      return value.get(JAVA_INT, 0);
    }
  }

  @Override
  public void close() {
    destroy(matmul, layouts);
  }

  private static void destroy(MemorySegment matmul, List<MemorySegment> layouts) {
    CublasLt.cublasLtMatmulDescDestroy(matmul);
    layouts.forEach(CublasLt::cublasLtMatrixLayoutDestroy);
  }
}
