// row_statistics: mean and Σ (x − mean)² of every part of every row, for a product whose x no product has made.
//
// Math      f32, two reads of a part: the mean first.
// Shapes    x [T, D], statistics f32 [T, 2·p]; any D, any p with ⌈D/c⌉ = p for a power of two c, the columns of a part; or p = 1.
// Launch    ⌈T/4⌉ blocks of 128 threads: a warp has a row, no barrier. Of several parts a lane has every 32nd.
// Cost      T·D elements read (the second time from L1): 636 rows of 4096 in bf16 are 5.2 MB. Bound by memory.
// Limits    one row alone is slow (one warp reads it), and so are a few wide parts (a lane has a part).
#include "gpu/args.h"
#include "gpu/statistics.h"

// One lane's part: n elements.
template <class T>
DEVICE PartStatistics lane_statistics(const T* x, int n) {
  PartStatistics s{0.f, 0.f};
  float sum = 0.f;
  for (int i = 0; i < n; i++) sum += to_float(load(x + i));
  s.mean = sum / float(n);
  for (int i = 0; i < n; i++) {
    float centred = to_float(load(x + i)) - s.mean;
    s.squares = fmaf(centred, centred, s.squares);
  }
  return s;
}

template <class T>
KERNEL(128)
row_statistics_kernel(float* statistics, const T* x, int64_t statistics_stride, int64_t x_stride, int rows, int width,
                      int parts) {
  int row = int(blockIdx.x) * 4 + warp_id();
  if (row >= rows) return;
  x += row * x_stride;
  auto* to = reinterpret_cast<PartStatistics*>(statistics + row * statistics_stride);
  if (parts == 1) {
    PartStatistics s = part_statistics(x, width);
    if (lane_id() == 0) store(to, s);
    return;
  }
  int columns = part_columns(width, parts);
  for (int p = lane_id(); p < parts; p += 32) {
    int n = width - p * columns < columns ? width - p * columns : columns;
    store(to + p, lane_statistics(x + p * columns, n));
  }
}

extern "C" int starling_row_statistics(const starling_row_statistics_args* args, starling_stream* stream) {
  return gpu::guarded("row_statistics", args, [&](const starling_row_statistics_args& a) {
    int rows = a.x.rows, width = a.x.width, parts = a.statistics.width / 2;
    gpu::require(width >= 1, "rows without elements");
    gpu::require(a.statistics.width % 2 == 0 && parts >= 1, "statistics are pairs");
    gpu::require(int64_t(parts - 1) * part_columns(width, parts) < width, "a part has no columns");
    auto* statistics = gpu::matrix<float>("statistics", a.statistics, rows, 2 * parts);
    gpu::with_type(a.x.dtype, [&]<class T>() {
      auto* x = gpu::matrix16<T>("x", a.x, rows, width);
      gpu::launch<row_statistics_kernel<T>>(dim3(gpu::ceil_div(rows, 4)), dim3(128), 0, stream, statistics, x,
                                            a.statistics.stride, a.x.stride, rows, width, parts);
    });
  });
}
