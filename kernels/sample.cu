// sample: the next token: greedy, or by temperature, top-k and top-p with a counter-based random number.
//
// Math      The logit of a token that is in `seen` is divided by the segment's repetition penalty or, below zero, multiplied by
//           it (CTRL, arXiv 1909.05858). Tokens are ordered by falling logit, ties by rising id. A token's mass is ⌊2^32·exp((logit − max) / temperature)⌋,
//           a whole number, so sums do not depend on their order and every device draws the same. The first top_k tokens
//           have the mass M; the shortest prefix that reaches ⌈top_p·M⌉ is kept, N its mass; the token whose share of it
//           holds position ⌊N·u / 2^64⌋ is drawn, u from Philox (seed, step), and is in `seen` from then on. A logit that is
//           not finite, or non_finite: −1.
// Shapes    logits f32 [S, V], ids, non_finite i32 [S], seen i32 [S, ⌈V/32⌉] or NULL, a bit for each token; step, temperature,
//           top_k, top_p, seed and penalty of each segment in its row of the table i32 [S, 16]. Of an idle segment nothing is drawn.
// Launch    S blocks of 1024 threads. The first read of the logits finds the range of keys that have a mass at all; the second
//           computes each mass, once, and leaves key and mass in scratch memory. A position in the order is found without
//           sorting: the range of keys is cut into 2048 bins with a count and a mass each; the bin that holds the
//           position is cut again, until a bin is one key. The bins of the whole range are filled once for all positions.
// Shared    64 KB of bins, and the scans.
// Cost      greedy reads V logits once, four a load. A draw reads them twice and the V keys 3 times, 5 with top-p below 1
//           and 2 more with top-k; V exponentials in double at most, none for tokens below 2^−32 of the likeliest. Bins have
//           counters of 32 bits only, which shared memory adds to by itself. Bound by latency.
// Limits    V·2^32 ≤ 2^53, that is V ≤ 2,097,152. Tokens less likely than 2^−32 of the likeliest are never drawn. 8·V bytes of
//           scratch memory a segment.
#include "gpu/args.h"
#include "gpu/philox.h"
#include "gpu/segments.h"
#include "gpu/select.h"

constexpr int SAMPLE_THREADS = 1024, BIN_BITS = 11, BINS = 1 << BIN_BITS;

// Logits of a segment, with the penalty on those that were there before.
struct Logits {
  const float* row;
  const int32_t* seen;  // NULL: no penalty
  float penalty;
  int n;
  // Those of tokens i … i + 3, i a multiple of 4; behind the last one nothing.
  DEVICE void four(int i, float (&x)[4]) const {
    if (i + 4 <= n && reinterpret_cast<uintptr_t>(row) % 16 == 0) {
      unpack<float>(load(reinterpret_cast<const Vec16*>(row + i)), x);
    } else {
      UNROLL
      for (int j = 0; j < 4; j++) x[j] = i + j < n ? load(row + i + j) : 0.f;
    }
    if (!seen) return;
    uint32_t there = uint32_t(load(seen + i / 32)) >> i % 32;
    UNROLL
    for (int j = 0; j < 4; j++) {
      if (there >> j & 1u) x[j] = x[j] < 0.f ? x[j] * penalty : x[j] / penalty;
    }
  }
};

// What lies in each of the bins that a range of keys is cut into. A mass has 33 bits and is added in three parts of 11, so
// that 2^21 of them fit 32 bits, for which shared memory has an instruction; for 64 bits it would be a loop.
struct Bins {
  uint32_t* count;  // [BINS], and behind them those of the three parts
  DEVICE void clear() const {
    for (int i = int(threadIdx.x); i < 4 * BINS; i += SAMPLE_THREADS) count[i] = 0;
  }
  DEVICE void add(uint32_t bin, uint64_t mass) const {
    atomic_add(count + bin, 1u);
    atomic_add(count + BINS + bin, uint32_t(mass) & 2047u);
    atomic_add(count + 2 * BINS + bin, uint32_t(mass >> 11) & 2047u);
    atomic_add(count + 3 * BINS + bin, uint32_t(mass >> 22));
  }
  DEVICE uint64_t mass(int bin) const {
    return count[BINS + bin] + (uint64_t(count[2 * BINS + bin]) << 11) + (uint64_t(count[3 * BINS + bin]) << 22);
  }
};

// Tokens of an order, or of a part of it.
struct Amount {
  uint32_t tokens;
  uint64_t mass;
};

