// gemm: y = activation(norm(x)·wᵀ + bias) + residual, for more than 16 rows; gemv.cu has the others.
//
// Math      f32 accumulation in order of k; bias, activation and residual in f32; one rounding to y's type. f32 uses FMAs,
//           never TF32. SILU_MUL: a block computes the gate and the up columns that belong together.
//           A norm of x costs no pass over x: what the products before left of its rows (gpu/statistics.h) becomes mean and
//           scale in every block, and a tile of x is normalised and rounded where it lies, one step before it is multiplied.
//           Without such statistics row_statistics.cu makes them, a launch more. Statistics of y are taken of the rounded
//           values, 64 columns a part, by eight lanes in a fixed order.
// Shapes    x [T, in], w [out, in] (SILU_MUL [2·out, in]), y and residual [T, out], bias f32; any sizes. in is padded with
//           zeros to the tile while it is copied; nothing beyond a row's end is read. With `rows` x and residual are [n, …].
// Launch    16-bit types: tiles of 128 × 256 (SILU_MUL 128 columns of gate and of up), eight warps of 64 × 64, or of 128 ×
//           192, warps of 64 × 48, where their last wave on 132 multiprocessors is fuller; three cp.async stages. A fragment
//           is used four to eight times, so that shared memory keeps up with mma. 64 × 64, four warps of 32 × 32 and four
//           stages, where there would be fewer than 66 blocks. f32: 128 × 128, eight warps of 32 × 64. Rows of tiles are the
//           inner dimension of the grid: w comes from memory once. k in steps of 64 bytes. The bits do not depend on the
//           tile's shape.
// Shared    3 stages of 128 + 256 rows of 80 bytes, and 2 more for the weights of a norm: 90 or 92 KB, which a consumer card
//           has too; 75 or 77 KB of 192 columns, 40 or 41 KB the small tiles. In their place lie the sums behind the last
//           step, f32, for 16-byte stores: 64 rows at a time.
// Cost      2·T·out·in FLOPs; w once per 128 rows and x once per 192 or 256 columns of y, from L2: 636 × 4096 × 4096 are 21.3
//           GFLOP, 290 MB from L2 and 44 MB from memory. Bound by mma from about 200 rows, by memory below.
// Limits    ⌈out/64⌉ ≤ 65535. mma.sync on every architecture, no wgmma. Needs sm_80.
#include "gpu/args.h"
#include "gpu/gemv.h"
#include "gpu/tile.h"

namespace {
template <class T>
constexpr int DEPTH = 64 / sizeof(T);

// The tile of a block: ROWS × COLUMNS sums, by warps of 16·MT × 8·NT; PASS rows of sums leave it at a time. BLOCKS of 16-bit
// types fit on a multiprocessor.
struct Wide {
  static constexpr int ROWS = 128, COLUMNS = 256, MT = 4, NT = 8, STAGES = 3, PASS = 64, BLOCKS = 1;
};
struct Large {
  static constexpr int ROWS = 128, COLUMNS = 192, MT = 4, NT = 6, STAGES = 3, PASS = 64, BLOCKS = 1;
};
struct Medium {  // of f32, whose products leave no registers for more sums
  static constexpr int ROWS = 128, COLUMNS = 128, MT = 2, NT = 8, STAGES = 4, PASS = 128, BLOCKS = 1;
};
struct Small {
  static constexpr int ROWS = 64, COLUMNS = 64, MT = 2, NT = 4, STAGES = 4, PASS = 64, BLOCKS = 4;
};
constexpr int MULTIPROCESSORS = 132;
template <class S>
constexpr int THREADS = S::ROWS / (16 * S::MT) * (S::COLUMNS / (8 * S::NT)) * 32;
template <class S, bool GATED>
constexpr int OWN = GATED ? S::COLUMNS / 2 : S::COLUMNS;  // columns of y
// Elements of a stage: rows of x, rows of w, and the norm's weight and bias.
template <class T, class S, bool NORM>
constexpr int STAGE = (S::ROWS + S::COLUMNS + (NORM ? 2 : 0)) * PADDED<T, DEPTH<T>>;
template <class T, class S, bool NORM>
constexpr int STAGED = (STAGE<T, S, NORM>)*S::STAGES;  // of all stages
template <class S>
constexpr int SUMS = S::COLUMNS + 8;  // from row to row of the sums: four rows of pairs lie in all banks

template <class T>
struct Product {
  const T *x, *w, *norm_weight, *norm_bias;
  int64_t x_stride, w_stride;
  int32_t rows, in;
  float eps;
  int32_t of_sources;  // whether row i of the statistics of x is one of x, and not one of y
};
}  // namespace

