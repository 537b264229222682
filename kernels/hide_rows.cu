// hide_rows: the masked form of row_map: nothing moves, dropped rows are marked.
//
// Math      hidden[at + i] |= i is not in keep. Then, row by row: a visible row gets the number of visible rows before it
//           (contiguous) or keeps its position (keep); a hidden one keeps its position.
// Shapes    hidden u8 [≥ T]; positions i32 [T].
// Launch    one block of 512 threads: marks by binary search in keep, then a scan over the rows.
// Cost      10 bytes per row and log2(kept) reads; used by tests and research, not for speed.
// Limits    64 cuts.
#include "gpu/cuts.h"
#include "gpu/select.h"

constexpr int HIDE_THREADS = 512;

KERNEL(HIDE_THREADS)
hide_rows_kernel(uint8_t* hidden, int32_t* positions_out, const int32_t* positions_in, Cuts cuts, int cut_count, int rows,
                 int rule) {
  for (int c = 0; c < cut_count; c++) {
    const RowCut& cut = cuts.cut[c];
    for (int i = int(threadIdx.x); i < cut.count; i += HIDE_THREADS) {
      int low = 0, high = cut.kept;  // the first kept row ≥ i
      while (low < high) {
        int middle = (low + high) / 2;
        if (checked(load(cut.keep + middle), cut.count, "a kept row") < i) low = middle + 1;
        else high = middle;
      }
      if (low == cut.kept || load(cut.keep + low) != i) store(hidden + cut.at + i, uint8_t(1));
    }
  }
  __syncthreads();
  int per = (rows + HIDE_THREADS - 1) / HIDE_THREADS;
  int from = int(threadIdx.x) * per, to = from + per < rows ? from + per : rows;
  uint32_t visible = 0;
  for (int i = from; i < to; i++) visible += load_coherent(hidden + i) == 0;
  uint32_t rank = block_scan<HIDE_THREADS>(visible);
  for (int i = from; i < to; i++) {
    bool sees = load_coherent(hidden + i) == 0;
    store(positions_out + i, sees && rule == STARLING_CONTIGUOUS ? int32_t(rank) : load(positions_in + i));
    rank += sees;
  }
}

extern "C" int starling_hide_rows(const starling_hide_rows_args* args, starling_stream* stream) {
  return gpu::guarded("hide_rows", args, [&](const starling_hide_rows_args& a) {
    Cuts cuts{};
    int rows = a.positions_in.rows;
    checked_cuts(cuts, a.cuts, a.cut_count, rows);
    gpu::require(a.hidden.rows >= rows, "hidden is shorter than positions_in");
    auto* hidden = gpu::vector<uint8_t>("hidden", a.hidden, a.hidden.rows);
    auto* positions_out = gpu::vector<int32_t>("positions_out", a.positions_out, rows);
    auto* positions_in = gpu::vector<int32_t>("positions_in", a.positions_in, rows);
    gpu::launch<hide_rows_kernel>(dim3(1), dim3(HIDE_THREADS), 0, stream, hidden, positions_out, positions_in, cuts,
                                  a.cut_count, rows, a.rule);
  });
}