// Of the threads before this one, and of all.
DEVICE Amount amount_before(Amount own, Amount& all) {
  SHARED(Amount, of_warp, SAMPLE_THREADS / 32);
  Amount sum = own;
  UNROLL
  for (int by = 1; by < 32; by <<= 1) {
    uint32_t tokens = __shfl_up_sync(ALL_LANES, sum.tokens, by);
    uint64_t mass = __shfl_up_sync(ALL_LANES, sum.mass, by);
    if (lane_id() >= by) sum = Amount{sum.tokens + tokens, sum.mass + mass};
  }
  if (lane_id() == 31) of_warp[warp_id()] = sum;
  __syncthreads();
  Amount before{sum.tokens - own.tokens, sum.mass - own.mass};
  all = Amount{0, 0};
  NO_UNROLL
  for (int w = 0; w < SAMPLE_THREADS / 32; w++) {
    if (w == warp_id()) before = Amount{before.tokens + all.tokens, before.mass + all.mass};
    all = Amount{all.tokens + of_warp[w].tokens, all.mass + of_warp[w].mass};
  }
  __syncthreads();
  return before;
}

// The bin that holds a position, counted in tokens or in mass; what lies before it, and in it.
struct Found {
  int bin;
  Amount before, own;
};
DEVICE Found find_bin(const Bins& bins, uint64_t position, bool by_mass) {
  SHARED(Found, found, 1);
  static_assert(BINS == 2 * SAMPLE_THREADS);
  int bin = 2 * int(threadIdx.x);
  Amount own[2] = {{bins.count[bin], bins.mass(bin)}, {bins.count[bin + 1], bins.mass(bin + 1)}}, all;
  Amount before = amount_before(Amount{own[0].tokens + own[1].tokens, own[0].mass + own[1].mass}, all);
  UNROLL
  for (int i = 0; i < 2; i++) {
    uint64_t from = by_mass ? before.mass : before.tokens, weight = by_mass ? own[i].mass : own[i].tokens;
    if (from <= position && position - from < weight) found[0] = Found{bin + i, before, own[i]};
    before = Amount{before.tokens + own[i].tokens, before.mass + own[i].mass};
  }
  __syncthreads();
  return found[0];  // the barriers before the next search are between this and the next store
}

// Tokens that have a mass, in their order: what sample_kernel leaves in scratch memory.
struct Order {
  const uint32_t* keys;    // 0: no mass
  const uint32_t* masses;  // less one
  int n;                   // a multiple of 4
  uint32_t top;            // the highest key
  int shift;               // bin of a key: (top − key) >> shift
};

struct Place {
  uint32_t key;   // of the token at the position
  Amount before;  // of all tokens with a higher key
  uint64_t mass;  // of each token with this key
};

// The key at a position of the order. `whole`: bins of all keys; `part`: room for more.
DEVICE Place find_place(const Order& order, const Bins& whole, const Bins& part, uint64_t position, bool by_mass) {
  Place place{order.top, {0, 0}, 0};
  int shift = order.shift;
  Found f = find_bin(whole, position, by_mass);
  while (true) {
    place.key -= uint32_t(f.bin) << shift;
    place.before = Amount{place.before.tokens + f.before.tokens, place.before.mass + f.before.mass};
    position -= by_mass ? f.before.mass : f.before.tokens;
    if (shift == 0) break;
    int bits = shift;  // keys of the bin: place.key and the 2^bits − 1 below it
    shift = shift > BIN_BITS ? shift - BIN_BITS : 0;
    part.clear();
    __syncthreads();
    for (int i = 4 * int(threadIdx.x); i < order.n; i += 4 * SAMPLE_THREADS) {
      Vec16 keys = load(reinterpret_cast<const Vec16*>(order.keys + i));
      UNROLL
      for (int j = 0; j < 4; j++) {
        uint32_t below = place.key - keys.w[j];  // of higher keys a number beyond all bins
        if (keys.w[j] && below >> bits == 0) part.add(below >> shift, uint64_t(load(order.masses + i + j)) + 1);
      }
    }
    __syncthreads();
    f = find_bin(part, position, by_mass);
  }
  place.mass = f.own.mass / f.own.tokens;
  return place;
}

// The id of the token that has `rank` others of its key before it. A warp counts a run of ids; the one that holds it looks again.
DEVICE int find_token(const Order& order, uint32_t key, uint32_t rank) {
  SHARED(int, chosen, 1);
  int per = (order.n / 4 + SAMPLE_THREADS / 32 - 1) / (SAMPLE_THREADS / 32) * 4;
  int from = warp_id() * per, to = from + per < order.n ? from + per : order.n;
  uint32_t equal = 0;
  for (int i = from + 4 * lane_id(); i < to; i += 128) {
    Vec16 keys = load(reinterpret_cast<const Vec16*>(order.keys + i));
    UNROLL
    for (int j = 0; j < 4; j++) equal += keys.w[j] == key;
  }
  Amount all, before = amount_before(Amount{equal, 0}, all);
  uint32_t in_warp;
  warp_scan(equal, in_warp);
  uint32_t first = __shfl_sync(ALL_LANES, before.tokens, 0);
  if (first <= rank && rank - first < in_warp) {
    uint32_t left = rank - first;
    for (int base = from; base < to; base += 32) {
      int i = base + lane_id();
      bool is = i < to && load(order.keys + i) == key;
      uint32_t equals = __ballot_sync(ALL_LANES, is), below = __popc(equals & ((1u << lane_id()) - 1u));
      if (is && below == left) chosen[0] = i;
      uint32_t here = __popc(equals);
      if (left < here) break;
      left -= here;
    }
  }
  __syncthreads();
  return chosen[0];
}

