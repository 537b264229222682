// attention_colsum: attention received by each candidate key, without ever holding a map of attention.
//
// Math      sums[h, j] = Σ_{i in rows} 2^(scale·log2(e)·q_i·k_key(j) − lse_i): the probabilities of attention.cu, recomputed
//           from the log-sum-exp it left, because a row's weight is known only when the row is done. Σ_j over all keys is
//           the number of rows (tested). A hidden key gets 0; a row whose lse is +∞ gives 0, so editing lse drops a row.
// Shapes    q [T, H·d]; k [capacity, G·d]; lse f32 [H, T]; sums f32 [H, n]; any span of rows: patches, CLS alone, text
//           rows, the last row. Keys are consecutive or listed.
// Launch    grid (⌈n/64⌉, H), 128 threads (gpu/colsum.h): keys outside, queries inside, one writer per sum.
// Shared    2 tiles of 64 × (d + 8): 18 KB at d = 64, 34 KB at d = 128 in bf16.
// Cost      2·rows·n·H·d FLOPs, half of the attention call before it; 576 rows × 576 keys × 16 heads of 64 are 0.68 GFLOP
//           and 2.4 MB that lie in L2. Bound by launch latency at these sizes.
// Limits    H ≤ 65535. Needs sm_80.
#include "gpu/colsum.h"
#include "gpu/launch.h"
#include "gpu/received.h"

template <class T, int D>
KERNEL(COLSUM_THREADS)
attention_colsum_kernel(float* sums, int64_t sums_stride, Received<T> p) {
  Smem smem;
  int head = int(blockIdx.y);
  colsum_block<T, D>(sums + head * sums_stride, p, head, int(blockIdx.x) * COLSUM_KEYS, smem);
}

extern "C" int starling_attention_colsum(float* sums, int64_t sums_stride, const void* q, int64_t q_stride, const void* k,
                                         int64_t k_stride, const float* lse, int64_t lse_stride, const int32_t* length,
                                         const uint8_t* hidden, const int32_t* index, int32_t row_from, int32_t row_to,
                                         int32_t key_at, int32_t n, int32_t capacity, int32_t heads, int32_t kv_heads,
                                         int32_t head_size, int32_t causal, float scale, int32_t dtype,
                                         starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::with_type(dtype, [&]<class T>() {
      Received<T> p = received<T>(q, q_stride, k, k_stride, lse, lse_stride, length, hidden, index, row_from, row_to,
                                  key_at, n, capacity, heads, kv_heads, causal, scale);
      gpu::with_head(head_size, [&]<int D>() {
        gpu::launch<attention_colsum_kernel<T, D>>(dim3(gpu::ceil_div(n, COLSUM_KEYS), heads), dim3(COLSUM_THREADS),
                                                   colsum_smem<T, D>(), stream, sums, sums_stride, p);
      });
    });
  });
}
