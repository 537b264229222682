// layernorm: (x − mean) / sqrt(var + eps) · weight + bias, row by row.
//
// Math      mean first, then the squares of what is left of it; f32; the result is rounded once.
// Shapes    x, out [T, D], weight, bias [D]; any D. out may be x.
// Launch    ⌈T/4⌉ blocks of 128 threads: a warp has a row, no barrier. It reads the row once, into 4 or 8 pieces of sixteen
//           bytes a lane, and stores sixteen bytes at a time where the rows of out allow it. A longer row, of more than
//           2048 channels (f32: 1024), is read again for each statistic and for the result, from L1.
// Cost      2·T·D elements of traffic: 577 rows of 1024 in bf16 are 2.4 MB. Bound by memory.
// Limits    none.
#include "gpu/args.h"
#include "gpu/norm.h"

template <class T, int N>
KERNEL(128)
layernorm_kernel(T* out, const T* x, const T* weight, const T* bias, int64_t out_stride, int64_t x_stride, int rows,
                 int width, float eps) {
  int row = int(blockIdx.x) * 4 + warp_id();
  if (row >= rows) return;
  normalize_row<T, N>(out + row * out_stride, x + row * x_stride, width, eps, true,
                      [&](const RowStatistics& s, int k, float(&v)[VEC<T>]) {
                        float w[VEC<T>], b[VEC<T>];
                        load_vector(weight, k, width, w);
                        load_vector(bias, k, width, b);
                        UNROLL
                        for (int i = 0; i < VEC<T>; i++) v[i] = (v[i] - s.mean) * s.scale * w[i] + b[i];
                      });
}

extern "C" int starling_layernorm(const starling_layernorm_args* args, starling_stream* stream) {
  return gpu::guarded("layernorm", args, [&](const starling_layernorm_args& a) {
    int rows = a.x.rows, width = a.x.width;
    gpu::require(width >= 1, "rows without elements");
    gpu::with_type(a.x.dtype, [&]<class T>() {
      auto *out = gpu::matrix<T>("out", a.out, rows, width), *x = gpu::matrix16<T>("x", a.x, rows, width);
      auto* weight = gpu::vector16<T>("weight", a.weight, width);
      auto* bias = gpu::vector16<T>("bias", a.bias, width);
      with_pieces<T>(width, [&]<int N>() {
        gpu::launch<layernorm_kernel<T, N>>(dim3(gpu::ceil_div(rows, 4)), dim3(128), 0, stream, out, x, weight, bias,
                                            a.out.stride, a.x.stride, rows, width, a.eps);
      });
    });
  });
}
