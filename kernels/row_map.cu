// row_map: from the kept sets of several cuts to the rows of the whole sequence, their positions and their sources, on the
// device.
//
// Math      the i-th row that stays: one that is no candidate, or a kept candidate at + candidates[keep[j]]. A row moves by
//           the number of dropped candidates before it. Positions: i (contiguous), or those of the row (keep). Sources: a
//           row that is no candidate has its number among those, a kept candidate T − n plus its own among the kept.
// Shapes    keep i32 [kept], candidates i32 [n] per cut, up to 64 cuts; rows, sources i32 [T']; positions i32 [A, T].
// Launch    ⌈T/256⌉ blocks of 256 threads, a row each: every cut whose span holds the row is searched by halving.
// Cost      8 + 8·A bytes per row that stays, and log2(kept) + log2(n) reads per row and cut around it. Bound by launch
//           latency.
// Limits    64 cuts without a common candidate. Lists that do not ascend leave rows out; the host layer reports them.
#include "gpu/cuts.h"
#include "gpu/prims.h"

KERNEL(256)
row_map_kernel(RowMap map) {
  int first = int(blockIdx.x) * 256 + int(threadIdx.x), step = int(gridDim.x) * 256;
  check_lists(map.cuts, first, step);
  map_rows(map, first, step);
}

extern "C" int starling_row_map(const starling_row_map_args* args, starling_stream* stream) {
  return gpu::guarded("row_map", args, [&](const starling_row_map_args& a) {
    RowMap map = checked_row_map(a.rows, a.positions_out, a.sources, a.positions_in, a.cuts, a.cut_count, a.rule);
    gpu::launch<row_map_kernel>(dim3(gpu::ceil_div(map.row_count, 256)), dim3(256), 0, stream, map);
  });
}