// What the first read of the logits finds.
struct Extremes {
  uint64_t best;    // key, then the lowest id
  uint32_t lowest;  // key
  bool broken;
};
DEVICE Extremes extremes(const Logits& logits, bool broken) {
  SHARED(Extremes, of_warp, SAMPLE_THREADS / 32);
  Extremes e{0, 0xffffffffu, broken};
  for (int i = 4 * int(threadIdx.x); i < logits.n; i += 4 * SAMPLE_THREADS) {
    float x[4];
    logits.four(i, x);
    UNROLL
    for (int j = 0; j < 4; j++) {
      if (i + j >= logits.n) continue;
      uint32_t key = order_key(x[j]);
      uint64_t mine = uint64_t(key) << 32 | (0xffffffffu - unsigned(i + j));
      e = Extremes{mine > e.best ? mine : e.best, key < e.lowest ? key : e.lowest, e.broken || !finite(x[j])};
    }
  }
  for (int round = 0; round < 2; round++) {  // of a warp, then of all warps
    UNROLL
    for (int bits = 16; bits; bits >>= 1) {
      uint64_t best = __shfl_xor_sync(ALL_LANES, e.best, bits);
      uint32_t lowest = __shfl_xor_sync(ALL_LANES, e.lowest, bits);
      e.best = best > e.best ? best : e.best;
      e.lowest = lowest < e.lowest ? lowest : e.lowest;
    }
    e.broken = __any_sync(ALL_LANES, e.broken);
    if (round == 1) break;
    if (lane_id() == 0) of_warp[warp_id()] = e;
    __syncthreads();
    e = of_warp[lane_id()];
  }
  return e;
}

// Each token's mass, once. Keys below that of max − 23·temperature have none: exp(−23) < 2^−33.
DEVICE Order weigh(const Logits& logits, const Extremes& e, float temperature, uint32_t* keys, uint32_t* masses,
                   const Bins& bins) {
  int likeliest = int(0xffffffffu - unsigned(e.best & 0xffffffffu));
  float four[4];
  logits.four(likeliest & ~3, four);
  float top = likeliest & 2 ? (likeliest & 1 ? four[3] : four[2]) : (likeliest & 1 ? four[1] : four[0]);
  uint32_t low = order_key(float(double(top) - 23.0 * double(temperature)));
  low = low > e.lowest ? low : e.lowest;
  Order order{keys, masses, (logits.n + 3) & ~3, uint32_t(e.best >> 32), 0};
  while ((order.top - low) >> order.shift >= uint32_t(BINS)) order.shift++;
  bins.clear();
  __syncthreads();
  for (int i = 4 * int(threadIdx.x); i < logits.n; i += 4 * SAMPLE_THREADS) {
    float x[4];
    Vec16 key, less_one;
    logits.four(i, x);
    UNROLL
    for (int j = 0; j < 4; j++) {
      key.w[j] = less_one.w[j] = 0;
      uint32_t own = order_key(x[j]);
      if (i + j >= logits.n || own < low) continue;
      uint64_t mass = uint64_t(exp((double(x[j]) - double(top)) / double(temperature)) * 4294967296.0);
      if (mass == 0) continue;
      key.w[j] = own;
      less_one.w[j] = uint32_t(mass - 1);
      bins.add((order.top - own) >> order.shift, mass);
    }
    store(reinterpret_cast<Vec16*>(keys + i), key);
    store(reinterpret_cast<Vec16*>(masses + i), less_one);
  }
  __syncthreads();
  return order;
}

