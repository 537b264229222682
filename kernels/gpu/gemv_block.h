// What a block of gemv does: groups of 16 columns of y, for all rows of the call.
#pragma once
#include "epilogue.h"
#include "statistics.h"

constexpr int GEMV_GROUP = 16;           // columns: a part of y's statistics
constexpr int GEMV_X_BYTES = 32 * 1024;  // of x in shared memory

template <class T>
struct GemvInputs {
  const T *x, *w, *norm_weight, *norm_bias;
  int64_t x_stride, w_stride;
  int32_t rows, in;
  float eps;
  int32_t reserved;
};

template <int ROWS, bool GATED>
struct GemvShape {
  static constexpr int THREADS = ROWS == 16 && GATED ? 256 : 128, WARPS = THREADS / 32;
  static constexpr int OWN = GEMV_GROUP / WARPS;            // columns of y that a warp has in a group
  static constexpr int COLUMNS = GATED ? 2 * OWN : OWN;     // rows of w: gate and up
  static constexpr int DEEP = ROWS == 1 && !GATED ? 2 : 1;  // loads of a row of w in a round
};

// Elements k … k + VEC − 1 of a row of n as they are stored, zero beyond its end.
template <bool COHERENT, class T>
DEVICE Vec16 stored_vector(const T* row, int k, int n) {
  auto* at = reinterpret_cast<const Vec16*>(row + k);
  if (k + VEC<T> <= n) return COHERENT ? load_coherent(at) : load(at);
  T values[VEC<T>];
  UNROLL
  for (int i = 0; i < VEC<T>; i++) {
    values[i] = k + i >= n ? from_float<T>(0.f) : COHERENT ? load_coherent(row + k + i) : load(row + k + i);
  }
  Vec16 v;
  memcpy(&v, values, 16);
  return v;
}

// Statistics of all rows of x, by the whole block. A row is added up in four quarters, whoever adds them, so that its bits
// do not depend on the number of rows.
template <class T, int ROWS, int WARPS>
DEVICE void gemv_statistics(RowStatistics* statistics, const GemvInputs<T>& a, const ProductRows& around) {
  constexpr int PER_WARP = ROWS * 4 / WARPS;
  SHARED(float, quarters, (ROWS * 4));
  int quarter = warp_id() % 4, row0 = warp_id() / 4, tid = int(threadIdx.x);
  const Statistics& known = around.known;
  int units = known.first ? known.parts : (a.in + VEC<T> - 1) / VEC<T>;
  int columns = known.first ? part_columns(known.width, known.parts) : 0;
  bool centred = a.norm_bias != nullptr;
  auto add_up = [&](auto unit) {
    float sum[PER_WARP] = {};
    for (int i = quarter * 32 + lane_id(); i < units; i += 128) {
      UNROLL
      for (int j = 0; j < PER_WARP; j++) {
        int r = j * (WARPS / 4) + row0;
        if (r < a.rows) sum[j] += unit(r, i);
      }
    }
    UNROLL
    for (int j = 0; j < PER_WARP; j++) {
      float all = warp_sum(sum[j]);
      if (lane_id() == 0) quarters[(j * (WARPS / 4) + row0) * 4 + quarter] = all;
    }
    __syncthreads();
    const float* q = quarters + tid * 4;
    return tid < ROWS ? (q[0] + q[1]) + (q[2] + q[3]) : 0.f;
  };
  auto part = [&](int r, int i) {
    return load(reinterpret_cast<const PartStatistics*>(known.first + r * known.stride) + i);
  };
  auto columns_of = [&](int i) {
    int left = known.width - i * columns;
    return float(left < columns ? left : columns);
  };
  auto row_of = [&](int r) { return a.x + int64_t(around.sources ? load(around.sources + r) : r) * a.x_stride; };
  if (centred) {
    float sum = add_up([&](int r, int i) {
      if (known.first) return part(r, i).mean * columns_of(i);
      float v[VEC<T>], some = 0.f;
      load_vector(row_of(r), i * VEC<T>, a.in, v);
      UNROLL
      for (int c = 0; c < VEC<T>; c++) some += v[c];
      return some;
    });
    if (tid < a.rows) statistics[tid].mean = sum / float(a.in);
  } else if (tid < a.rows) {
    statistics[tid].mean = 0.f;
  }
  __syncthreads();
  float squares = add_up([&](int r, int i) {
    float mean = statistics[r].mean;
    if (known.first) {
      PartStatistics s = part(r, i);
      return fmaf(columns_of(i) * (s.mean - mean), s.mean - mean, s.squares);
    }
    float v[VEC<T>], some = 0.f;
    load_vector(row_of(r), i * VEC<T>, a.in, v);
    UNROLL
    for (int c = 0; c < VEC<T>; c++) {
      float x = i * VEC<T> + c < a.in ? v[c] - mean : 0.f;
      some = fmaf(x, x, some);
    }
    return some;
  });
  if (tid < a.rows) statistics[tid].scale = 1.f / sqrtf(squares / float(a.in) + a.eps);
}

