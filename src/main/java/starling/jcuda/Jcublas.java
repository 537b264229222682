package starling.jcuda;

import java.util.List;
import java.util.Locale;
import jcuda.Pointer;
import jcuda.cudaDataType;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcublas.cublasGemmAlgo;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasOperation;
import jcuda.jcublas.cublasStatus;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Tensor;
import starling.input.InputException;
import starling.nvidia.NvidiaLibrary;

/**
 * Matrix products by JCublas on a device's own memory and stream: written by others, called by JNI,
 * so a reference that shares nothing with ours. JCublas 12.6 wants {@code libcublas.so.12}; where
 * only 13 is found, the property {@value #FORWARDING} may name a library that forwards one to the
 * other (the tests build one), and {@link #description} says so.
 */
public final class Jcublas implements AutoCloseable {
  private static final String FORWARDING = "starling.cublas.forwarding";
  private static final String FILE = "libcublas.so.12";

  private static NvidiaLibrary library;
  private static boolean forwarded;

  private final NativeDevice device;
  private final cublasHandle handle;
  private final Pointer one;
  private final Pointer zero;

  /**
   * Starts cuBLAS on the stream of the device, which is closed after this.
   *
   * @throws InputException if JCublas, its native library or cuBLAS is not there or cannot start,
   *     with the reason
   */
  public Jcublas(NativeDevice device) {
    this.device = device;
    load();
    try {
      this.handle = new cublasHandle();
      Starting.of(JCublas2.class);
      this.one = Pointer.to(new float[] {1});
      this.zero = Pointer.to(new float[] {0});
      check("cublasCreate", JCublas2.cublasCreate(handle));
      check("cublasSetStream", JCublas2.cublasSetStream(handle, Interop.stream(device)));
    } catch (LinkageError e) {
      throw new InputException("JCublas: " + JniLaunch.why(e), e);
    }
  }

  /** Places where cuBLAS was looked for, one line each with what came of it. */
  public static synchronized List<String> tried() {
    return search().lines();
  }

  private static NvidiaLibrary search() {
    if (library == null || library.loaded() == null) {
      library = NvidiaLibrary.search("cublas", List.of(FILE, "libcublas.so.13"));
    }
    return library;
  }

  /** JCublas' own library finds cuBLAS by its name among those that are loaded. */
  private static synchronized void load() {
    if (search().loaded() == null) {
      throw new InputException("JCublas: no cuBLAS: " + String.join("; ", library.lines()));
    }
    if (!library.loaded().endsWith(FILE) && !forwarded) {
      forward();
    }
  }

  private static void forward() {
    String file = System.getProperty(FORWARDING);
    if (file == null) {
      throw new InputException(
          "JCublas 12.6 needs " + FILE + ", and here is " + library.loaded() + " alone");
    }
    try {
      System.load(file);
      forwarded = true;
    } catch (UnsatisfiedLinkError e) {
      throw new InputException("property " + FORWARDING + ": " + JniLaunch.why(e), e);
    }
  }

  private static void check(String call, int status) {
    if (status != 0) {
      throw new InputException("JCublas: " + call + ": " + cublasStatus.stringFor(status));
    }
  }

  /** "JCublas over cuBLAS 13.1.0 (libcublas.so.12 forwards to 13)". */
  public String description() {
    int[] version = new int[1];
    check("cublasGetVersion", JCublas2.cublasGetVersion(handle, version));
    int v = version[0];
    return String.format(
        Locale.ROOT,
        "JCublas over cuBLAS %d.%d.%d%s",
        v / 10_000,
        v / 100 % 100,
        v % 100,
        forwarded ? " (" + FILE + " forwards to 13)" : "");
  }

  /**
   * {@code y = x·wᵀ}, f32 accumulation; all of one type. cuBLAS is column-major: it computes yᵀ.
   *
   * @param y {@code [T, out]}
   * @param x {@code [T, in]}
   * @param w {@code [out, in]}
   */
  public void multiply(Tensor y, Tensor x, Tensor w) {
    int type = type(x.dtype());
    check(
        "cublasGemmEx",
        JCublas2.cublasGemmEx_new(
            handle,
            cublasOperation.CUBLAS_OP_T,
            cublasOperation.CUBLAS_OP_N,
            w.rows(),
            x.rows(),
            x.width(),
            one,
            Interop.pointer(device, w),
            type,
            Math.toIntExact(w.rowStride()),
            Interop.pointer(device, x),
            type,
            Math.toIntExact(x.rowStride()),
            zero,
            Interop.pointer(device, y),
            type,
            Math.toIntExact(y.rowStride()),
            cublasComputeType.CUBLAS_COMPUTE_32F,
            cublasGemmAlgo.CUBLAS_GEMM_DEFAULT));
  }

  private static int type(DType dtype) {
    return switch (dtype) {
      case F32 -> cudaDataType.CUDA_R_32F;
      case BF16 -> cudaDataType.CUDA_R_16BF;
      case F16 -> cudaDataType.CUDA_R_16F;
      default -> throw new IllegalArgumentException("no products of " + dtype.label());
    };
  }

  @Override
  public void close() {
    JCublas2.cublasDestroy(handle);
  }
}