DEVICE int source_of(const ProductRows& around, int row) {
  return around.sources ? checked(load(around.sources + row), around.source_rows, "the source of a row") : row;
}

// What becomes of the sums of S::PASS rows: a thread has eight columns of y, and one row after another.
template <class T, class S, bool GATED>
DEVICE void finish(const float* sums, int row0, int rows, int column0, const Epilogue& p, const ProductRows& around) {
  constexpr int PER_ROW = OWN<S, GATED> / 8, APART = THREADS<S> / PER_ROW;  // threads of a row, and rows at a time
  int c = int(threadIdx.x) % PER_ROW * 8, column = column0 + c, count = p.out - column < 8 ? p.out - column : 8;
  int part = column / 64, part_columns = p.out - part * 64 < 64 ? p.out - part * 64 : 64;
  bool f32 = sizeof(T) == 4 || p.y_f32, has_row = APART * PER_ROW == THREADS<S> || int(threadIdx.x) < APART * PER_ROW;
  float bias[8], up_bias[8];
  UNROLL
  for (int i = 0; i < 8; i++) {
    bias[i] = p.bias && i < count ? load(p.bias + column + i) : 0.f;
    up_bias[i] = GATED && p.bias && i < count ? load(p.bias + p.out + column + i) : 0.f;
  }
  Eight<float> residual = {};
  auto load_residual = [&](int row) {
    if (!p.residual || row >= rows || count <= 0 || !has_row) return;
    int64_t at = source_of(around, row) * p.residual_stride + column;
    if (f32) {
      residual = load_eight(static_cast<const float*>(p.residual) + at, count);
    } else {
      Eight<T> half = load_eight(static_cast<const T*>(p.residual) + at, count);
      memcpy(&residual, &half, sizeof half);
    }
  };
  load_residual(row0 + int(threadIdx.x) / PER_ROW);
  NO_UNROLL
  for (int first = 0; first < S::PASS; first += APART) {
    int r = first + int(threadIdx.x) / PER_ROW, row = row0 + r;
    bool there = row < rows && count > 0 && has_row && (S::PASS % APART == 0 || r < S::PASS);
    float v[8], added[8];
    if (f32) {
      memcpy(added, &residual, sizeof added);
    } else {
      T values[8];
      memcpy(values, &residual, sizeof values);
      UNROLL
      for (int i = 0; i < 8; i++) added[i] = to_float(values[i]);
    }
    if (first + APART < S::PASS) load_residual(row + APART);  // while this row is finished
    UNROLL
    for (int i = 0; i < 8; i++) v[i] = sums[r * SUMS<S> + c + i] + bias[i];
    if constexpr (GATED) {
      UNROLL
      for (int i = 0; i < 8; i++) v[i] = silu(v[i]) * (sums[r * SUMS<S> + OWN<S, GATED> + c + i] + up_bias[i]);
    } else if (p.activation != STARLING_NONE) {
      UNROLL
      for (int i = 0; i < 8; i++) v[i] = activate(v[i], p.activation);
    }
    UNROLL
    for (int i = 0; i < 8; i++) {
      if (p.residual) v[i] += added[i];
      if (!f32) v[i] = to_float(from_float<T>(v[i]));
    }
    int64_t at = row * p.y_stride + column;
    if (there && f32) store_eight(static_cast<float*>(p.y) + at, v, count);
    if (there && !f32) store_eight(static_cast<T*>(p.y) + at, v, count);
    if (around.statistics) {
      PartStatistics s{0.f, 0.f};
      UNROLL
      for (int i = 0; i < 8; i++) s.mean += i < count ? v[i] : 0.f;
      UNROLL
      for (int bits = 4; bits; bits >>= 1) s.mean += __shfl_xor_sync(ALL_LANES, s.mean, bits);
      s.mean /= float(part_columns);
      UNROLL
      for (int i = 0; i < 8; i++) s.squares = i < count ? fmaf(v[i] - s.mean, v[i] - s.mean, s.squares) : s.squares;
      UNROLL
      for (int bits = 4; bits; bits >>= 1) s.squares += __shfl_xor_sync(ALL_LANES, s.squares, bits);
      if (there && c % 64 == 0) {
        store(reinterpret_cast<PartStatistics*>(around.statistics + row * around.statistics_stride) + part, s);
      }
    }
  }
}