// Columns k0 … k0 + depth − 1 of x, normed and rounded.
template <class T, int ROWS, int THREADS, bool COHERENT>
DEVICE void gemv_stage(T* xs, int row_elements, const RowStatistics* statistics, const GemvInputs<T>& a,
                       const int32_t* sources, int source_rows, int k0, int depth) {
  UNROLL_4
  for (int r = 0; r < ROWS; r++) {
    if (r >= a.rows) continue;
    const T* row =
        a.x + int64_t(!COHERENT && sources ? checked(load(sources + r), source_rows, "a source of a row") : r) * a.x_stride;
    for (int k = int(threadIdx.x) * VEC<T>; k < depth; k += THREADS * VEC<T>) {
      Vec16 v = stored_vector<COHERENT>(row, k0 + k, a.in);
      if (!COHERENT && a.norm_weight) {
        float x[VEC<T>], weight[VEC<T>], bias[VEC<T>] = {};
        unpack<T>(v, x);
        load_vector(a.norm_weight, k0 + k, a.in, weight);
        if (a.norm_bias) load_vector(a.norm_bias, k0 + k, a.in, bias);
        T normed[VEC<T>];
        UNROLL
        for (int i = 0; i < VEC<T>; i++) {
          normed[i] = from_float<T>((x[i] - statistics[r].mean) * statistics[r].scale * weight[i] + bias[i]);
        }
        memcpy(&v, normed, 16);
      }
      *reinterpret_cast<Vec16*>(xs + r * row_elements + k) = v;
    }
  }
}

// What becomes of a finished sum; returns y as it is stored. up: the sum of column out + column, with SILU_MUL.
template <class T, bool GATED>
DEVICE float gemv_finish(float sum, float up, int row, int source, int column, const Epilogue& p) {
  float value = sum + (p.bias ? load(p.bias + column) : 0.f);
  if constexpr (GATED) {
    value = silu(value) * (up + (p.bias ? load(p.bias + p.out + column) : 0.f));
  } else {
    value = activate(value, p.activation);
  }
  int64_t at = row * p.y_stride + column, residual_at = source * p.residual_stride + column;
  if (p.y_f32) {
    if (p.residual) value += load(static_cast<const float*>(p.residual) + residual_at);
    store(static_cast<float*>(p.y) + at, value);
    return value;
  }
  if (p.residual) value += to_float(load(static_cast<const T*>(p.residual) + residual_at));
  T stored = from_float<T>(value);
  store(static_cast<T*>(p.y) + at, stored);
  return to_float(stored);
}

// The sums of a group, [row][gate, up][column], become y and its statistics: a thread has a column of a row.
template <class T, int ROWS, bool GATED, int THREADS>
DEVICE void gemv_store(const float* sums, int rows, int group, const Epilogue& p, const ProductRows& around) {
  constexpr int WIDTH = GATED ? 2 * GEMV_GROUP : GEMV_GROUP, ITEMS = ROWS == 1 ? 32 : ROWS * GEMV_GROUP;
  int left = p.out - group * GEMV_GROUP, n = left < GEMV_GROUP ? left : GEMV_GROUP;
  for (int i = int(threadIdx.x); i < ITEMS; i += THREADS) {
    int r = i / GEMV_GROUP, c = i % GEMV_GROUP;
    bool has = r < rows && c < n;
    float value = 0.f;
    if (has) {
      const float* sum = sums + r * WIDTH + c;
      int source = around.sources ? load(around.sources + r) : r;
      value = gemv_finish<T, GATED>(sum[0], sum[GATED ? GEMV_GROUP : 0], r, source, group * GEMV_GROUP + c, p);
    }
    if (around.statistics) {
      auto add_up = [](float x) {
        UNROLL
        for (int bits = GEMV_GROUP / 2; bits; bits >>= 1) x += __shfl_xor_sync(ALL_LANES, x, bits);
        return x;
      };
      float mean = add_up(value) / float(n), off = has ? value - mean : 0.f, squares = add_up(off * off);
      auto* parts = reinterpret_cast<PartStatistics*>(around.statistics + r * around.statistics_stride);
      if (has && c == 0) store(parts + group, PartStatistics{mean, squares});
    }
  }
}

