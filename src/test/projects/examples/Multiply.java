import static jcuda.cudaDataType.CUDA_R_32F;
import static jcuda.jcublas.cublasComputeType.CUBLAS_COMPUTE_32F;
import static jcuda.jcublas.cublasGemmAlgo.CUBLAS_GEMM_DEFAULT;
import static jcuda.jcublas.cublasOperation.CUBLAS_OP_N;
import static jcuda.jcublas.cublasOperation.CUBLAS_OP_T;

import jcuda.Pointer;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import starling.cuda.NativeDevice;
import starling.device.Tensor;
import starling.jcuda.Interop;

public class Multiply {
  /** y = x·wᵀ in f32 by JCublas, on our tensors and our stream; cuBLAS counts by columns. */
  public static int multiply(
      NativeDevice device, cublasHandle handle, Tensor y, Tensor x, Tensor w) {
    JCublas2.cublasSetStream(handle, Interop.stream(device));
    Pointer one = Pointer.to(new float[] {1});
    Pointer zero = Pointer.to(new float[] {0});
    int ldw = (int) w.rowStride();
    int ldx = (int) x.rowStride();
    int ldy = (int) y.rowStride();
    Pointer wp = Interop.pointer(device, w);
    Pointer xp = Interop.pointer(device, x);
    Pointer yp = Interop.pointer(device, y);
    return JCublas2.cublasGemmEx_new(
        handle,
        CUBLAS_OP_T,
        CUBLAS_OP_N,
        w.rows(),
        x.rows(),
        x.width(),
        one,
        wp,
        CUDA_R_32F,
        ldw,
        xp,
        CUDA_R_32F,
        ldx,
        zero,
        yp,
        CUDA_R_32F,
        ldy,
        CUBLAS_COMPUTE_32F,
        CUBLAS_GEMM_DEFAULT);
  }
}
