// colsum_select: column sums, mean over heads, and selection, in one launch.
//
// Math      attention_colsum.cu over n·w keys, then token_select.cu with rows = row_to − row_from; the same bits as the two.
// Shapes    as those; sums stay in the stream's scratch memory.
// Launch    grid (⌈n·w/64⌉, H), 128 threads. A block leaves the sums of 64 keys of one head; the last of the H blocks of a
//           key tile (ticket, release and acquire) adds the heads in order; the last key tile to get there adds each
//           candidate's w keys and selects. No block waits for another, and who comes last changes nothing: every sum
//           has its own order.
// Shared    the tiles of attention_colsum and 16 KB of keys: 34 KB at d = 64, 50 KB at d = 128 in bf16.
// Cost      saves one launch and its gap beside the two-call form (two beside three kernels that also reduce apart), and
//           reads the H·n·w sums by ⌈n·w/64⌉ blocks instead of one. The selection runs in 128 threads.
// Limits    n ≤ 4096, H ≤ 65535. Needs sm_80.
#include "gpu/launch.h"
#include "gpu/received.h"
#include "gpu/select.h"

template <class T, int D>
KERNEL(COLSUM_THREADS)
colsum_select_kernel(int32_t* keep, float* score, int32_t* fault, float* sums, float* columns, unsigned* tickets,
                     Received<T> p, int n, int kept) {
  Smem smem;
  int tile = int(blockIdx.x), head = int(blockIdx.y), heads = int(gridDim.y), key0 = tile * COLSUM_KEYS;
  colsum_block<T, D>(sums + int64_t(head) * p.n, p, head, key0, smem);
  uint32_t* keys = smem.take<uint32_t>(MAX_SELECT);

  if (!last_block(tickets + 1 + tile, unsigned(heads))) return;
  int j = key0 + int(threadIdx.x);
  if (threadIdx.x < COLSUM_KEYS && j < p.n) {
    float sum = 0.f;
    for (int h = 0; h < heads; h++) sum += load_coherent(sums + int64_t(h) * p.n + j);
    store(columns + j, sum);
  }

  if (!last_block(tickets, gridDim.x)) return;
  int sources = p.n / n;
  for (int i = int(threadIdx.x); i < n; i += COLSUM_THREADS) {
    float sum = 0.f;
    for (int s = 0; s < sources; s++) sum += load_coherent(columns + i * sources + s);
    float mean = mean_score(sum, heads, p.row_to - p.row_from, sources);
    store(score + i, mean);
    keys[i] = order_key(mean);
    if (!finite(mean)) atomic_or(fault, 1);
  }
  __syncthreads();
  select_block<COLSUM_THREADS>(keep, keys, n, kept);
}

extern "C" int starling_colsum_select(int32_t* keep, float* score, int32_t* fault, const void* q, int64_t q_stride,
                                      const void* k, int64_t k_stride, const float* lse, int64_t lse_stride,
                                      const int32_t* length, const uint8_t* hidden, const int32_t* index,
                                      int32_t row_from, int32_t row_to, int32_t key_at, int32_t n, int32_t sources,
                                      int32_t kept, int32_t capacity, int32_t heads, int32_t kv_heads, int32_t head_size,
                                      int32_t causal, float scale, int32_t dtype, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(n >= 1 && n <= MAX_SELECT, "colsum_select: n must be 1 to 4096");
    gpu::require(kept >= 1 && kept <= n, "colsum_select: k must be 1 to n");
    gpu::require(row_to > row_from, "colsum_select: the span of rows is empty");
    int64_t keys = int64_t(n) * sources;
    gpu::require(sources >= 1, "colsum_select: a candidate has at least 1 source");
    gpu::require(keys <= int64_t(COLSUM_KEYS) * (gpu::STREAM_TICKETS - 1), "colsum_select: at most 4 million keys");
    gpu::with_type(dtype, [&]<class T>() {
      Received<T> p = received<T>(q, q_stride, k, k_stride, lse, lse_stride, length, hidden, index, row_from, row_to,
                                  key_at, int(keys), capacity, heads, kv_heads, causal, scale);
      auto* sums = static_cast<float*>(gpu::scratch(stream, (size_t(heads) + 1) * keys * sizeof(float)));
      gpu::with_head(head_size, [&]<int D>() {
        gpu::launch<colsum_select_kernel<T, D>>(dim3(gpu::ceil_div(keys, COLSUM_KEYS), heads), dim3(COLSUM_THREADS),
                                                colsum_smem<T, D>() + smem_bytes<uint32_t>(MAX_SELECT), stream, keep,
                                                score, fault, sums, sums + heads * keys, stream->tickets, p, n, kept);
      });
    });
  });
}
