// token_select: scores from column sums, and the k best of them.
//
// Math      score[j] = (Σ_{s<w} Σ_h sums[h, j·w + s]) / (H·rows·w): the heads of a column are added in order, then a
//           candidate's w columns, one IEEE division; keep = indices of the k largest, ascending, ties to the lowest index.
//           A score that is not finite is never preferred, and sets non_finite.
// Shapes    sums f32 [H, n·w], score f32 [n], keep i32 [k], 1 ≤ k ≤ n ≤ 4096.
// Launch    one block of 512 threads (gpu/select.h): radix select in four passes of 8 bits, then one packed scan.
// Shared    16 KB of keys, 1 KB of histogram.
// Cost      4·H·n·w bytes read: 37 KB for 16 heads × 576, through one SM. About 30 barriers; bound by their latency, a few
//           microseconds.
// Limits    n ≤ 4096 (a larger n needs a grid and several launches). Needs sm_80.
#include "gpu/launch.h"
#include "gpu/select.h"

constexpr int SELECT_THREADS = 512;

KERNEL(SELECT_THREADS)
token_select_kernel(int32_t* keep, float* score, int32_t* non_finite, const float* sums, int64_t sums_stride, int heads,
                    int n, int k, int rows, int sources) {
  SHARED(uint32_t, keys, MAX_SELECT);
  for (int j = int(threadIdx.x); j < n; j += SELECT_THREADS) {
    float sum = 0.f;
    for (int c = j * sources; c < (j + 1) * sources; c++) {
      float column = 0.f;
      for (int h = 0; h < heads; h++) column += load(sums + h * sums_stride + c);
      sum += column;
    }
    float s = mean_score(sum, heads, rows, sources);
    store(score + j, s);
    keys[j] = order_key(s);
    if (!finite(s)) atomic_or(non_finite, 1);
  }
  __syncthreads();
  select_block<SELECT_THREADS>(keep, keys, n, k);
}

extern "C" int starling_token_select(int32_t* keep, float* score, int32_t* non_finite, const float* sums,
                                     int64_t sums_stride, int32_t heads, int32_t n, int32_t k, int32_t rows,
                                     int32_t sources, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(n >= 1 && n <= MAX_SELECT, "token_select: n must be 1 to 4096");
    gpu::require(k >= 1 && k <= n, "token_select: k must be 1 to n");
    gpu::require(rows >= 1 && heads >= 1 && sources >= 1, "token_select: rows, heads and sources must be at least 1");
    gpu::launch<token_select_kernel>(dim3(1), dim3(SELECT_THREADS), 0, stream, keep, score, non_finite, sums, sums_stride,
                                     heads, n, k, rows, sources);
  });
}
