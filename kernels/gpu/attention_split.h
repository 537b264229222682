// What a block of attention_decode does: 64 keys of one head and one row; the block that comes last adds the parts of all.
#pragma once
#include "rotary.h"

constexpr int SPLIT_KEYS = 64;

template <class T>
struct SplitInputs {
  T* out;
  float* lse;         // or none
  float* parts;       // [place, head, split]: D sums, and behind them all a largest score and a sum
  unsigned* tickets;  // [place, head]
  const T* q;         // none if `turned` says where the queries come from
  const T *k, *v;
  SegmentTable segments;
  const uint8_t* hidden;
  int64_t out_stride, lse_stride, q_stride, k_stride, v_stride;
  int32_t heads, group, causal, splits;
  float scale_log2;
  int32_t places;
};

struct SplitSums {
  float top, sum;
};

DEVICE int64_t split_place(int place, int head, int heads, int splits) { return int64_t(place * heads + head) * splits; }

// The parts of a row and head, of which `used` have keys, added in an order that depends on `used` alone.
template <class T, int D>
DEVICE void add_splits(const SplitInputs<T>& a, float* partial, int64_t first, int used, int row, int head) {
  constexpr int LANES = D / 4, GROUPS = 128 / LANES, BATCH = 8;
  SHARED(float, shares, 128);
  SHARED(float, warp_values, 8);
  const auto* values = reinterpret_cast<const Vec16*>(a.parts + first * D);
  const auto* sums = reinterpret_cast<const SplitSums*>(a.parts + int64_t(a.places) * a.heads * a.splits * D) + first;
  int tid = int(threadIdx.x), member = tid / LANES;
  auto sums_of = [&](int i) { return SplitSums{load_coherent(&sums[i].top), load_coherent(&sums[i].sum)}; };
  float top = -INFINITY, sum = 0.f;
  for (int i = tid; i < used; i += 128) top = fmaxf(top, sums_of(i).top);
  top = warp_max(top);
  if (lane_id() == 0) warp_values[warp_id()] = top;
  __syncthreads();
  top = fmaxf(fmaxf(warp_values[0], warp_values[1]), fmaxf(warp_values[2], warp_values[3]));
  float base = top == -INFINITY ? 0.f : top, acc[4] = {};
  for (int i0 = 0; i0 < used; i0 += 128) {
    int n = used - i0 < 128 ? used - i0 : 128;
    if (tid < n) {
      SplitSums s = sums_of(i0 + tid);
      shares[tid] = exp2_fast(s.top - base);
      sum = fmaf(shares[tid], s.sum, sum);
    }
    __syncthreads();
    for (int j = member; j < n && member < GROUPS; j += GROUPS * BATCH) {
      Vec16 v[BATCH];
      UNROLL
      for (int b = 0; b < BATCH; b++) {
        if (j + b * GROUPS < n) v[b] = load_coherent(values + int64_t(i0 + j + b * GROUPS) * LANES + tid % LANES);
      }
      UNROLL
      for (int b = 0; b < BATCH; b++) {
        if (j + b * GROUPS >= n) continue;
        float x[4];
        unpack<float>(v[b], x);
        UNROLL
        for (int c = 0; c < 4; c++) acc[c] = fmaf(shares[j + b * GROUPS], x[c], acc[c]);
      }
    }
    __syncthreads();  // before the shares are written again
  }
  sum = warp_sum(sum);
  if (lane_id() == 0) warp_values[4 + warp_id()] = sum;
  UNROLL
  for (int c = 0; c < 4; c++) {
    if (member < GROUPS) partial[member * D + tid % LANES * 4 + c] = acc[c];
  }
  __syncthreads();
  sum = (warp_values[4] + warp_values[5]) + (warp_values[6] + warp_values[7]);
  bool blind = top == -INFINITY && sum == 0.f;
  if (tid < D) {
    float o = 0.f;
    UNROLL
    for (int m = 0; m < GROUPS; m++) o += partial[m * D + tid];
    store(a.out + row * a.out_stride + head * D + tid, from_float<T>(blind ? 0.f : o / sum));
  }
  if (a.lse && tid == 0) store(a.lse + head * a.lse_stride + row, blind ? INFINITY : top + log2f(sum));
}

