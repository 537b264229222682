// activation: activation(x + bias) + residual, elementwise: what stands behind a product that a library computes. Our own
// gemm does the same in registers (gpu/epilogue.h).
//
// Math      quick_gelu, gelu (erf), none; silu_mul: silu(gate)·up with x = [gate | up]. f32, rounded once.
// Shapes    x [T, D] or [T, 2·D]; out, residual [T, D]; bias f32 [D] or [2·D].
// Launch    grid (⌈D/256⌉, T), 256 threads.
// Cost      2 to 4 elements of traffic per output: 577 × 4096 in bf16 are 9.5 MB. Bound by memory.
// Limits    T ≤ 65535.
#include "gpu/args.h"
#include "gpu/epilogue.h"

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

extern "C" int starling_activation(const starling_activation_args* args, starling_stream* stream) {
  return gpu::guarded("activation", args, [&](const starling_activation_args& a) {
    gpu::require(a.activation >= STARLING_NONE && a.activation <= STARLING_SILU_MUL, "unknown activation");
    int rows = a.out.rows, width = a.out.width;
    bool gated = a.activation == STARLING_SILU_MUL;
    int64_t columns = gated ? int64_t(2) * width : width;
    auto* bias = gpu::optional_vector<float>("bias", a.bias, columns);
    gpu::with_type(a.out.dtype, [&]<class T>() {
      auto *out = gpu::matrix<T>("out", a.out, rows, width), *x = gpu::matrix<T>("x", a.x, rows, columns);
      auto* residual = gpu::optional_matrix<T>("residual", a.residual, rows, width);
      Epilogue p{out, bias, residual, a.out.stride, a.residual.stride, width, a.activation, a.out.dtype == STARLING_F32, 0};
      dim3 grid(gpu::ceil_div(width, 256), rows);
      if (gated) {
        gpu::launch<activation_kernel<T, true>>(grid, dim3(256), 0, stream, x, a.x.stride, p);
      } else {
        gpu::launch<activation_kernel<T, false>>(grid, dim3(256), 0, stream, x, a.x.stride, p);
      }
    });
  });
}
