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

// A row that a warp has read once: N pieces of sixteen bytes a lane, those behind its end zero.
template <class T, int N>
struct HeldRow {
  Vec16 pieces[N];
  DEVICE static int column(int i) { return (32 * i + lane_id()) * VEC<T>; }
  DEVICE HeldRow(const T* row, int n) {
    UNROLL
    for (int i = 0; i < N; i++) {
      if (column(i) + VEC<T> <= n) {
        pieces[i] = load(reinterpret_cast<const Vec16*>(row + column(i)));
      } else {
        T values[VEC<T>];
        UNROLL
        for (int j = 0; j < VEC<T>; j++) values[j] = column(i) + j < n ? load(row + column(i) + j) : from_float<T>(0.f);
        memcpy(&pieces[i], values, 16);
      }
    }
  }
  // As row_statistics, to the bit.
  DEVICE RowStatistics statistics(int n, float eps, bool centred) const {
    RowStatistics s{0.f, 0.f};
    float v[VEC<T>];
    if (centred) {
      float sum = 0.f;
      UNROLL
      for (int i = 0; i < N; i++) {
        unpack<T>(pieces[i], v);
        UNROLL
        for (int j = 0; j < VEC<T>; j++) sum += v[j];
      }
      s.mean = warp_sum(sum) / float(n);
    }
    float squares = 0.f;
    UNROLL
    for (int i = 0; i < N; i++) {
      unpack<T>(pieces[i], v);
      UNROLL
      for (int j = 0; j < VEC<T>; j++) {
        float x = column(i) + j < n ? v[j] - s.mean : 0.f;
        squares = fmaf(x, x, squares);
      }
    }
    s.scale = 1.f / sqrtf(warp_sum(squares) / float(n) + eps);
    return s;
  }
};

// A row by a warp: value(statistics, k, v) makes of VEC elements from k on what is stored. N as of HeldRow, or 0 for a row
// that is too long to be held and is read again for each of its statistics. `out` may be `x`.
template <class T, int N, class Value>
DEVICE void normalize_row(T* out, const T* x, int n, float eps, bool centred, Value value) {
  float v[VEC<T>];
  if constexpr (N == 0) {
    RowStatistics s = row_statistics(x, n, eps, centred);
    for (int k = lane_id() * VEC<T>; k < n; k += 32 * VEC<T>) {
      load_vector(x, k, n, v);
      value(s, k, v);
      store_vector(out, k, n, packed<T>(v));
    }
  } else {
    HeldRow<T, N> row(x, n);
    RowStatistics s = row.statistics(n, eps, centred);
    UNROLL
    for (int first = 0; first < N; first += 4) {  // four reads are under way before the first is stored
      UNROLL
      for (int i = first; i < first + 4; i++) {
        if (row.column(i) >= n) continue;
        unpack<T>(row.pieces[i], v);
        value(s, row.column(i), v);
        row.pieces[i] = packed<T>(v);
      }
      UNROLL
      for (int i = first; i < first + 4; i++) {
        if (row.column(i) < n) store_vector(out, row.column(i), n, row.pieces[i]);
      }
    }
  }
}

// Calls body<N>() with the pieces that hold a row of n, 0 if it is too long: sixteen would not leave room for what becomes
// of them.
template <class T, class Body>
void with_pieces(int n, Body body) {
  if (n <= 4 * 32 * VEC<T>) body.template operator()<4>();
  else if (n <= 8 * 32 * VEC<T>) body.template operator()<8>();
  else body.template operator()<0>();
}
