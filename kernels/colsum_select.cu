// colsum_select: column sums, mean over heads, and selection, in one launch.
//
// Math      attention_colsum.cu over n·w keys, then token_select.cu with rows = row_to − row_from; the same bits as the two.
//           With rows, row_map.cu of cuts whose kept sets are there, this one's among them; the same bits as that.
// Shapes    as those; sums stay in the stream's scratch memory. A visual token of four patches is a candidate of w = 4 keys,
//           and index undoes the order of a tower's windows.
// Launch    grid (⌈n·w/64⌉, H), 128 threads. A block leaves the sums of 64 keys of one head; the last of the H blocks of a
//           key tile (ticket, release and acquire) adds the heads in order; the last key tile to get there adds each
//           candidate's w keys and selects. No block waits for another, and who comes last changes nothing: every sum
//           has its own order. The rows are mapped by that block too, behind a barrier.
// Shared    the tiles of attention_colsum, and in their place, when the last block selects, 4 bytes a candidate: 18 KB at
//           d = 64 and 34 KB at d = 128 in bf16, 64 KB with 16384 candidates.
// Cost      saves one launch and its gap beside the two-call form (two beside three kernels that also reduce apart), and
//           reads the H·n·w sums by ⌈n·w/64⌉ blocks instead of one. The selection runs in 128 threads,
//           and so does the map: a search in each list for each row, where row_map.cu has ⌈T/256⌉ blocks. It saves that
//           launch, which is more as long as the rows are a few thousand.
//           With f32 heads of 128 the map is a launch of its own: the registers are full.
// Limits    n ≤ 16384, H ≤ 65535. Needs sm_80.
#include "gpu/column_sums.h"
#include "gpu/cuts.h"
#include "gpu/select.h"

// Where the map would take a register more than there are (sm_120), it is a launch of its own.
template <class T, int D>
constexpr bool MAPS_ITSELF = sizeof(T) < 4 || D < 128;

template <class T, int D>
KERNEL(COLSUM_THREADS)
colsum_select_kernel(int32_t* keep, float* score, int32_t* non_finite, float* sums, float* columns, unsigned* tickets,
                     ColumnSums<T> p, int n, int kept, RowMap map) {
  constexpr int TILES = 2 * COLSUM_QUERIES * PADDED<T, D> * int(sizeof(T)) / int(sizeof(uint32_t));
  Smem smem;
  uint32_t* keys = smem.take<uint32_t>(unsigned(n > TILES ? n : TILES));  // first the tiles' place
  int tile = int(blockIdx.x), head = int(blockIdx.y), heads = int(gridDim.y), key0 = tile * COLSUM_KEYS;
  colsum_block<T, D>(sums + int64_t(head) * p.n, p, head, key0, reinterpret_cast<T*>(keys));

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
    if (!finite(mean)) atomic_or(non_finite, 1);
  }
  __syncthreads();
  select_block<COLSUM_THREADS>(keep, keys, n, kept);
  if constexpr (MAPS_ITSELF<T, D>) {
    if (!map.rows) return;
    __syncthreads();  // before what is kept is read
    check_lists(map.cuts, int(threadIdx.x), COLSUM_THREADS);
    map_rows(map, int(threadIdx.x), COLSUM_THREADS);
  }
}

extern "C" int starling_colsum_select(const starling_colsum_select_args* args, starling_stream* stream) {
  return gpu::guarded("colsum_select", args, [&](const starling_colsum_select_args& a) {
    int heads = a.in.heads, n = a.score.rows, kept = a.keep.rows;
    gpu::require(n >= 1 && n <= MAX_SELECT, "n must be 1 to 16384");
    gpu::require(kept >= 1 && kept <= n, "k must be 1 to n");
    gpu::require(a.row_to > a.row_from, "the span of rows is empty");
    int64_t keys = int64_t(n) * (a.sources ? a.sources : 1);
    gpu::require(keys >= 1 && keys <= int64_t(COLSUM_KEYS) * (gpu::STREAM_TICKETS - 1), "n*sources must be 1 to 4 million");
    auto* keep = gpu::vector<int32_t>("keep", a.keep, kept);
    auto* score = gpu::vector<float>("score", a.score, n);
    auto* non_finite = gpu::vector<int32_t>("non_finite", a.non_finite, 1);
    RowMap map{};
    if (a.rows.data) {
      map = checked_row_map(a.rows, a.positions_out, a.row_sources, a.positions_in, a.cuts, a.cut_count, a.rule);
    }
    gpu::with_type(a.in.q.dtype, [&]<class T>() {
      ColumnSums<T> p = column_sums<T>(a.in, a.lse, a.index, a.row_from, a.row_to, a.key_at, int(keys));
      auto* sums = static_cast<float*>(gpu::scratch(stream, (size_t(heads) + 1) * keys * sizeof(float)));
      gpu::with_head(a.in.head_size, [&]<int D>() {
        size_t tiles = colsum_smem<T, D>(), selection = smem_bytes<uint32_t>(size_t(n));
        gpu::launch<colsum_select_kernel<T, D>>(dim3(gpu::ceil_div(keys, COLSUM_KEYS), heads), dim3(COLSUM_THREADS),
                                                tiles > selection ? tiles : selection, stream, keep, score, non_finite, sums,
                                                sums + heads * keys, stream->tickets, p, n, kept, map);
        if (map.rows && !MAPS_ITSELF<T, D>) {
          starling_row_map_args after{sizeof after,   a.rows, a.positions_out, a.row_sources,
                                      a.positions_in, a.cuts, a.cut_count,     a.rule};
          int status = starling_row_map(&after, stream);
          if (status) throw gpu::Error(status, starling_error());
        }
      });
    });
  });
}