// Which token a segment draws.
DEVICE int draw(const Order& order, const Bins& whole, const Bins& part, const int32_t* numbers) {
  int top_k = load(numbers + SEGMENT_TOP_K);
  float top_p = __uint_as_float(uint32_t(load(numbers + SEGMENT_TOP_P)));
  checked(top_k, 0x7fffffff, "top-k");
  checked(top_p > 0 && top_p <= 1 ? 0 : -1, 1, "top-p above 0 and at most 1");
  int bin = 2 * int(threadIdx.x);
  Amount all;
  amount_before(Amount{whole.count[bin] + whole.count[bin + 1], whole.mass(bin) + whole.mass(bin + 1)}, all);
  // Mass of the first top_k tokens: those above the last one's key, and of its equals as many as there is room for.
  uint64_t nucleus = all.mass;
  if (top_k > 0 && uint32_t(top_k) < all.tokens) {
    Place last = find_place(order, whole, part, uint64_t(top_k) - 1, false);
    nucleus = last.before.mass + (uint32_t(top_k) - last.before.tokens) * last.mass;
  }
  if (top_p < 1.f) {
    uint64_t need = uint64_t(ceil(double(top_p) * double(nucleus)));
    need = need < 1 ? 1 : need;
    Place edge = find_place(order, whole, part, need - 1, true);
    nucleus = edge.before.mass + ((need - 1 - edge.before.mass) / edge.mass + 1) * edge.mass;
  }
  uint64_t seed = uint64_t(uint32_t(load(numbers + SEGMENT_SEED))) | uint64_t(load(numbers + SEGMENT_SEED + 1)) << 32;
  Philox random = philox(seed, uint64_t(load(numbers + SEGMENT_STEP)), 0);
  uint64_t position = __umul64hi(nucleus, uint64_t(random.word[1]) << 32 | random.word[0]);
  Place drawn = find_place(order, whole, part, position, true);
  return find_token(order, drawn.key, uint32_t((position - drawn.before.mass) / drawn.mass));
}

KERNEL(SAMPLE_THREADS)
sample_kernel(int32_t* id, int32_t* seen, const float* row, uint32_t* scratch, int64_t seen_stride, int64_t row_stride,
              const int32_t* table, int64_t table_stride, const int32_t* non_finite, int n) {
  Smem smem;
  Bins whole{smem.take<uint32_t>(4 * BINS)}, part{smem.take<uint32_t>(4 * BINS)};
  const int32_t* numbers = table + blockIdx.x * table_stride;
  if (load(numbers + SEGMENT_ROWS) == 0) return;
  float penalty = __uint_as_float(uint32_t(load(numbers + SEGMENT_PENALTY)));
  checked(penalty == 0 || (penalty > 0 && seen) ? 0 : -1, 1, "a repetition penalty above 0, and seen with it");
  if (seen) seen += blockIdx.x * seen_stride;
  Logits logits{row + blockIdx.x * row_stride, penalty == 0 ? nullptr : seen, penalty, n};
  float temperature = __uint_as_float(uint32_t(load(numbers + SEGMENT_TEMPERATURE)));
  checked(temperature >= 0 ? 0 : -1, 1, "a temperature of 0 or above");
  Extremes e = extremes(logits, load(non_finite + blockIdx.x) != 0);
  int token = e.broken ? -1 : int(0xffffffffu - unsigned(e.best & 0xffffffffu));
  if (!e.broken && temperature > 0.f) {
    int padded = (n + 3) & ~3;
    uint32_t* keys = scratch + int64_t(blockIdx.x) * 2 * padded;
    Order order = weigh(logits, e, temperature, keys, keys + padded, whole);
    token = draw(order, whole, part, numbers);
  }
  if (threadIdx.x == 0) {  // behind a barrier after the last read of what is seen
    store(id + blockIdx.x, token);
    if (seen && token >= 0) store(seen + token / 32, int32_t(uint32_t(load(seen + token / 32)) | 1u << token % 32));
  }
}

extern "C" int starling_sample(const starling_sample_args* args, starling_stream* stream) {
  return gpu::guarded("sample", args, [&](const starling_sample_args& a) {
    int count = a.segments.rows, vocabulary = a.logits.width;
    gpu::require(vocabulary >= 1 && vocabulary <= 1 << 21, "the vocabulary must have 1 to 2097152 tokens");
    auto* ids = gpu::vector<int32_t>("ids", a.ids, count);
    auto* logits = gpu::matrix<float>("logits", a.logits, count, vocabulary);
    auto* seen = gpu::optional_matrix<int32_t>("seen", a.seen, count, (vocabulary + 31) / 32);
    auto* table = gpu::matrix<int32_t>("segments", a.segments, count, SEGMENT_WIDTH);
    auto* non_finite = gpu::vector<int32_t>("non_finite", a.non_finite, count);
    size_t padded = (size_t(vocabulary) + 3) / 4 * 4;
    auto* scratch = static_cast<uint32_t*>(gpu::scratch(stream, size_t(count) * 2 * padded * sizeof(uint32_t)));
    gpu::launch<sample_kernel>(dim3(count), dim3(SAMPLE_THREADS), 2 * smem_bytes<uint32_t>(4 * BINS), stream, ids, seen,
                               logits, scratch, a.seen.stride, a.logits.stride, table, a.segments.stride, non_finite,
                               vocabulary);
  });
}
