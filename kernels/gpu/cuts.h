// Cuts as a kernel parameter, and what they make of a row.
#pragma once
#include "args.h"

struct Cut {
  const int32_t* keep;        // [kept]
  const int32_t* candidates;  // [n], or none: all the rows of the span
  int32_t at, count, n, kept;
};
struct Cuts {
  Cut cut[STARLING_MAX_CUTS];
  int32_t count, candidates, kept, reserved;  // in all
};

// Checks what the host can see.
inline Cuts checked_cuts(const starling_cut* cuts, int count, int rows) {
  gpu::require(count >= 0 && count <= STARLING_MAX_CUTS, "cuts: at most 64");
  Cuts out{};
  out.count = count;
  for (int i = 0; i < count; i++) {
    const starling_cut& c = cuts[i];
    int kept = c.keep.rows, n = c.candidates.data ? c.candidates.rows : c.count;
    gpu::require(c.at >= 0 && c.count >= 0 && int64_t(c.at) + c.count <= rows, "cuts: rows beyond those of the call");
    gpu::require(n <= c.count, "cuts: more candidates than rows");
    gpu::require(kept >= 0 && kept <= n, "cuts: more candidates kept than there are");
    for (int j = 0; j < i; j++) {
      bool apart = c.at + c.count <= cuts[j].at || cuts[j].at + cuts[j].count <= c.at;
      bool listed = c.candidates.data || cuts[j].candidates.data;
      gpu::require(apart || listed, "cuts: two overlap, and neither lists its candidates");
    }
    out.cut[i] = Cut{gpu::vector<int32_t>("keep", c.keep, kept),
                     gpu::optional_vector<int32_t>("candidates", c.candidates, n),
                     c.at,
                     c.count,
                     n,
                     kept};
    out.candidates += n;
    out.kept += kept;
  }
  return out;
}

// How many of n ascending numbers are below x.
DEVICE int numbers_below(const int32_t* list, int n, int x) {
  int low = 0, high = n;
  while (low < high) {
    int middle = (low + high) / 2;
    if (load(list + middle) < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Of the candidates and the kept ones among them, those before a row; and whether it is one itself.
struct Fate {
  int candidates, kept;
  bool is_candidate, is_kept;
};

// Rows before a cut's span and behind it cost nothing; inside it, a search in each list.
DEVICE Fate fate_of(const Cuts& cuts, int row) {
  Fate f{0, 0, false, false};
  for (int c = 0; c < cuts.count; c++) {
    const Cut& cut = cuts.cut[c];
    int place = row - cut.at;
    if (place < 0) continue;
    bool inside = place < cut.count;
    int j = !inside ? cut.n : cut.candidates ? numbers_below(cut.candidates, cut.n, place) : place;
    int k = !inside ? cut.kept : numbers_below(cut.keep, cut.kept, j);
    f.candidates += j;
    f.kept += k;
    if (inside && (!cut.candidates || (j < cut.n && load(cut.candidates + j) == place))) {
      f.is_candidate = true;
      f.is_kept = k < cut.kept && load(cut.keep + k) == j;
    }
  }
  return f;
}

// For the host layer: every entry is in its range and behind the one before. On a GPU nothing is left of it.
DEVICE void check_ascending(const int32_t* list, int n, int limit, int first, int step, const char* what) {
  for (int i = first; i < n; i += step) {
    int entry = checked(load(list + i), limit, what);
    if (i > 0) checked(entry - load(list + i - 1) - 1, limit, "the step to the next of a cut's ascending numbers");
  }
}
DEVICE void check_lists(const Cuts& cuts, int first, int step) {
  for (int c = 0; c < cuts.count; c++) {
    const Cut& cut = cuts.cut[c];
    check_ascending(cut.keep, cut.kept, cut.n, first, step, "a kept candidate");
    if (cut.candidates) check_ascending(cut.candidates, cut.n, cut.count, first, step, "a candidate's row");
  }
}

// Positions of rows on one or several axes.
struct Positions {
  int32_t* out;
  const int32_t* in;
  int64_t out_stride, in_stride;
  int32_t axes, reserved;
};
inline Positions checked_positions(const starling_tensor& out, const starling_tensor& in, int stay) {
  gpu::require(in.rows >= 1, "positions have at least one axis");
  return Positions{gpu::matrix<int32_t>("positions_out", out, in.rows, stay),
                   gpu::matrix<int32_t>("positions_in", in, in.rows, in.width),
                   out.stride,
                   in.stride,
                   in.rows,
                   0};
}
// On every axis `number`, or what `row` had if that is negative.
DEVICE void store_positions(const Positions& p, int to, int row, int number) {
  for (int a = 0; a < p.axes; a++) {
    store(p.out + a * p.out_stride + to, number < 0 ? load(p.in + a * p.in_stride + row) : number);
  }
}

// What row_map.cu writes, and of what.
struct RowMap {
  int32_t* rows;
  int32_t* sources;  // or none
  Positions positions;
  Cuts cuts;
  int32_t row_count, stay, rule, reserved;
};
inline RowMap checked_row_map(const starling_tensor& rows, const starling_tensor& positions_out,
                              const starling_tensor& sources, const starling_tensor& positions_in, const starling_cut* cuts,
                              int cut_count, int rule) {
  int all = positions_in.width;
  Cuts checked = checked_cuts(cuts, cut_count, all);
  int stay = all - checked.candidates + checked.kept;
  Positions positions = checked_positions(positions_out, positions_in, stay);
  return RowMap{gpu::vector<int32_t>("rows", rows, stay),
                gpu::optional_vector<int32_t>("sources", sources, stay),
                positions,
                checked,
                all,
                stay,
                rule,
                0};
}
DEVICE void map_rows(const RowMap& map, int first, int step) {
  NO_UNROLL
  for (int row = first; row < map.row_count; row += step) {
    Fate f = fate_of(map.cuts, row);
    int to = row - f.candidates + f.kept;
    if ((f.is_candidate && !f.is_kept) || unsigned(to) >= unsigned(map.stay)) continue;
    store(map.rows + to, row);
    int source = f.is_candidate ? map.row_count - map.cuts.candidates + f.kept : row - f.candidates;
    if (map.sources) store(map.sources + to, source);
    store_positions(map.positions, to, row, map.rule == STARLING_KEEP ? -1 : to);
  }
}
