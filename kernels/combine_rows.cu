// combine_rows: short weighted sums of rows, for methods that merge tokens.
//
// Math      out[i] = Σ_j weight[i, j]·in[index[i, j]], in order of j, f32, rounded once.
// Shapes    in [n, D], index i32 [m, w], weight f32 [m, w], out [m, D].
// Launch    one block of 128 threads per output row.
// Cost      (w + 1)·m·D elements. Bound by memory.
// Limits    none.
#include "gpu/args.h"
#include "gpu/prims.h"

template <class T>
KERNEL(128)
combine_rows_kernel(T* out, const T* in, const int32_t* index, const float* weight, int64_t out_stride, int64_t in_stride,
                    int64_t index_stride, int64_t weight_stride, int n, int width, int w) {
  int row = int(blockIdx.x);
  for (int c = int(threadIdx.x); c < width; c += 128) {
    float sum = 0.f;
    for (int j = 0; j < w; j++) {
      int64_t source = checked(load(index + row * index_stride + j), n, "a row to combine");
      sum = fmaf(load(weight + row * weight_stride + j), to_float(load(in + source * in_stride + c)), sum);
    }
    store(out + row * out_stride + c, from_float<T>(sum));
  }
}

extern "C" int starling_combine_rows(const starling_combine_rows_args* args, starling_stream* stream) {
  return gpu::guarded("combine_rows", args, [&](const starling_combine_rows_args& a) {
    int m = a.index.rows, w = a.index.width, n = a.in.rows, width = a.in.width;
    auto* index = gpu::matrix<int32_t>("index", a.index, m, w);
    auto* weight = gpu::matrix<float>("weight", a.weight, m, w);
    gpu::with_type(a.in.dtype, [&]<class T>() {
      auto *out = gpu::matrix<T>("out", a.out, m, width), *in = gpu::matrix<T>("in", a.in, n, width);
      gpu::launch<combine_rows_kernel<T>>(dim3(m), dim3(128), 0, stream, out, in, index, weight, a.out.stride, a.in.stride,
                                          a.index.stride, a.weight.stride, n, width, w);
    });
  });
}