template <class T, class S, bool GATED, bool NORM>
KERNEL_BLOCKS(THREADS<S>, sizeof(T) == 2 ? S::BLOCKS : 1)
gemm_kernel(Product<T> a, Epilogue p, ProductRows around) {
  constexpr int LD = PADDED<T, DEPTH<T>>, KS = DEPTH<T> / 16, MT = S::MT, NT = S::NT, WARPS = S::COLUMNS / (8 * NT);
  constexpr int STAGES = S::STAGES;
  static_assert(S::PASS * SUMS<S> * sizeof(float) <= STAGED<T, S, NORM> * sizeof(T) && S::PASS % (16 * MT) == 0);
  Smem smem;
  T* stages = smem.take<T>(STAGED<T, S, NORM>);
  int out = p.out, row0 = int(blockIdx.x) * S::ROWS, column0 = int(blockIdx.y) * OWN<S, GATED>;
  int warp_row = warp_id() / WARPS * 16 * MT, warp_column = warp_id() % WARPS * 8 * NT;
  auto next_stage = [&](T* stage) {
    return stage == stages + (STAGES - 1) * STAGE<T, S, NORM> ? stages : stage + STAGE<T, S, NORM>;
  };

  // Rows and columns that y does not have are copies of the last ones, and are not stored. Gated: gate columns, then up.
  auto last = [&](int row) { return row0 + row < a.rows ? row0 + row : a.rows - 1; };
  using Rows = TileReader<T, S::ROWS, DEPTH<T>, THREADS<S>>;
  Rows x(a.x, a.x_stride, [&](int r) { return source_of(around, last(r)); });
  TileReader<T, S::COLUMNS, DEPTH<T>, THREADS<S>> w(a.w, a.w_stride, [&](int r) {
    int column = column0 + r % OWN<S, GATED>;
    return (column < out ? column : out - 1) + (r < OWN<S, GATED> ? 0 : out);
  });
  // Threads of the first rows bring the norm's weight and bias.
  const T* norm = int(threadIdx.x) < Rows::PER_ROW ? a.norm_weight : a.norm_bias;
  bool brings = NORM && threadIdx.x < 2 * Rows::PER_ROW && norm;
  if (NORM) norm += x.column;
  int left = a.in;  // elements of a row from the next step on
  T* to = stages;   // the stage that it fills
  auto copy = [&]<bool WHOLE>() {
    int own = (left - x.column) * int(sizeof(T)), valid = own < 0 ? 0 : own < 16 ? own : 16;
    x.template next<WHOLE>(to, valid);
    w.template next<WHOLE>(to + S::ROWS * LD, valid);
    if (brings) copy_async(to + (S::ROWS + S::COLUMNS + x.row) * LD + x.column, norm, WHOLE ? 16 : valid);
  };
  auto fetch = [&] {
    if (left >= DEPTH<T>) copy.template operator()<true>();
    else copy.template operator()<false>();
    if (NORM) norm += DEPTH<T>;
    left -= DEPTH<T>;
    to = next_stage(to);
  };

  int steps = (a.in + DEPTH<T> - 1) / DEPTH<T>;
  for (int s = 0; s < STAGES - 1; s++) {
    if (left > 0) fetch();
    copy_commit();
  }

  RowStatistics own[Rows::COUNT];  // of this thread's rows of x
  auto normalize_as = [&]<bool CENTRED>(T* tile) {
    const T* norm_rows = tile + (S::ROWS + S::COLUMNS) * LD + x.column;
    float weight[VEC<T>], bias[VEC<T>], v[VEC<T>];
    unpack<T>(*reinterpret_cast<const Vec16*>(norm_rows), weight);
    if (CENTRED) unpack<T>(*reinterpret_cast<const Vec16*>(norm_rows + LD), bias);
    UNROLL
    for (int i = 0; i < Rows::COUNT; i++) {
      auto* at = reinterpret_cast<Vec16*>(tile + x.at(i));
      unpack<T>(*at, v);
      UNROLL
      for (int j = 0; j < VEC<T>; j++) {
        v[j] = CENTRED ? (v[j] - own[i].mean) * own[i].scale * weight[j] + bias[j] : v[j] * own[i].scale * weight[j];
      }
      *at = packed<T>(v);
    }
  };
  auto normalize = [&](T* tile) {
    if (a.norm_bias) normalize_as.template operator()<true>(tile);
    else normalize_as.template operator()<false>(tile);
  };
  if constexpr (NORM) {
    SHARED(RowStatistics, statistics, S::ROWS);
    for (int r = int(threadIdx.x) / 8; r < S::ROWS; r += THREADS<S> / 8) {
      int row = last(r);
      RowStatistics one =
          row_statistics<8>(around.known, a.of_sources ? source_of(around, row) : row, a.eps, a.norm_bias != nullptr);
      if (lane_id() % 8 == 0) statistics[r] = one;
    }
    copy_wait<STAGES - 2>();
    __syncthreads();  // the statistics and step 0 are there
    UNROLL
    for (int i = 0; i < Rows::COUNT; i++) own[i] = statistics[x.row + i * Rows::APART];
    normalize(stages);
  }

  float acc[MT][NT][4] = {};
  T* stage = stages;
  NO_UNROLL
  for (int s = 0; s < steps; s++) {
    copy_wait<STAGES - (NORM ? 3 : 2)>();
    __syncthreads();  // stage s is there (with a norm s + 1 too), and stage s − 1 is free
    if (left > 0) fetch();
    copy_commit();
    T* next = next_stage(stage);
    if (NORM && s + 1 < steps) normalize(next);
    const T* xt = stage + warp_row * LD;
    const T* wt = stage + (S::ROWS + warp_column) * LD;
    Fragment<T> fragments[MT][KS];
    UNROLL
    for (int mt = 0; mt < MT; mt++) {
      UNROLL
      for (int ks = 0; ks < KS; ks++) load_fragment(fragments[mt][ks], xt + mt * 16 * LD + ks * 16, LD);
    }
    tile_mma<MT, NT, KS, true>(acc, fragments, wt, LD);
    stage = next;
  }
  copy_wait<0>();
  auto* sums = reinterpret_cast<float*>(stages);
  int g = lane_id() / 4, t = lane_id() % 4;
  NO_UNROLL
  for (int first = 0; first < S::ROWS; first += S::PASS) {
    __syncthreads();  // all have multiplied, or the sums before have left: these go where the stages were
    if (warp_row >= first && warp_row < first + S::PASS) {
      UNROLL
      for (int mt = 0; mt < MT; mt++) {
        UNROLL
        for (int nt = 0; nt < NT; nt++) {
          float* at = sums + (warp_row - first + mt * 16 + g) * SUMS<S> + warp_column + nt * 8 + 2 * t;
          UNROLL
          for (int i = 0; i < 4; i++) at[i / 2 * 8 * SUMS<S> + i % 2] = acc[mt][nt][i];
        }
      }
    }
    __syncthreads();  // the sums are there
    finish<T, S, GATED>(sums, row0 + first, a.rows, column0, p, around);
  }
}

