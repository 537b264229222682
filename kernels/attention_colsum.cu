// attention_colsum: attention received by each candidate key, without ever holding a map of attention.
//
// Math      sums[h, j] = Σ_{i in rows} 2^(scale·log2(e)·q_i·k_key(j) − lse_i): the probabilities of attention.cu, recomputed
//           from the log-sum-exp it left, because a row's weight is known only when the row is done. Σ_j over all keys is
//           the number of rows (tested). A hidden key gets 0; a row whose lse is +∞ gives 0, so editing lse drops a row.
// Shapes    q [T, H·d]; k [N, G·d]; lse f32 [H, T]; sums f32 [H, n]; any span of rows of one segment: patches, CLS alone,
//           text rows, the last row. Keys are the segment's, consecutive or listed.
// Launch    grid (⌈n/64⌉, H), 128 threads (gpu/colsum.h): keys outside, queries inside, one writer per sum.
// Shared    2 tiles of 64 × (d + 8): 18 KB at d = 64, 22 KB at d = 80, 34 KB at d = 128 in bf16.
// Cost      2·rows·n·H·d FLOPs, half of the attention call before it; 576 rows × 576 keys × 16 heads of 64 are 0.68 GFLOP
//           and 2.4 MB that lie in L2. Bound by launch latency at these sizes.
// Limits    H ≤ 65535. Needs sm_80.
#include "gpu/colsum.h"
#include "gpu/column_sums.h"

template <class T, int D>
KERNEL(COLSUM_THREADS)
attention_colsum_kernel(float* sums, int64_t sums_stride, ColumnSums<T> p) {
  Smem smem;
  T* tiles = smem.take<T>(2 * COLSUM_QUERIES * PADDED<T, D>);
  int head = int(blockIdx.y);
  colsum_block<T, D>(sums + head * sums_stride, p, head, int(blockIdx.x) * COLSUM_KEYS, tiles);
}

extern "C" int starling_attention_colsum(const starling_attention_colsum_args* args, starling_stream* stream) {
  return gpu::guarded("attention_colsum", args, [&](const starling_attention_colsum_args& a) {
    int heads = a.in.heads, n = a.sums.width;
    auto* sums = gpu::matrix<float>("sums", a.sums, heads, n);
    gpu::with_type(a.in.q.dtype, [&]<class T>() {
      ColumnSums<T> p = column_sums<T>(a.in, a.lse, a.index, a.row_from, a.row_to, a.key_at, n);
      gpu::with_head(a.in.head_size, [&]<int D>() {
        gpu::launch<attention_colsum_kernel<T, D>>(dim3(gpu::ceil_div(n, COLSUM_KEYS), heads), dim3(COLSUM_THREADS),
                                                   colsum_smem<T, D>(), stream, sums, a.sums.stride, p);
      });
    });
  });
}
