// gemv: y = activation(norm(x)·wᵀ + bias) + residual, for 1 to 16 rows: the product of decode.
//
// Math      f32 FMAs; a warp adds the products of one column over all of k, lane by lane and then in a fixed butterfly. The
//           norm is computed by every block for itself (8 KB of x from L2, against the weights it streams) and rounded to
//           the type, as if it were a launch of its own.
// Shapes    as gemm.cu.
// Launch    ⌈out/16⌉ blocks (SILU_MUL ⌈out/8⌉) of 128 threads: a warp has 4 columns (2 gate and 2 up), so a lane has four
//           loads of 16 bytes in flight; x passes through shared memory in f32, in pieces of 32 KB. Compiled for 1, 4 and
//           16 rows.
// Shared    32 KB of x and the statistics of the rows.
// Cost      w once: 4096 × 4096 in bf16 are 33.6 MB. Bound by memory at 1 row; at 16 rows by FMAs and shared memory (mma
//           with the rows as n would be the next step).
// Limits    none. Needs sm_80.
#include "gpu/gemv.h"
#include "gpu/norm.h"

namespace {
constexpr int COLUMNS = 4;      // of a warp
constexpr int X_FLOATS = 8192;  // of x in shared memory
}  // namespace

template <class T, int ROWS, bool GATED>
KERNEL(128)
gemv_kernel(const T* x, const T* w, const T* norm_weight, const T* norm_bias, int64_t x_stride, int64_t w_stride, int rows,
            int in, float eps, Epilogue p) {
  constexpr int DEPTH = X_FLOATS / ROWS, OWN = GATED ? COLUMNS / 2 : COLUMNS;  // OWN columns of y
  SHARED(float, xs, X_FLOATS);
  SHARED(RowStatistics, statistics, ROWS);
  if (norm_weight) {
    for (int r = warp_id(); r < rows; r += 4) {
      RowStatistics s = row_statistics(x + r * x_stride, in, eps, norm_bias != nullptr);
      if (lane_id() == 0) statistics[r] = s;
    }
  }
  int out = p.out, column0 = (int(blockIdx.x) * 4 + warp_id()) * OWN;
  const T* column[COLUMNS];
  UNROLL
  for (int c = 0; c < COLUMNS; c++) {
    int own = column0 + c % OWN;
    column[c] = w + int64_t((own < out ? own : 0) + (c < OWN ? 0 : out)) * w_stride;
  }
  float acc[COLUMNS][ROWS] = {};
  for (int k0 = 0; k0 < in; k0 += DEPTH) {
    int depth = in - k0 < DEPTH ? in - k0 : DEPTH;
    __syncthreads();
    for (int i = int(threadIdx.x); i < ROWS * DEPTH; i += 128) {
      int r = i / DEPTH, k = i % DEPTH;
      float value = 0.f;
      if (r < rows && k < depth) {
        value = to_float(load(x + r * x_stride + k0 + k));
        if (norm_weight) {
          value = (value - statistics[r].mean) * statistics[r].scale * to_float(load(norm_weight + k0 + k));
          if (norm_bias) value += to_float(load(norm_bias + k0 + k));
          value = to_float(from_float<T>(value));
        }
      }
      xs[i] = value;
    }
    __syncthreads();
    for (int k = lane_id() * VEC<T>; k < depth; k += 32 * VEC<T>) {
      count_flops(2 * COLUMNS * rows * (depth - k < VEC<T> ? depth - k : VEC<T>));
      float wv[COLUMNS][VEC<T>];
      UNROLL
      for (int c = 0; c < COLUMNS; c++) load_vector(column[c] + k0, k, depth, wv[c]);
      UNROLL
      for (int r = 0; r < ROWS; r++) {
        UNROLL
        for (int i = 0; i < VEC<T>; i++) {
          float xv = xs[r * DEPTH + k + i];
          UNROLL
          for (int c = 0; c < COLUMNS; c++) acc[c][r] = fmaf(wv[c][i], xv, acc[c][r]);
        }
      }
    }
  }
  UNROLL
  for (int r = 0; r < ROWS; r++) {
    if (r < rows) {
      UNROLL
      for (int c = 0; c < COLUMNS; c++) acc[c][r] = warp_sum(acc[c][r]);
      UNROLL
      for (int c = 0; c < OWN; c++) {
        int own = column0 + c;
        if (lane_id() == c && own < out) epilogue<T, GATED>(acc[c][r], acc[(c + OWN) % COLUMNS][r], r, own, p);
      }
    }
  }
}

template <class T>
void gemv(const T* x, const T* w, const T* norm_weight, const T* norm_bias, int64_t x_stride, int64_t w_stride, int rows,
          int in, float eps, const Epilogue& p, const ProductRows&, starling_stream* stream) {
  auto launch = [&]<int ROWS, bool GATED>() {
    gpu::launch<gemv_kernel<T, ROWS, GATED>>(dim3(gpu::ceil_div(p.out, 4 * (GATED ? COLUMNS / 2 : COLUMNS))), dim3(128), 0,
                                             stream, x, w, norm_weight, norm_bias, x_stride, w_stride, rows, in, eps, p);
  };
  if (rows == 0) return;
  if (p.activation == STARLING_SILU_MUL) {
    if (rows == 1) launch.template operator()<1, true>();
    else if (rows <= 4) launch.template operator()<4, true>();
    else launch.template operator()<16, true>();
  } else {
    if (rows == 1) launch.template operator()<1, false>();
    else if (rows <= 4) launch.template operator()<4, false>();
    else launch.template operator()<16, false>();
  }
}

#define GEMV(T)                                                                                                     \
  template void gemv<T>(const T*, const T*, const T*, const T*, int64_t, int64_t, int, int, float, const Epilogue&, \
                        const ProductRows&, starling_stream*);
GEMV(float)
GEMV(bf16)
GEMV(f16)
