// hide_rows: the masked form of row_map: nothing moves, dropped rows are marked.
//
// Math      hidden[row] |= the row is a candidate that is not kept. Then, row by row: a visible row gets the number of
//           visible rows before it (contiguous) or keeps its positions (keep); a hidden one keeps its positions.
// Shapes    hidden u8 [≥ T]; positions i32 [A, T]; cuts as in row_map.
// Launch    one block of 512 threads, each with consecutive rows: marks by searching the cuts' lists, then a scan.
// Cost      2 + 8·A bytes per row and the searches; used by tests and research, not for speed.
// Limits    64 cuts without a common candidate.
#include "gpu/cuts.h"
#include "gpu/select.h"

constexpr int HIDE_THREADS = 512;

KERNEL(HIDE_THREADS)
hide_rows_kernel(uint8_t* hidden, Positions positions, Cuts cuts, int rows, int rule) {
  check_lists(cuts, int(threadIdx.x), HIDE_THREADS);
  int per = (rows + HIDE_THREADS - 1) / HIDE_THREADS;
  int from = int(threadIdx.x) * per, to = from + per < rows ? from + per : rows;
  uint32_t visible = 0;
  for (int i = from; i < to; i++) {
    Fate f = fate_of(cuts, i);
    if (f.is_candidate && !f.is_kept) store(hidden + i, uint8_t(1));
    else visible += load(hidden + i) == 0;
  }
  uint32_t rank = block_scan<HIDE_THREADS>(visible);
  for (int i = from; i < to; i++) {
    bool sees = load(hidden + i) == 0;
    store_positions(positions, i, i, sees && rule == STARLING_CONTIGUOUS ? int(rank) : -1);
    rank += sees;
  }
}

extern "C" int starling_hide_rows(const starling_hide_rows_args* args, starling_stream* stream) {
  return gpu::guarded("hide_rows", args, [&](const starling_hide_rows_args& a) {
    int all = a.positions_in.width;
    Cuts cuts = checked_cuts(a.cuts, a.cut_count, all);
    Positions positions = checked_positions(a.positions_out, a.positions_in, all);
    gpu::require(a.hidden.rows >= all, "hidden is shorter than the rows");
    auto* hidden = gpu::vector<uint8_t>("hidden", a.hidden, a.hidden.rows);
    gpu::launch<hide_rows_kernel>(dim3(1), dim3(HIDE_THREADS), 0, stream, hidden, positions, cuts, all, a.rule);
  });
}
