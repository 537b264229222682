// row_map: from the kept sets of several pictures to the rows of the whole sequence, and their positions, on the device.
//
// Math      row i of the result is the i-th row that stays: those outside the pictures, and of a picture at + keep[j].
//           positions: i (contiguous), or positions_in of the row (keep).
// Shapes    keep i32 [kept] per cut, up to 64 cuts; rows, positions_out i32 [T'], positions_in i32 [T].
// Launch    ⌈T'/256⌉ blocks of 256 threads; a thread walks the cuts up to its own row.
// Cost      12 bytes per row. Bound by launch latency.
// Limits    64 cuts.
#include "gpu/cuts.h"
#include "gpu/prims.h"

KERNEL(256)
row_map_kernel(int32_t* rows, int32_t* positions_out, const int32_t* positions_in, Cuts cuts, int cut_count, int stay,
               int rule) {
  int i = int(blockIdx.x) * 256 + int(threadIdx.x);
  if (i < stay) {
    int row = i;  // the answer as long as every cut passed so far keeps all its rows; what they drop is added
    for (int c = 0; c < cut_count; c++) {
      const RowCut& cut = cuts.cut[c];
      if (row < cut.at) break;
      if (row < cut.at + cut.kept) {
        row = cut.at + checked(load(cut.keep + row - cut.at), cut.count, "a kept row");
        break;
      }
      row += cut.count - cut.kept;
    }
    store(rows + i, row);
    store(positions_out + i, rule == STARLING_KEEP ? load(positions_in + row) : i);
  }
}

extern "C" int starling_row_map(const starling_row_map_args* args, starling_stream* stream) {
  return gpu::guarded("row_map", args, [&](const starling_row_map_args& a) {
    Cuts cuts{};
    int rows = a.positions_in.rows, stay = rows - checked_cuts(cuts, a.cuts, a.cut_count, rows);
    auto* rows_out = gpu::vector<int32_t>("rows", a.rows, stay);
    auto* positions_out = gpu::vector<int32_t>("positions_out", a.positions_out, stay);
    auto* positions_in = gpu::vector<int32_t>("positions_in", a.positions_in, rows);
    gpu::launch<row_map_kernel>(dim3(gpu::ceil_div(stay, 256)), dim3(256), 0, stream, rows_out, positions_out, positions_in,
                                cuts, a.cut_count, stay, a.rule);
  });
}
