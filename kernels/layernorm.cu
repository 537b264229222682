// layernorm: (x − mean) / sqrt(var + eps) · weight + bias, row by row.
//
// Math      mean first, then the squares of what is left of it; f32; the result is rounded once.
// Shapes    x, out [T, D], weight, bias [D]; any D. out may be x.
// Launch    ⌈T/4⌉ blocks of 128 threads: a warp has a row, no barrier.
// Cost      2·T·D elements of traffic (the later reads are from L1): 577 rows of 1024 in bf16 are 2.4 MB. Bound by memory.
// Limits    none.
#include "gpu/launch.h"
#include "gpu/norm.h"

template <class T>
KERNEL(128)
layernorm_kernel(T* out, const T* x, const T* weight, const T* bias, int64_t out_stride, int64_t x_stride, int rows,
                 int width, float eps) {
  int row = int(blockIdx.x) * 4 + warp_id();
  if (row < rows) {
    x += row * x_stride;
    out += row * out_stride;
    RowStatistics s = row_statistics(x, width, eps, true);
    for (int k = lane_id() * VEC<T>; k < width; k += 32 * VEC<T>) {
      float v[VEC<T>], w[VEC<T>], b[VEC<T>];
      load_vector(x, k, width, v);
      load_vector(weight, k, width, w);
      load_vector(bias, k, width, b);
      UNROLL
      for (int i = 0; i < VEC<T>; i++) {
        if (k + i < width) store(out + k + i, from_float<T>((v[i] - s.mean) * s.scale * w[i] + b[i]));
      }
    }
  }
}

extern "C" int starling_layernorm(void* out, int64_t out_stride, const void* x, int64_t x_stride, const void* weight,
                                  const void* bias, int32_t rows, int32_t width, float eps, int32_t dtype,
                                  starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(width >= 1, "layernorm: rows without elements");
    gpu::with_type(dtype, [&]<class T>() {
      auto *x_ = static_cast<const T*>(x), *w_ = static_cast<const T*>(weight), *b_ = static_cast<const T*>(bias);
      gpu::require_rows16(x_, x_stride, "x");
      gpu::require_rows16(w_, 0, "weight");
      gpu::require_rows16(b_, 0, "bias");
      gpu::launch<layernorm_kernel<T>>(dim3(gpu::ceil_div(rows, 4)), dim3(128), 0, stream, static_cast<T*>(out), x_, w_,
                                       b_, out_stride, x_stride, rows, width, eps);
    });
  });
}