// Split `split` of a head and a place (a row that a segment may have). With TURNS queries and new keys are turned here, and
// the block that has a row's own key appends it to the cache, which no other block reads there. True in the block after
// which the row is there, or has been found to be nobody's.
template <class T, int D, bool TURNS>
BLOCK_PART bool attend_split(const SplitInputs<T>& a, const Turning<T>& turning, T* cache_k, T* cache_v, int split, int head,
                             int place) {
  constexpr int USED = D / VEC<T>, LANES = D > 64 ? 128 / VEC<T> : USED;  // lanes of a key that read, and all of them
  constexpr int GROUPS = 128 / LANES, ROUNDS = SPLIT_KEYS / GROUPS;       // keys that the block reads at once; of a thread
  constexpr int ADDERS = 128 / (D / 4);
  SHARED(float, scores, SPLIT_KEYS);
  SHARED(float, partial, ((GROUPS > ADDERS ? GROUPS : ADDERS) * D));
  SHARED(Vec16, turned_vectors, (TURNS ? (1 + SPLIT_ROWS) * USED : 1));  // the query, then keys of this call
  T* turned = reinterpret_cast<T*>(turned_vectors);
  Segment segment = segment_of(a.segments, place / a.segments.rows);
  int own = place % a.segments.rows, first = split * SPLIT_KEYS, tid = int(threadIdx.x);
  if (own >= segment.rows) return split == 0;
  int keys = a.causal ? segment.length + own + 1 : segment.keys, row = segment.row + own, kv_head = head / a.group;
  if (first >= keys) return false;
  int n = keys - first < SPLIT_KEYS ? keys - first : SPLIT_KEYS;
  int cached = !TURNS ? n : segment.length - first < n ? segment.length - first : n;  // keys of the split in the cache
  int fresh = first + (cached < 0 ? 0 : cached) - segment.length;                     // first row whose key is new here
  int member = tid / LANES, c0 = tid % LANES * VEC<T>;
  bool reads = USED == LANES || tid % LANES < USED;
  const T* k = keys_of(a.k, a.k_stride, segment, "keys") + int64_t(first) * a.k_stride + kv_head * D + c0;
  const T* v = keys_of(a.v, a.v_stride, segment, "values") + int64_t(first) * a.v_stride + kv_head * D + c0;
  const uint8_t* hidden = segment.hidden < 0 ? nullptr : a.hidden + segment.hidden + first;

  Vec16 key_vectors[ROUNDS], value_vectors[ROUNDS], query_vector{};
  bool seen[ROUNDS];
  if (!TURNS && reads) query_vector = load(reinterpret_cast<const Vec16*>(a.q + row * a.q_stride + head * D + c0));
  UNROLL
  for (int i = 0; i < ROUNDS; i++) {
    int key = i * GROUPS + member;
    key_vectors[i] = Vec16{};
    if (key < cached && reads) key_vectors[i] = load(reinterpret_cast<const Vec16*>(k + key * a.k_stride));
    seen[i] = key < n && !(hidden && load(hidden + key));
  }
  UNROLL
  for (int i = 0; i < ROUNDS; i++) {
    int key = i * GROUPS + member;
    value_vectors[i] = Vec16{};
    if (key < cached && reads) value_vectors[i] = load(reinterpret_cast<const Vec16*>(v + key * a.v_stride));
  }
  if constexpr (TURNS) {
    int value_head = turning.heads + turning.kv_heads + kv_head;
    auto value_of = [&](int i, int c) {
      const T* from = turning.qkv + (segment.row + i) * turning.qkv_stride + value_head * D + c;
      return load(reinterpret_cast<const Vec16*>(from));
    };
    UNROLL
    for (int i = 0; i < ROUNDS; i++) {
      int key = i * GROUPS + member;
      if (key >= cached && key < n && reads) value_vectors[i] = value_of(first + key - segment.length, c0);
    }
    int items = 1 + (cached < n ? own + 1 - fresh : 0), units = D - turning.half;
    for (int e = tid; e < items * units; e += 128) {
      int item = e / units, unit = e % units, i = item == 0 ? own : fresh + item - 1;
      turn(turned + item * D, turning.qkv + (segment.row + i) * turning.qkv_stride,
           item == 0 ? head : turning.heads + kv_head, i, unit, D, segment, turning);
    }
    __syncthreads();
    if (reads) query_vector = turned_vectors[c0 / VEC<T>];
    UNROLL
    for (int i = 0; i < ROUNDS; i++) {
      int key = i * GROUPS + member;
      if (key >= cached && key < n && reads) {
        key_vectors[i] = turned_vectors[(1 + first + key - segment.length - fresh) * USED + c0 / VEC<T>];
      }
    }
    if (first + n == keys && head % a.group == 0 && tid < USED) {
      int64_t to = segment.at + segment.length + own;
      store(reinterpret_cast<Vec16*>(cache_k + to * a.k_stride + kv_head * D) + tid,
            turned_vectors[(1 + own - fresh) * USED + tid]);
      store(reinterpret_cast<Vec16*>(cache_v + to * a.v_stride + kv_head * D) + tid, value_of(own, tid * VEC<T>));
    }
  }

  float query[VEC<T>], dots[ROUNDS] = {};
  unpack<T>(query_vector, query);
  UNROLL
  for (int i = 0; i < ROUNDS; i++) {
    float x[VEC<T>];
    unpack<T>(key_vectors[i], x);
    if (i * GROUPS + member < n && reads) count_flops(4 * VEC<T>);  // with the values
    UNROLL
    for (int c = 0; c < VEC<T>; c++) dots[i] = fmaf(query[c], x[c], dots[i]);
  }
  UNROLL
  for (int bits = LANES / 2; bits; bits >>= 1) {
    UNROLL
    for (int i = 0; i < ROUNDS; i++) dots[i] += __shfl_xor_sync(ALL_LANES, dots[i], bits);
  }
  UNROLL
  for (int i = 0; i < ROUNDS; i++) {
    if (tid % LANES == 0) scores[i * GROUPS + member] = seen[i] ? dots[i] * a.scale_log2 : -INFINITY;
  }
  __syncthreads();

  float low = scores[lane_id()], high = scores[lane_id() + 32], top = warp_max(fmaxf(low, high));
  float base = top == -INFINITY ? 0.f : top, sum = warp_sum(exp2_fast(low - base) + exp2_fast(high - base));
  float acc[VEC<T>] = {};
  UNROLL
  for (int i = 0; i < ROUNDS; i++) {
    float x[VEC<T>], p = exp2_fast(scores[i * GROUPS + member] - base);
    unpack<T>(value_vectors[i], x);
    UNROLL
    for (int c = 0; c < VEC<T>; c++) acc[c] = fmaf(p, x[c], acc[c]);
  }
  UNROLL
  for (int c = 0; c < VEC<T>; c++) {
    if (reads) partial[member * D + c0 + c] = acc[c];
  }
  __syncthreads();
  int64_t parts_at = split_place(place, head, a.heads, a.splits);
  if (tid < D) {
    float o = 0.f;
    UNROLL
    for (int m = 0; m < GROUPS; m++) o += partial[m * D + tid];
    store(a.parts + (parts_at + split) * D + tid, o);
  }
  if (tid == 0) {
    auto* sums = reinterpret_cast<SplitSums*>(a.parts + int64_t(a.places) * a.heads * a.splits * D);
    store(sums + parts_at + split, SplitSums{top, sum});
  }
  int used = (keys + SPLIT_KEYS - 1) / SPLIT_KEYS;
  if (!last_block(a.tickets + place * a.heads + head, unsigned(used))) return false;
  add_splits<T, D>(a, partial, parts_at, used, row, head);
  return true;
}
