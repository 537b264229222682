// rmsnorm: x / sqrt(mean(x²) + eps) · weight, row by row.
//
// Math      f32 statistics, two reads of the row; the result is rounded once.
// Shapes    x, out [T, D], weight [D]; any D. out may be x.
// Launch    ⌈T/4⌉ blocks of 128 threads: a warp has a row, no barrier.
// Cost      2·T·D elements of traffic (the second read is from L1): 636 rows of 4096 in bf16 are 10.4 MB. Bound by memory.
// Limits    one row alone is slow (one warp reads it); decode folds the norm into gemv.cu instead.
#include "gpu/args.h"
#include "gpu/norm.h"

template <class T>
KERNEL(128)
rmsnorm_kernel(T* out, const T* x, const T* weight, int64_t out_stride, int64_t x_stride, int rows, int width, float eps) {
  int row = int(blockIdx.x) * 4 + warp_id();
  if (row < rows) {
    x += row * x_stride;
    out += row * out_stride;
    RowStatistics s = row_statistics(x, width, eps, false);
    for (int k = lane_id() * VEC<T>; k < width; k += 32 * VEC<T>) {
      float v[VEC<T>], w[VEC<T>];
      load_vector(x, k, width, v);
      load_vector(weight, k, width, w);
      UNROLL
      for (int i = 0; i < VEC<T>; i++) {
        if (k + i < width) store(out + k + i, from_float<T>(v[i] * s.scale * w[i]));
      }
    }
  }
}

extern "C" int starling_rmsnorm(const starling_rmsnorm_args* args, starling_stream* stream) {
  return gpu::guarded("rmsnorm", args, [&](const starling_rmsnorm_args& a) {
    int rows = a.x.rows, width = a.x.width;
    gpu::require(width >= 1, "rows without elements");
    gpu::with_type(a.x.dtype, [&]<class T>() {
      auto *out = gpu::matrix<T>("out", a.out, rows, width), *x = gpu::matrix16<T>("x", a.x, rows, width);
      auto* weight = gpu::vector16<T>("weight", a.weight, width);
      gpu::launch<rmsnorm_kernel<T>>(dim3(gpu::ceil_div(rows, 4)), dim3(128), 0, stream, out, x, weight, a.out.stride,
                                     a.x.stride, rows, width, a.eps);
    });
  });
}
