// Tiles of rows between global and shared memory.
#pragma once
#include "prims.h"

// Starts copying ROWS rows of COLUMNS elements into `tile` (rows PADDED<T, COLUMNS> apart), in a block of THREADS. Rows from
// row_end on, and columns from column_end on, become zero. Row r comes from place(r), any row for those that are not read.
template <class T, int ROWS, int COLUMNS, int THREADS = 128, class Place>
DEVICE void load_tile(T* tile, const T* from, int64_t stride, int row0, int row_end, int column0, int column_end,
                      Place place) {
  constexpr int PER_ROW = COLUMNS / VEC<T>;
  UNROLL_4
  for (int first = 0; first < ROWS * PER_ROW; first += THREADS) {
    int i = first + int(threadIdx.x), r = i / PER_ROW, c = i % PER_ROW * VEC<T>;
    if (ROWS * PER_ROW % THREADS && i >= ROWS * PER_ROW) continue;
    int left = row0 + r < row_end ? column_end - (column0 + c) : 0;
    int valid = left < 0 ? 0 : left < VEC<T> ? left : VEC<T>;
    const T* source = valid ? from + int64_t(place(row0 + r)) * stride + column0 + c : from;
    copy_async(tile + r * PADDED<T, COLUMNS> + c, source, valid * int(sizeof(T)));
  }
}
template <class T, int ROWS, int COLUMNS, int THREADS = 128>
DEVICE void load_tile(T* tile, const T* from, int64_t stride, int row0, int row_end) {
  load_tile<T, ROWS, COLUMNS, THREADS>(tile, from, stride, row0, row_end, 0, COLUMNS, [](int row) { return row; });
}

// Copies one tile after another from the same ROWS rows, COLUMNS elements further each time, so that a thread finds its
// addresses once. Elements beyond the end of a row become zero.
template <class T, int ROWS, int COLUMNS, int THREADS>
struct TileReader {
  static constexpr int PER_ROW = COLUMNS / VEC<T>, COUNT = ROWS * PER_ROW / THREADS, APART = THREADS / PER_ROW;
  static_assert(COUNT * THREADS == ROWS * PER_ROW && APART * PER_ROW == THREADS);
  const T* from[COUNT];
  int row, column;  // in the tile, of the first of this thread's vectors; the others are APART rows apart

  // Row r of the tiles is row place(r), which exists.
  template <class Place>
  DEVICE TileReader(const T* rows, int64_t stride, Place place) {
    row = int(threadIdx.x) / PER_ROW;
    column = int(threadIdx.x) % PER_ROW * VEC<T>;
    UNROLL
    for (int i = 0; i < COUNT; i++) from[i] = rows + int64_t(place(row + i * APART)) * stride + column;
  }
  // Place of vector i in the tile.
  DEVICE int at(int i) const { return (row + i * APART) * PADDED<T, COLUMNS> + column; }
  // WHOLE: all COLUMNS elements exist. Otherwise `valid` bytes of each of this thread's vectors do.
  template <bool WHOLE>
  DEVICE void next(T* tile, int valid) {
    UNROLL
    for (int i = 0; i < COUNT; i++) {
      if constexpr (WHOLE) copy_async(tile + at(i), from[i]);
      else copy_async(tile + at(i), from[i], valid);
      from[i] += COLUMNS;
    }
  }
};

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

// Eight neighbours of a row as they are stored. `count` of them exist; all do, and in whole vectors, where the address is a
// multiple of 16 bytes.
template <class T>
struct Eight {
  Vec16 bits[sizeof(T) / 2];
};
template <class T>
DEVICE Eight<T> load_eight(const T* p, int count) {
  Eight<T> values = {};
  if (count >= 8 && reinterpret_cast<uintptr_t>(p) % 16 == 0) {
    UNROLL
    for (int i = 0; i < int(sizeof(T)) / 2; i++) values.bits[i] = load(reinterpret_cast<const Vec16*>(p) + i);
  } else {
    T one[8] = {};
    UNROLL
    for (int i = 0; i < 8; i++) {
      if (i < count) one[i] = load(p + i);
    }
    memcpy(&values, one, sizeof values);
  }
  return values;
}
template <class T>
DEVICE void store_eight(T* p, const float (&v)[8], int count) {
  if (count >= 8 && reinterpret_cast<uintptr_t>(p) % 16 == 0) {
    UNROLL
    for (int i = 0; i < 8; i += VEC<T>) {
      float part[VEC<T>];
      UNROLL
      for (int j = 0; j < VEC<T>; j++) part[j] = v[i + j];
      store(reinterpret_cast<Vec16*>(p + i), packed<T>(part));
    }
  } else {
    UNROLL
    for (int i = 0; i < 8; i++) {
      if (i < count) store(p + i, from_float<T>(v[i]));
    }
  }
}
