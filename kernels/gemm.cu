// gemm: y = activation(norm(x)·wᵀ + bias) + residual, for more than 16 rows; gemv.cu has the others.
//
// Math      f32 accumulation in order of k; bias, activation and residual in f32 on the accumulators; one rounding to y's
//           type. A norm before is a launch of its own into scratch memory: at these sizes folding it into the product
//           would read every row of x once per column tile. SILU_MUL: a block computes the gate and the up columns that
//           belong together, so the product never leaves registers. f32 uses FMAs, never TF32.
// Shapes    x [T, in], w [out, in] (SILU_MUL [2·out, in]), y and residual [T, out], bias f32; any sizes. in is padded with
//           zeros to the tile while it is copied; nothing beyond a row's end is read.
// Launch    grid (⌈out/128⌉, ⌈T/64⌉) (SILU_MUL ⌈out/64⌉), 128 threads: four warps of 32 × 64, k in steps of 64 bytes,
//           three cp.async stages.
// Shared    3 stages of (64 + 128) rows of 80 bytes: 45 KB.
// Cost      2·T·out·in FLOPs; w once per 64 rows of x. 636 × 4096 × 4096 are 21.3 GFLOP and 44 MB. Bound by mma from
//           about 200 rows, by memory below.
// Limits    ⌈T/64⌉ ≤ 65535. mma.sync on every architecture, no wgmma. Needs sm_80.
#include "gpu/args.h"
#include "gpu/gemv.h"
#include "gpu/tile.h"

namespace {
constexpr int ROWS = 64, COLUMNS = 128, STAGES = 3, MT = 2, NT = 8;
template <class T>
constexpr int DEPTH = 64 / sizeof(T);
}  // namespace

template <class T, bool GATED>
KERNEL(128)
gemm_kernel(const T* x, const T* w, int64_t x_stride, int64_t w_stride, int rows, int in, Epilogue p) {
  constexpr int LD = PADDED<T, DEPTH<T>>, KS = DEPTH<T> / 16;
  Smem smem;
  T* xs = smem.take<T>(STAGES * ROWS * LD);
  T* ws = smem.take<T>(STAGES * COLUMNS * LD);
  int out = p.out, row0 = int(blockIdx.y) * ROWS, column0 = int(blockIdx.x) * (GATED ? COLUMNS / 2 : COLUMNS);
  int warp_row = warp_id() / 2 * 32, warp_column = warp_id() % 2 * 64;

  // Row r of the weight tile. Gated: a warp's 64 rows are 32 of the gate and the 32 of up that belong to them.
  auto fetch = [&](int step) {
    int k0 = step * DEPTH<T>, stage = step % STAGES;
    load_tile<T, ROWS, DEPTH<T>>(xs + stage * ROWS * LD, x, x_stride, row0, rows, k0, in, [](int row) { return row; });
    if constexpr (GATED) {
      load_tile<T, COLUMNS, DEPTH<T>>(ws + stage * COLUMNS * LD, w, w_stride, 0, COLUMNS, k0, in, [&](int r) {
        int column = column0 + r / 64 * 32 + r % 32;
        return (r % 64 < 32 ? 0 : out) + (column < out ? column : 0);
      });
    } else {
      load_tile<T, COLUMNS, DEPTH<T>>(ws + stage * COLUMNS * LD, w, w_stride, column0, out, k0, in,
                                      [](int row) { return row; });
    }
  };

  float acc[MT][NT][4] = {};
  int steps = (in + DEPTH<T> - 1) / DEPTH<T>;
  for (int s = 0; s < STAGES - 1; s++) {
    if (s < steps) fetch(s);
    copy_commit();
  }
  for (int s = 0; s < steps; s++) {
    copy_wait<STAGES - 2>();
    __syncthreads();  // stage s is there, and stage s − 1 is free
    if (s + STAGES - 1 < steps) fetch(s + STAGES - 1);
    copy_commit();
    const T* xt = xs + s % STAGES * ROWS * LD + warp_row * LD;
    const T* wt = ws + s % STAGES * COLUMNS * LD + warp_column * LD;
    Fragment<T> a[MT][KS];
    UNROLL
    for (int mt = 0; mt < MT; mt++) {
      UNROLL
      for (int ks = 0; ks < KS; ks++) load_fragment(a[mt][ks], xt + mt * 16 * LD + ks * 16, LD);
    }
    tile_mma<MT, NT, KS, true>(acc, a, wt, LD);
  }
  copy_wait<0>();

  int g = lane_id() / 4, t = lane_id() % 4;
  UNROLL
  for (int mt = 0; mt < MT; mt++) {
    UNROLL
    for (int r = 0; r < 2; r++) {
      int row = row0 + warp_row + mt * 16 + g + 8 * r;
      if (row >= rows) continue;
      UNROLL
      for (int nt = 0; nt < (GATED ? NT / 2 : NT); nt++) {
        UNROLL
        for (int c = 0; c < 2; c++) {
          int column = column0 + (GATED ? warp_column / 2 : warp_column) + nt * 8 + 2 * t + c;
          if (column >= out) continue;
          float up = GATED ? acc[mt][nt + NT / 2 * GATED][2 * r + c] : 0.f;
          epilogue<T, GATED>(acc[mt][nt][2 * r + c], up, row, column, p);
        }
      }
    }
  }
}

