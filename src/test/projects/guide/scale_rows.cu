// scale_rows: every row times a factor of its own, for methods that weigh tokens.
//
// Math      out[t] = factor[t]·x[t], f32, rounded once.
// Shapes    x [T, D], factor f32 [T], out [T, D].
// Launch    one block of 128 threads per row.
// Cost      2·T·D elements. Bound by memory.
// Limits    none.
#include "gpu/args.h"
#include "gpu/prims.h"

template <class T>
KERNEL(128)
scale_rows_kernel(T* out, const T* x, const float* factor, int64_t out_stride, int64_t x_stride, int width) {
  int64_t row = blockIdx.x;
  float by = load(factor + row);
  for (int c = int(threadIdx.x); c < width; c += 128) {
    store(out + row * out_stride + c, from_float<T>(by * to_float(load(x + row * x_stride + c))));
  }
}

extern "C" int starling_scale_rows(const starling_scale_rows_args* args, starling_stream* stream) {
  return gpu::guarded("scale_rows", args, [&](const starling_scale_rows_args& a) {
    int rows = a.x.rows, width = a.x.width;
    auto* factor = gpu::vector<float>("factor", a.factor, rows);
    gpu::with_type(a.x.dtype, [&]<class T>() {
      auto *out = gpu::matrix<T>("out", a.out, rows, width), *x = gpu::matrix<T>("x", a.x, rows, width);
      gpu::launch<scale_rows_kernel<T>>(dim3(rows), dim3(128), 0, stream, out, x, factor, a.out.stride, a.x.stride, width);
    });
  });
}
