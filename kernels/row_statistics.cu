// row_statistics: mean and Σ (x − mean)² of every row, in one part, for a product whose x no product has made.
//
// Math      f32, two reads of the row: the mean first.
// Shapes    x [T, D], statistics f32 [T, 2]; any D.
// Launch    ⌈T/4⌉ blocks of 128 threads: a warp has a row, no barrier.
// Cost      T·D elements read (the second time from L1): 636 rows of 4096 in bf16 are 5.2 MB. Bound by memory.
// Limits    one row alone is slow (one warp reads it).
#include "gpu/args.h"
#include "gpu/statistics.h"

template <class T>
KERNEL(128)
row_statistics_kernel(float* statistics, const T* x, int64_t statistics_stride, int64_t x_stride, int rows, int width) {
  int row = int(blockIdx.x) * 4 + warp_id();
  if (row < rows) {
    PartStatistics s = part_statistics(x + row * x_stride, width);
    if (lane_id() == 0) store(reinterpret_cast<PartStatistics*>(statistics + row * statistics_stride), s);
  }
}

extern "C" int starling_row_statistics(const starling_row_statistics_args* args, starling_stream* stream) {
  return gpu::guarded("row_statistics", args, [&](const starling_row_statistics_args& a) {
    int rows = a.x.rows, width = a.x.width;
    gpu::require(width >= 1, "rows without elements");
    auto* statistics = gpu::matrix<float>("statistics", a.statistics, rows, 2);
    gpu::with_type(a.x.dtype, [&]<class T>() {
      auto* x = gpu::matrix16<T>("x", a.x, rows, width);
      gpu::launch<row_statistics_kernel<T>>(dim3(gpu::ceil_div(rows, 4)), dim3(128), 0, stream, statistics, x,
                                            a.statistics.stride, a.x.stride, rows, width);
    });
  });
}