template <class T>
static void gemm(const T* x, const T* w, const T* norm_weight, const T* norm_bias, int64_t x_stride, int64_t w_stride,
                 int rows, int in, float eps, const Epilogue& p, const ProductRows& around, starling_stream* stream) {
  bool gated = p.activation == STARLING_SILU_MUL;
  if (rows <= GEMV_ROWS) return gemv(x, w, norm_weight, norm_bias, x_stride, w_stride, rows, in, eps, p, around, stream);
  if (norm_weight) {
    int64_t stride = (in + 7) / 8 * 8;
    auto* normed = static_cast<T*>(gpu::scratch(stream, size_t(rows) * stride * sizeof(T)));
    starling_tensor to = gpu::tensor(normed, rows, in, stride), from = gpu::tensor(x, rows, in, x_stride);
    starling_tensor weight = gpu::tensor(norm_weight, in, 1, 1), bias = gpu::tensor(norm_bias, in, 1, 1);
    starling_layernorm_args layer{sizeof layer, to, from, weight, bias, eps};
    starling_rmsnorm_args rms{sizeof rms, to, from, weight, eps};
    int status = norm_bias ? starling_layernorm(&layer, stream) : starling_rmsnorm(&rms, stream);
    if (status) throw gpu::Error(status, starling_error());
    x = normed;
    x_stride = stride;
  }
  size_t shared = smem_bytes<T>(STAGES * ROWS * PADDED<T, DEPTH<T>>) + smem_bytes<T>(STAGES * COLUMNS * PADDED<T, DEPTH<T>>);
  dim3 grid(gpu::ceil_div(p.out, gated ? COLUMNS / 2 : COLUMNS), gpu::ceil_div(rows, ROWS));
  if (gated) {
    gpu::launch<gemm_kernel<T, true>>(grid, dim3(128), shared, stream, x, w, x_stride, w_stride, rows, in, p);
  } else {
    gpu::launch<gemm_kernel<T, false>>(grid, dim3(128), shared, stream, x, w, x_stride, w_stride, rows, in, p);
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
      ProductRows around{{known, a.norm_statistics.stride, a.norm_statistics.width / 2, in},
                         statistics,
                         sources,
                         a.statistics.stride,
                         source_rows,
                         0};
      gemm<T>(x, w, nw, nb, a.x.stride, a.w.stride, rows, in, a.eps, p, around, stream);
    });
  });
}