// Groups first, first + blocks, … of y. `before` is called by all threads before x is looked at, when the first weights are on
// their way; x is read coherently if it has been written in this launch.
template <class T, int ROWS, bool GATED, bool COHERENT, class Before>
DEVICE void gemv_block(const GemvInputs<T>& a, const Epilogue& p, const ProductRows& around, int first, int blocks,
                       Before before) {
  using Shape = GemvShape<ROWS, GATED>;
  constexpr int COLUMNS = Shape::COLUMNS, OWN = Shape::OWN, DEEP = Shape::DEEP, WIDTH = GATED ? 2 * GEMV_GROUP : GEMV_GROUP;
  constexpr int DEPTH = GEMV_X_BYTES / int(sizeof(T)) / ROWS, ROUND = 32 * VEC<T> * DEEP;
  static_assert(DEPTH % (2 * ROUND) == 0);
  SHARED(Vec16, x_vectors, (GEMV_X_BYTES / 16));
  SHARED(RowStatistics, statistics, ROWS);
  SHARED(float, sums, (2 * ROWS * WIDTH));
  T* xs = reinterpret_cast<T*>(x_vectors);
  int lane = lane_id(), groups = (p.out + GEMV_GROUP - 1) / GEMV_GROUP, whole = a.in / VEC<T> * VEC<T>;

  auto row_of_w = [&](int group, int c) {
    int own = group * GEMV_GROUP + warp_id() * OWN + c % OWN;
    return a.w + int64_t((own < p.out ? own : 0) + (c < OWN ? 0 : p.out)) * a.w_stride;
  };
  // Two rounds of weights in registers: one is multiplied while the other is on its way.
  const T* column[COLUMNS];
  int ahead = 0, ahead_end = whole;  // where the next pair of rounds begins
  auto point = [&](int group) {
    UNROLL
    for (int c = 0; c < COLUMNS; c++) column[c] = row_of_w(group, c) + lane * VEC<T>;
    ahead = 0;
  };
  Vec16 weights[2][COLUMNS][DEEP];
  auto fetch = [&](int half) {
    UNROLL
    for (int u = 0; u < DEEP; u++) {
      int k = ahead + half * ROUND + u * 32 * VEC<T>;
      if (k + lane * VEC<T> < ahead_end) {
        UNROLL
        for (int c = 0; c < COLUMNS; c++) weights[half][c][u] = load(reinterpret_cast<const Vec16*>(column[c] + k));
      }
    }
  };
  point(first);
  fetch(0);
  fetch(1);
  before();
  if (!COHERENT && a.norm_weight) gemv_statistics<T, ROWS, Shape::WARPS>(statistics, a, around);

  int turn = 0;
  for (int group = first; group < groups; group += blocks, turn ^= 1) {
    float acc[COLUMNS][ROWS] = {};
    auto multiply = [&](int half, int k0, int k1) {  // columns from k1 on, of which k0 is the first in shared memory
      UNROLL
      for (int u = 0; u < DEEP; u++) {
        int k = k1 + half * ROUND + (u * 32 + lane) * VEC<T>;
        if (k >= whole) continue;
        count_flops(2 * COLUMNS * a.rows * VEC<T>);
        float w[COLUMNS][VEC<T>];
        UNROLL
        for (int c = 0; c < COLUMNS; c++) unpack<T>(weights[half][c][u], w[c]);
        UNROLL
        for (int r = 0; r < ROWS; r++) {
          float x[VEC<T>];
          unpack<T>(*reinterpret_cast<const Vec16*>(xs + r * DEPTH + k - k0), x);
          UNROLL
          for (int i = 0; i < VEC<T>; i++) {
            UNROLL
            for (int c = 0; c < COLUMNS; c++) acc[c][r] = fmaf(w[c][i], x[i], acc[c][r]);
          }
        }
      }
    };
    for (int k0 = 0; k0 < a.in; k0 += DEPTH) {
      int depth = a.in - k0 < DEPTH ? a.in - k0 : DEPTH;
      if (group == first || a.in > DEPTH) {  // else x is there
        __syncthreads();
        gemv_stage<T, ROWS, Shape::THREADS, COHERENT>(xs, DEPTH, statistics, a, around.sources, around.source_rows, k0,
                                                      depth);
        __syncthreads();
      }
      NO_UNROLL
      for (int k = k0; k < k0 + depth && k < whole; k += 2 * ROUND) {
        ahead += 2 * ROUND;
        if (ahead >= whole) {
          if (group + blocks < groups) point(group + blocks);
          else ahead_end = 0;
        }
        multiply(0, k0, k);
        fetch(0);
        multiply(1, k0, k);
        fetch(1);
      }
      if (k0 + depth == a.in && lane < a.in - whole) {  // what is left of a row, an element a lane
        count_flops(2 * COLUMNS * a.rows);
        UNROLL
        for (int c = 0; c < COLUMNS; c++) {
          float w = to_float(load(row_of_w(group, c) + whole + lane));
          UNROLL
          for (int r = 0; r < ROWS; r++) acc[c][r] = fmaf(w, to_float(xs[r * DEPTH + whole - k0 + lane]), acc[c][r]);
        }
      }
    }
    float* finished = sums + turn * ROWS * WIDTH;
    UNROLL
    for (int r = 0; r < ROWS; r++) {
      UNROLL
      for (int c = 0; c < COLUMNS; c++) {
        float sum = warp_sum(acc[c][r]);
        int at = r * WIDTH + c / OWN * GEMV_GROUP + warp_id() * OWN + c % OWN;
        if (lane == (r * COLUMNS + c) % 32) finished[at] = sum;
      }
    }
    __syncthreads();
    gemv_store<T, ROWS, GATED, Shape::THREADS>(finished, a.rows, group, p, around);
  }
}
