// Tiles of rows between global and shared memory.
#pragma once
#include "prims.h"

// Starts copying ROWS rows of COLUMNS elements into `tile` (rows PADDED<T, COLUMNS> apart). Rows from row_end on, and
// columns from column_end on, become zero. Row r comes from place(r), any row for those that are not read.
template <class T, int ROWS, int COLUMNS, class Place>
DEVICE void load_tile(T* tile, const T* from, int64_t stride, int row0, int row_end, int column0, int column_end,
                      Place place) {
  constexpr int PER_ROW = COLUMNS / VEC<T>;
  for (int i = int(threadIdx.x); i < ROWS * PER_ROW; i += int(blockDim.x)) {
    int r = i / PER_ROW, c = i % PER_ROW * VEC<T>;
    int left = row0 + r < row_end ? column_end - (column0 + c) : 0;
    int valid = left < 0 ? 0 : left < VEC<T> ? left : VEC<T>;
    const T* source = valid ? from + int64_t(place(row0 + r)) * stride + column0 + c : from;
    copy_async(tile + r * PADDED<T, COLUMNS> + c, source, valid * int(sizeof(T)));
  }
}
template <class T, int ROWS, int COLUMNS>
DEVICE void load_tile(T* tile, const T* from, int64_t stride, int row0, int row_end) {
  load_tile<T, ROWS, COLUMNS>(tile, from, stride, row0, row_end, 0, COLUMNS, [](int row) { return row; });
}

// Elements k … k + VEC − 1 of a row of n, zero beyond its end. The row starts at a multiple of 16 bytes.
template <class T>
DEVICE void load_vector(const T* row, int k, int n, float (&out)[16 / sizeof(T)]) {
  if (k + VEC<T> <= n) {
    unpack<T>(load(reinterpret_cast<const Vec16*>(row + k)), out);
  } else {
    UNROLL
    for (int i = 0; i < VEC<T>; i++) out[i] = k + i < n ? to_float(load(row + k + i)) : 0.f;
  }
}

// Two neighbours of a row, in one store where the address allows it.
template <class T>
DEVICE void store_pair(T* p, float a, float b) {
  if (reinterpret_cast<uintptr_t>(p) % (2 * sizeof(T)) == 0) {
    struct alignas(2 * sizeof(T)) Pair {
      T a, b;
    };
    store(reinterpret_cast<Pair*>(p), Pair{from_float<T>(a), from_float<T>(b)});
  } else {
    store(p, from_float<T>(a));
    store(p + 1, from_float<T>(b));
  }
}

// Sixteen bytes of values, each rounded once.
template <class T>
DEVICE Vec16 packed(const float (&values)[16 / sizeof(T)]) {
  T rounded[VEC<T>];
  UNROLL
  for (int i = 0; i < VEC<T>; i++) rounded[i] = from_float<T>(values[i]);
  Vec16 v;
  memcpy(&v, rounded, 16);
  return v;
}

// Elements k … k + VEC − 1 of a row of n, those that there are: in one store where the address allows it.
template <class T>
DEVICE void store_vector(T* row, int k, int n, Vec16 v) {
  if (k + VEC<T> <= n && reinterpret_cast<uintptr_t>(row + k) % 16 == 0) {
    store(reinterpret_cast<Vec16*>(row + k), v);
  } else {
    T values[VEC<T>];
    memcpy(values, &v, 16);
    UNROLL
    for (int i = 0; i < VEC<T>; i++) {
      if (k + i < n) store(row + k + i, values[i]);
    }
  }
}
