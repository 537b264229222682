// Attention received by 64 keys of one head, by one block of 128 threads.
//
// Keys are the outer loop: their tile is loaded once and stays in registers as the A operand, query tiles stream past in
// two buffers. The product is S transposed = K·Qᵀ, so that summing over queries is summing over accumulator columns, and
// only two shuffles are left at the end. One writer per sum, a fixed order, no atomics, no map of attention.
#pragma once
#include "segments.h"
#include "tile.h"

template <class T>
struct ColumnSums {
  const T* q;
  const T* k;
  const float* lse;
  SegmentTable segments;  // one
  const uint8_t* hidden;
  const int32_t* index;
  int64_t q_stride, k_stride, lse_stride;
  int32_t row_from, row_to, key_at, n, group, causal;
  float scale_log2;
  int32_t reserved;  // so that a launch's arguments have no padding: two of the same call are the same bytes
};
static_assert(sizeof(ColumnSums<float>) == 5 * 8 + sizeof(SegmentTable) + 3 * 8 + 8 * 4);
static_assert(sizeof(SegmentTable) == 2 * 8 + 6 * 4);

constexpr int COLSUM_THREADS = 128, COLSUM_KEYS = 64, COLSUM_QUERIES = 64;

template <class T, int D>
constexpr size_t colsum_smem() {
  return smem_bytes<T>(2 * COLSUM_QUERIES * PADDED<T, D>);
}

// sums: of this head, [n]. tiles: shared memory of colsum_smem<T, D>() bytes; nobody uses it behind the next barrier.
template <class T, int D>
DEVICE void colsum_block(float* sums, const ColumnSums<T>& p, int head, int key0, T* tiles) {
  constexpr int LD = PADDED<T, D>, KS = D / 16, NT = COLSUM_QUERIES / 8;
  Segment segment = segment_of(p.segments, 0);
  // Rows are counted in the call, so that no pointer depends on what was loaded: a register less is one that is not spilled.
  const T* q = p.q + head * D;
  const T* k = keys_of(p.k, p.k_stride, segment, "keys") + head / p.group * D;
  const float* lse = p.lse + head * p.lse_stride;
  const uint8_t* hidden = segment.hidden < 0 ? nullptr : p.hidden + segment.hidden;
  int past = segment.length - segment.row;
  int row_to = segment.row + checked(p.row_to, segment.rows + 1, "the end of the span of rows");
  auto key_of = [&](int j) {
    return checked(p.key_at + (p.index ? load(p.index + j) : j), segment.keys, "a candidate's key");
  };

  load_tile<T, COLSUM_KEYS, D>(tiles, k, p.k_stride, key0, p.n, 0, D, key_of);
  copy_commit();
  copy_wait<0>();
  __syncthreads();
  Fragment<T> keys[1][KS];
  UNROLL
  for (int ks = 0; ks < KS; ks++) load_fragment(keys[0][ks], tiles + warp_id() * 16 * LD + ks * 16, LD);
  __syncthreads();

  // This thread's two keys, each as the first row that sees it; of one that is hidden or beyond n there is none.
  int g = lane_id() / 4, t = lane_id() % 4;
  int seen_from[2];
  float received[2] = {0.f, 0.f};
  UNROLL
  for (int r = 0; r < 2; r++) {
    int candidate = key0 + warp_id() * 16 + g + 8 * r;
    bool there = candidate < p.n;
    int key = there ? key_of(candidate) : 0;
    if (there && hidden) there = load(hidden + key) == 0;
    seen_from[r] = !there ? 0x7fffffff : p.causal ? key - past : 0;
  }

  // With consecutive keys, queries before the first that sees one of them are skipped.
  int first = segment.row + p.row_from;
  if (p.causal && !p.index && p.key_at + key0 - past > first) first = p.key_at + key0 - past;
  int count = first < row_to ? (row_to - first + COLSUM_QUERIES - 1) / COLSUM_QUERIES : 0;
  if (count > 0) load_tile<T, COLSUM_QUERIES, D>(tiles, q, p.q_stride, first, row_to);
  copy_commit();
  for (int i = 0; i < count; i++) {
    int row0 = first + i * COLSUM_QUERIES;
    T* tile = tiles + i % 2 * COLSUM_QUERIES * LD;
    T* other = tiles + (i + 1) % 2 * COLSUM_QUERIES * LD;
    if (i + 1 < count) load_tile<T, COLSUM_QUERIES, D>(other, q, p.q_stride, row0 + COLSUM_QUERIES, row_to);
    copy_commit();
    copy_wait<1>();
    __syncthreads();
    float s[1][NT][4] = {};
    tile_mma<1, NT, KS, true>(s, keys, tile, LD);
    UNROLL
    for (int nt = 0; nt < NT; nt++) {
      UNROLL
      for (int c = 0; c < 2; c++) {
        int row = row0 + nt * 8 + 2 * t + c;
        if (row < row_to) {
          float l = load(lse + row);
          UNROLL
          for (int r = 0; r < 2; r++) {
            if (row >= seen_from[r]) received[r] += exp2_fast(fmaf(s[0][nt][2 * r + c], p.scale_log2, -l));
          }
        }
      }
    }
    __syncthreads();  // before this buffer is filled again
  }
  copy_wait<0>();
  UNROLL
  for (int r = 0; r < 2; r++) {
    received[r] += __shfl_xor_sync(ALL_LANES, received[r], 1);
    received[r] += __shfl_xor_sync(ALL_LANES, received[r], 2);
    int candidate = key0 + warp_id() * 16 + g + 8 * r;
    if (t == 0 && candidate < p.n) store(sums + candidate, received[r]);
  }
}