template <class T, class S, bool GATED, bool NORM>
static void launch(const Product<T>& a, const Epilogue& p, const ProductRows& around, starling_stream* stream) {
  dim3 grid(gpu::ceil_div(a.rows, S::ROWS), gpu::ceil_div(p.out, OWN<S, GATED>));
  gpu::launch<gemm_kernel<T, S, GATED, NORM>>(grid, dim3(THREADS<S>), smem_bytes<T>(STAGED<T, S, NORM>), stream, a, p,
                                              around);
}

template <class S>
static int64_t blocks(int rows, int out) {
  return int64_t(gpu::ceil_div(rows, S::ROWS)) * gpu::ceil_div(out, S::COLUMNS);
}
// Columns of tiles that one multiprocessor computes after each other: what a product takes goes by these.
template <class S>
static int64_t columns_a_multiprocessor(int rows, int out) {
  return gpu::ceil_div(blocks<S>(rows, out), MULTIPROCESSORS) * S::COLUMNS;
}

template <class T>
static void gemm(Product<T> a, const Epilogue& p, ProductRows around, starling_stream* stream) {
  if (a.norm_weight && !around.known.first) {
    auto* known = static_cast<float*>(gpu::scratch(stream, size_t(around.source_rows) * sizeof(PartStatistics)));
    starling_row_statistics_args s{sizeof s, gpu::tensor(known, around.source_rows, 2, 2),
                                   gpu::tensor(a.x, around.source_rows, a.in, a.x_stride)};
    int status = starling_row_statistics(&s, stream);
    if (status) throw gpu::Error(status, starling_error());
    around.known = Statistics{known, 2, 1, a.in};
    a.of_sources = 1;
  }
  auto launch_as = [&]<class S, bool GATED>() {
    if (a.norm_weight) launch<T, S, GATED, true>(a, p, around, stream);
    else launch<T, S, GATED, false>(a, p, around, stream);
  };
  if constexpr (sizeof(T) == 4) {
    if (p.activation == STARLING_SILU_MUL) launch_as.template operator()<Medium, true>();
    else if (blocks<Medium>(a.rows, p.out) < MULTIPROCESSORS) launch_as.template operator()<Small, false>();
    else launch_as.template operator()<Medium, false>();
  } else {
    if (p.activation == STARLING_SILU_MUL) launch_as.template operator()<Wide, true>();
    else if (blocks<Wide>(a.rows, p.out) < MULTIPROCESSORS / 2) launch_as.template operator()<Small, false>();
    else if (columns_a_multiprocessor<Large>(a.rows, p.out) < columns_a_multiprocessor<Wide>(a.rows, p.out)) {
      launch_as.template operator()<Large, false>();
    } else {
      launch_as.template operator()<Wide, false>();
    }
  }
}

