// token_select: scores from column sums, and the k best of them.
//
// Math      score[j] = (Σ_{s<w} Σ_h sums[h, j·w + s]) / (H·rows·w): the heads of a column are added in order, then a
//           candidate's w columns, one IEEE division; keep = indices of the k largest, ascending, ties to the lowest index.
//           A score that is not finite is never preferred, and sets non_finite.
// Shapes    sums f32 [H, n·w], score f32 [n], keep i32 [k], 1 ≤ k ≤ n ≤ 16384.
// Launch    one block of 512 threads (gpu/select.h): radix select in four passes of 8 bits, then one packed scan.
// Shared    4 bytes a candidate for its key (64 KB at most), 1 KB of histogram.
// Cost      4·H·n·w bytes read: 37 KB for 16 heads × 576, through one SM. About 30 barriers; bound by their latency, a few
//           microseconds.
// Limits    n ≤ 16384 (a larger n needs a grid and several launches). Needs sm_80.
#include "gpu/args.h"
#include "gpu/select.h"

constexpr int SELECT_THREADS = 512;

KERNEL(SELECT_THREADS)
token_select_kernel(int32_t* keep, float* score, int32_t* non_finite, const float* sums, int64_t sums_stride, int heads,
                    int n, int k, int rows, int sources) {
  Smem smem;
  uint32_t* keys = smem.take<uint32_t>(unsigned(n));
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

extern "C" int starling_token_select(const starling_token_select_args* args, starling_stream* stream) {
  return gpu::guarded("token_select", args, [&](const starling_token_select_args& a) {
    int heads = a.sums.rows, n = a.score.rows, k = a.keep.rows;
    gpu::require(n >= 1 && n <= MAX_SELECT, "n must be 1 to 16384");
    gpu::require(k >= 1 && k <= n, "k must be 1 to n");
    gpu::require(a.rows >= 1 && heads >= 1, "rows and heads must be at least 1");
    int sources = a.sums.width / n;
    gpu::require(sources >= 1 && a.sums.width % n == 0, "sums has no whole number of columns for each candidate");
    auto* keep = gpu::vector<int32_t>("keep", a.keep, k);
    auto* score = gpu::vector<float>("score", a.score, n);
    auto* non_finite = gpu::vector<int32_t>("non_finite", a.non_finite, 1);
    auto* sums = gpu::matrix<float>("sums", a.sums, heads, a.sums.width);
    gpu::launch<token_select_kernel>(dim3(1), dim3(SELECT_THREADS), smem_bytes<uint32_t>(size_t(n)), stream, keep, score,
                                     non_finite, sums, a.sums.stride, heads, n, k, a.rows, sources);
  });
}
