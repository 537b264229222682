// activation: activation(x + bias) + residual, elementwise: what stands behind a product that a library computes. Our own
// gemm does the same in registers (gpu/epilogue.h).
//
// Math      quick_gelu, gelu (erf), none; silu_mul: silu(gate)·up with x = [gate | up]. f32, rounded once.
// Shapes    x [T, D] or [T, 2·D]; out, residual [T, D]; bias f32 [D] or [2·D].
// Launch    grid (⌈D/256⌉, T), 256 threads.
// Cost      2 to 4 elements of traffic per output: 577 × 4096 in bf16 are 9.5 MB. Bound by memory.
// Limits    T ≤ 65535.
#include "gpu/epilogue.h"
#include "gpu/launch.h"

template <class T, bool GATED>
KERNEL(256)
activation_kernel(const T* x, int64_t x_stride, Epilogue p) {
  int row = int(blockIdx.y), column = int(blockIdx.x) * 256 + int(threadIdx.x);
  if (column < p.out) {
    float value = to_float(load(x + row * x_stride + column));
    float up = GATED ? to_float(load(x + row * x_stride + p.out + column)) : 0.f;
    epilogue<T, GATED>(value, up, row, column, p);
  }
}

extern "C" int starling_activation(void* out, int64_t out_stride, const void* x, int64_t x_stride, const float* bias,
                                   const void* residual, int64_t residual_stride, int32_t rows, int32_t width,
                                   int32_t activation, int32_t dtype, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(activation >= STARLING_NONE && activation <= STARLING_SILU_MUL, "activation: unknown activation");
    gpu::with_type(dtype, [&]<class T>() {
      Epilogue p{out, bias, residual, out_stride, residual_stride, width, activation, dtype == STARLING_F32, 0};
      dim3 grid(gpu::ceil_div(width, 256), rows);
      auto* x_ = static_cast<const T*>(x);
      if (activation == STARLING_SILU_MUL) {
        gpu::launch<activation_kernel<T, true>>(grid, dim3(256), 0, stream, x_, x_stride, p);
      } else {
        gpu::launch<activation_kernel<T, false>>(grid, dim3(256), 0, stream, x_, x_stride, p);
      }
    });
  });
}
