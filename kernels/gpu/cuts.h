// Cuts as a kernel parameter.
#pragma once
#include "args.h"

struct RowCut {
  const int32_t* keep;  // [kept]
  int32_t at, count, kept, reserved;
};
struct Cuts {
  RowCut cut[STARLING_MAX_CUTS];
};

// Checks their order; returns how many rows they drop.
inline int checked_cuts(Cuts& out, const starling_cut* cuts, int count, int rows) {
  gpu::require(count >= 0 && count <= STARLING_MAX_CUTS, "cuts: at most 64 pictures");
  int end = 0, dropped = 0;
  for (int i = 0; i < count; i++) {
    const starling_cut& c = cuts[i];
    int kept = c.keep.rows;
    gpu::require(c.at >= end && c.count >= 0 && c.at + c.count <= rows, "cuts: pictures overlap or lie beyond the rows");
    gpu::require(kept >= 0 && kept <= c.count, "cuts: more rows kept than there are");
    out.cut[i] = {gpu::vector<int32_t>("keep", c.keep, kept), c.at, c.count, kept, 0};
    end = c.at + c.count;
    dropped += c.count - kept;
  }
  return dropped;
}
