// The k largest of n ≤ 16384 numbers, by one block: radix select on order-preserving keys, then one scan whose packed
// counts give both the rank among ties and the place in the output. Integer atomics only; ties go to the lowest index;
// the output ascends.
#pragma once
#include "prims.h"

constexpr int MAX_SELECT = 16384;   // numbers; their keys take 64 KB of a block's shared memory, which has 99 KB on sm_86
constexpr int MAX_COMPARED = 4096;  // rows of which each two are compared

// Rises with the number. What is not finite has the lowest key, −0 that of 0.
DEVICE uint32_t order_key(float x) {
  uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return 0u;
  if (bits == 0x80000000u) bits = 0u;
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

DEVICE bool finite(float x) { return (__float_as_uint(x) & 0x7f800000u) != 0x7f800000u; }

// Sum of the values of the lanes below, and of all.
DEVICE uint32_t warp_scan(uint32_t value, uint32_t& total) {
  uint32_t inclusive = value;
  UNROLL
  for (int by = 1; by < 32; by <<= 1) {
    uint32_t below = __shfl_up_sync(ALL_LANES, inclusive, by);
    if (lane_id() >= by) inclusive += below;
  }
  total = __shfl_sync(ALL_LANES, inclusive, 31);
  return inclusive - value;
}

// The same over the threads of a block.
template <int THREADS>
DEVICE uint32_t block_scan(uint32_t value) {
  SHARED(uint32_t, warp_totals, THREADS / 32);
  uint32_t total;
  uint32_t before = warp_scan(value, total);
  if (lane_id() == 0) warp_totals[warp_id()] = total;
  __syncthreads();
  for (int w = 0; w < warp_id(); w++) before += warp_totals[w];
  __syncthreads();
  return before;
}

// Which of 256 weights, from the last to the first, holds position `target`: the digit, and the weight above it. All
// threads of the block get the answer.
template <class W>
struct Digit {
  uint32_t digit;
  W above;
};
template <class W>
DEVICE Digit<W> find_digit(const W* weights, W target) {
  SHARED(Digit<W>, found, 1);
  if (warp_id() == 0) {
    int first = 255 - 8 * lane_id();  // lane 0 holds the highest digits
    W sum = 0;
    UNROLL
    for (int i = 0; i < 8; i++) sum += weights[first - i];
    W inclusive = sum;
    UNROLL
    for (int by = 1; by < 32; by <<= 1) {
      W below = __shfl_up_sync(ALL_LANES, inclusive, by);
      if (lane_id() >= by) inclusive += below;
    }
    W above = inclusive - sum;
    if (above <= target && target < inclusive) {
      int digit = first;
      while (above + weights[digit] <= target) above += weights[digit--];
      found[0] = Digit<W>{uint32_t(digit), above};
    }
  }
  __syncthreads();
  Digit<W> result = found[0];
  __syncthreads();
  return result;
}

// keys: shared memory, [n], complete before the call. keep: [k], 1 ≤ k ≤ n.
template <int THREADS>
DEVICE void select_block(int* keep, const uint32_t* keys, int n, int k) {
  SHARED(uint32_t, histogram, 256);
  uint32_t prefix = 0, mask = 0, need = uint32_t(k);
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (int i = int(threadIdx.x); i < 256; i += THREADS) histogram[i] = 0;
    __syncthreads();
    for (int i = int(threadIdx.x); i < n; i += THREADS) {
      if ((keys[i] & mask) == prefix) atomic_add(&histogram[keys[i] >> shift & 255], 1u);
    }
    __syncthreads();
    Digit<uint32_t> d = find_digit(histogram, need - 1);
    prefix |= d.digit << shift;
    mask |= 255u << shift;
    need -= d.above;
  }
  // `prefix` is the smallest key kept, and `need` of those equal to it stay. A thread owns consecutive indices.
  int per = (n + THREADS - 1) / THREADS, from = int(threadIdx.x) * per, to = from + per < n ? from + per : n;
  uint32_t counts = 0;
  for (int i = from; i < to; i++) counts += keys[i] > prefix ? 0x10000u : keys[i] == prefix ? 1u : 0u;
  counts = block_scan<THREADS>(counts);
  uint32_t greater = counts >> 16, equal = counts & 0xffffu;
  for (int i = from; i < to; i++) {
    bool is_greater = keys[i] > prefix, is_equal = keys[i] == prefix;
    if (is_greater || (is_equal && equal < need)) store(keep + greater + (equal < need ? equal : need), i);
    greater += is_greater;
    equal += is_equal;
  }
}

// score[j] from the sum of its columns: one division.
DEVICE float mean_score(float sum, int heads, int rows, int sources) {
  return sum / (float(heads) * float(rows) * float(sources));
}