extern "C" int starling_gemm(const starling_gemm_args* args, starling_stream* stream) {
  return gpu::guarded("gemm", args, [&](const starling_gemm_args& a) {
    int rows = a.y.rows, in = a.x.width, out = a.y.width;
    gpu::require(out >= 1 && in >= 1, "a size is not positive");
    gpu::require(a.activation >= STARLING_NONE && a.activation <= STARLING_SILU_MUL, "unknown activation");
    gpu::require(a.y.dtype == a.x.dtype || a.y.dtype == STARLING_F32, "y must have the type of x, or f32");
    gpu::require(a.w.layout == STARLING_PLAIN, "the layout of w is none of this library's");
    gpu::require(!a.w.scale && !a.w.minimum && !a.w.group, "a plain w has no groups, scales or minima");
    int64_t w_rows = a.activation == STARLING_SILU_MUL ? int64_t(2) * out : out;
    auto* bias = gpu::optional_vector<float>("bias", a.bias, w_rows);
    auto* sources = gpu::optional_vector<int32_t>("rows", a.rows, rows);
    int source_rows = sources ? a.x.rows : rows;
    int parts = gpu::ceil_div(out, rows <= GEMV_ROWS ? 16 : 64);
    auto* statistics = gpu::optional_matrix<float>("statistics", a.statistics, rows, 2 * parts);
    gpu::require(!a.norm_statistics.data || a.norm_weight.data, "statistics of x, and no norm that they are for");
    gpu::require(!a.norm_statistics.data || a.norm_statistics.width % 2 == 0, "norm_statistics are pairs");
    int known_parts = a.norm_statistics.width / 2;
    gpu::require(!a.norm_statistics.data || (known_parts >= 1 && (known_parts - 1) * part_columns(in, known_parts) < in),
                 "norm_statistics are in no number of parts of a power of two of columns");
    auto* known = gpu::optional_matrix<float>("norm_statistics", a.norm_statistics, rows, a.norm_statistics.width);
    gpu::with_type(a.x.dtype, [&]<class T>() {
      auto* x = gpu::matrix16<T>("x", a.x, source_rows, in);
      auto* w = gpu::matrix16<T>("w", {const_cast<void*>(a.w.data), a.w.stride, a.w.rows, in, a.x.dtype, 0}, w_rows, in);
      auto* nw = gpu::optional_vector16<T>("norm_weight", a.norm_weight, in);
      auto* nb = gpu::optional_vector16<T>("norm_bias", a.norm_bias, in);
      bool f32 = a.y.dtype == STARLING_F32;
      void* y = f32 ? gpu::matrix<float>("y", a.y, rows, out) : static_cast<void*>(gpu::matrix<T>("y", a.y, rows, out));
      void* residual = a.residual.data;
      if (residual) {
        gpu::require(a.residual.dtype == a.y.dtype, "residual and y have different types");
        gpu::require_shape("residual", a.residual, source_rows, out);
      }
      Epilogue p{y, bias, residual, a.y.stride, a.residual.stride, out, a.activation, f32, 0};
      ProductRows around{{known, known ? a.norm_statistics.stride : 0, known ? known_parts : 0, in},
                         statistics,
                         sources,
                         a.statistics.stride,
                         source_rows,
                         0};
      if (rows <= GEMV_ROWS) {
        gemv(x, w, nw, nb, a.x.stride, a.w.stride, rows, in, a.eps, p, around, stream);
      } else {
        gemm<T>({x, w, nw, nb, a.x.stride, a.w.stride, rows, in, a.eps, 0}, p, around, stream);
      }
    });
  });
}
