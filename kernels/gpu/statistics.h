// Statistics of a row in parts, as the product that made the row left them: of each part its mean and the sum of (x − mean)².
// Parts have a power of two of columns, the last one what is left. They add up without the loss that sums of squares have when
// the mean is large (Chan, Golub and LeVeque, 1979).
#pragma once
#include "norm.h"

// Of the rows of a call: `parts` pairs a row; none if `first` is NULL.
struct Statistics {
  const float* first;
  int64_t stride;
  int32_t parts, width;  // width: columns of the row itself
};

// Columns of each of `parts` parts but the last: their number says it.
HOST_DEVICE int part_columns(int width, int parts) {
  int columns = 1;
  while (int64_t(columns) * parts < width) columns *= 2;
  return columns;
}

// What a product has to do with those around it.
struct ProductRows {
  Statistics known;        // of x, or none
  float* statistics;       // of y, or none
  const int32_t* sources;  // row i is made of sources[i] of x and of the residual; or none
  int64_t statistics_stride;
  int32_t source_rows, reserved;
};

// Statistics of a whole row, by LANES neighbours of a warp, in a fixed order. A warp so has 32 / LANES rows at a time.
template <int LANES = 32>
DEVICE RowStatistics row_statistics(const Statistics& s, int row, float eps, bool centred) {
  const auto* part = reinterpret_cast<const PartStatistics*>(s.first + row * s.stride);
  int columns = part_columns(s.width, s.parts), lane = lane_id() % LANES;
  auto add_lanes = [](float x) {
    UNROLL
    for (int bits = LANES / 2; bits; bits >>= 1) x += __shfl_xor_sync(ALL_LANES, x, bits);
    return x;
  };
  RowStatistics all{0.f, 0.f};
  if (centred) {
    float sum = 0.f;
    for (int i = lane; i < s.parts; i += LANES) {
      int n = s.width - i * columns < columns ? s.width - i * columns : columns;
      sum += load(part + i).mean * float(n);
    }
    all.mean = add_lanes(sum) / float(s.width);
  }
  float squares = 0.f;
  for (int i = lane; i < s.parts; i += LANES) {
    int n = s.width - i * columns < columns ? s.width - i * columns : columns;
    PartStatistics p = load(part + i);
    squares += fmaf(float(n) * (p.mean - all.mean), p.mean - all.mean, p.squares);
  }
  all.scale = 1.f / sqrtf(add_lanes(squares) / float(s.width) + eps);
  return all;
}
