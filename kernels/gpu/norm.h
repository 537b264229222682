// Statistics of a row, computed by one warp in two passes: the mean first, then the squares of what is left, so that a
// large mean costs no precision.
#pragma once
#include "tile.h"

struct RowStatistics {
  float mean;   // 0 for RMS norm
  float scale;  // 1 / sqrt(mean of squares + eps)
};

// Of n elements: their mean, if it is wanted, and the sum of the squares of what is left.
struct PartStatistics {
  float mean, squares;
};
template <class T>
DEVICE PartStatistics part_statistics(const T* row, int n, bool centred = true) {
  PartStatistics s{0.f, 0.f};
  float v[VEC<T>];
  if (centred) {
    float sum = 0.f;
    for (int k = lane_id() * VEC<T>; k < n; k += 32 * VEC<T>) {
      load_vector(row, k, n, v);
      UNROLL
      for (int i = 0; i < VEC<T>; i++) sum += v[i];
    }
    s.mean = warp_sum(sum) / float(n);
  }
  float squares = 0.f;
  for (int k = lane_id() * VEC<T>; k < n; k += 32 * VEC<T>) {
    load_vector(row, k, n, v);
    UNROLL
    for (int i = 0; i < VEC<T>; i++) {
      float x = k + i < n ? v[i] - s.mean : 0.f;
      squares = fmaf(x, x, squares);
    }
  }
  s.squares = warp_sum(squares);
  return s;
}

template <class T>
DEVICE RowStatistics row_statistics(const T* row, int n, float eps, bool centred) {
  PartStatistics s = part_statistics(row, n, centred);
  return RowStatistics{s.mean, 1.f / sqrtf(s.squares / float(n) + eps)};
}
