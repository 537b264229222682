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
// Launch    S blocks of 1024 threads. A position in the order is found without sorting: four passes over the logits, each
//           a histogram of the masses (or counts) by eight bits of the key.
// Shared    2 KB of weights and the scans.
// Cost      greedy reads V once; a draw reads it about 15 times from L2: 32,000 logits are 128 KB. Bound by latency.
// Limits    V·2^32 < 2^53, that is V ≤ 2,097,152. Tokens less likely than 2^−32 of the likeliest are never drawn.
#include "gpu/args.h"
#include "gpu/philox.h"
#include "gpu/segments.h"
#include "gpu/select.h"

constexpr int SAMPLE_THREADS = 1024;

// Logits of a segment, with the penalty on those that were there before.
struct Logits {
  const float* row;
  const int32_t* seen;  // NULL: no penalty
  float penalty;
  DEVICE float operator[](int i) const {
    float logit = load(row + i);
    if (!seen || !(uint32_t(load(seen + i / 32)) >> i % 32 & 1u)) return logit;
    return logit < 0.f ? logit * penalty : logit / penalty;
  }
};

struct Place {
  uint32_t key;    // of the token at the position
  uint64_t above;  // weight of all tokens with a higher key
};

// The key at a position of the order, with weight(logit) per token.
template <class Weight>
DEVICE Place find_place(const Logits& logits, int n, uint64_t target, Weight weight) {
  SHARED(unsigned long long, histogram, 256);
  Place place{0, 0};
  uint32_t mask = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (int i = int(threadIdx.x); i < 256; i += SAMPLE_THREADS) histogram[i] = 0;
    __syncthreads();
    for (int i = int(threadIdx.x); i < n; i += SAMPLE_THREADS) {
      float logit = logits[i];
      uint32_t key = order_key(logit);
      if ((key & mask) == place.key) atomic_add(&histogram[key >> shift & 255], (unsigned long long)weight(logit));
    }
    __syncthreads();
    Digit<unsigned long long> d = find_digit<unsigned long long>(histogram, target - place.above);
    place.key |= d.digit << shift;
    place.above += d.above;
    mask |= 255u << shift;
  }
  return place;
}

KERNEL(SAMPLE_THREADS)
sample_kernel(int32_t* id, int32_t* seen, const float* row, int64_t seen_stride, int64_t row_stride, const int32_t* table,
              int64_t table_stride, const int32_t* non_finite, int n) {
  SHARED(unsigned long long, best_of_warp, SAMPLE_THREADS / 32);
  SHARED(int, broken, 1);
  const int32_t* numbers = table + blockIdx.x * table_stride;
  if (load(numbers + SEGMENT_ROWS) == 0) return;
  id += blockIdx.x;
  non_finite += blockIdx.x;
  float penalty = __uint_as_float(uint32_t(load(numbers + SEGMENT_PENALTY)));
  checked(penalty == 0 || (penalty > 0 && seen) ? 0 : -1, 1, "a repetition penalty above 0, and seen with it");
  if (seen) seen += blockIdx.x * seen_stride;
  Logits logits{row + blockIdx.x * row_stride, penalty == 0 ? nullptr : seen, penalty};
  // By one thread, when no other reads what is seen any more.
  auto draw = [&](int token) {
    store(id, token);
    if (seen && token >= 0) store(seen + token / 32, int32_t(uint32_t(load(seen + token / 32)) | 1u << token % 32));
  };
  float temperature = __uint_as_float(uint32_t(load(numbers + SEGMENT_TEMPERATURE)));
  if (threadIdx.x == 0) broken[0] = load(non_finite) != 0;
  __syncthreads();
  unsigned long long best = 0;  // key, then the lowest id
  bool good = true;
  for (int i = int(threadIdx.x); i < n; i += SAMPLE_THREADS) {
    float logit = logits[i];
    good &= finite(logit);
    unsigned long long mine = (unsigned long long)order_key(logit) << 32 | (0xffffffffu - unsigned(i));
    best = mine > best ? mine : best;
  }
  if (!good) atomic_or(&broken[0], 1);
  UNROLL
  for (int bits = 16; bits; bits >>= 1) {
    unsigned long long other = __shfl_xor_sync(ALL_LANES, best, bits);
    best = other > best ? other : best;
  }
  if (lane_id() == 0) best_of_warp[warp_id()] = best;
  __syncthreads();
  for (int w = 0; w < SAMPLE_THREADS / 32; w++) best = best_of_warp[w] > best ? best_of_warp[w] : best;
  int likeliest = int(0xffffffffu - unsigned(best & 0xffffffffu));
  bool failed = broken[0] != 0;
  if (failed || temperature == 0.f) {
    if (threadIdx.x == 0) draw(failed ? -1 : likeliest);
    return;
  }

  int top_k = load(numbers + SEGMENT_TOP_K);
  float top_p = __uint_as_float(uint32_t(load(numbers + SEGMENT_TOP_P)));
  checked(top_k, 0x7fffffff, "top-k");
  checked(temperature > 0 && top_p > 0 && top_p <= 1 ? 0 : -1, 1, "temperature above 0 and top-p of 0 to 1");
  float top = logits[likeliest];
  auto mass = [&](float logit) { return uint64_t(exp((double(logit) - double(top)) / double(temperature)) * 4294967296.0); };
  auto logit_of = [](uint32_t key) { return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key); };
  // Mass of the first top_k tokens: those above the last one's key, and of its equals as many as there is room for.
  uint64_t counted = uint64_t(top_k > 0 && top_k < n ? top_k : n);
  Place last = find_place(logits, n, counted - 1, [](float) { return uint64_t(1); });
  SHARED(unsigned long long, total, 1);
  if (threadIdx.x == 0) total[0] = (counted - last.above) * mass(logit_of(last.key));
  __syncthreads();
  for (int i = int(threadIdx.x); i < n; i += SAMPLE_THREADS) {
    float logit = logits[i];
    if (order_key(logit) > last.key) atomic_add(&total[0], (unsigned long long)mass(logit));
  }
  __syncthreads();
  uint64_t need = uint64_t(ceil(double(top_p) * double(total[0])));
  need = need < 1 ? 1 : need;
  Place edge = find_place(logits, n, need - 1, mass);
  uint64_t each = mass(logit_of(edge.key));
  uint64_t nucleus = edge.above + ((need - 1 - edge.above) / each + 1) * each;

  uint64_t seed = uint64_t(uint32_t(load(numbers + SEGMENT_SEED))) | uint64_t(load(numbers + SEGMENT_SEED + 1)) << 32;
  Philox random = philox(seed, uint64_t(load(numbers + SEGMENT_STEP)), 0);
  uint64_t target = __umul64hi(nucleus, uint64_t(random.word[1]) << 32 | random.word[0]);
  Place drawn = find_place(logits, n, target, mass);
  uint32_t rank = uint32_t((target - drawn.above) / mass(logit_of(drawn.key)));  // among the tokens with this logit
  int per = (n + SAMPLE_THREADS - 1) / SAMPLE_THREADS;
  int from = int(threadIdx.x) * per, to = from + per < n ? from + per : n;
  uint32_t equal = 0;
  SHARED(int, chosen, 1);
  // 1024 threads leave 64 registers to each, which these loops would exceed on sm_120.
  NO_UNROLL
  for (int i = from; i < to; i++) equal += order_key(logits[i]) == drawn.key;
  uint32_t before = block_scan<SAMPLE_THREADS>(equal);
  NO_UNROLL
  for (int i = from; i < to; i++) {
    if (order_key(logits[i]) != drawn.key) continue;
    if (before == rank) chosen[0] = i;
    before++;
  }
  __syncthreads();  // all have read what is seen
  if (threadIdx.x == 0) draw(chosen[0]);
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
    gpu::launch<sample_kernel>(dim3(count), dim3(SAMPLE_THREADS), 0, stream, ids, seen, logits, a.seen.stride,
                               a.logits.stride, table, a.segments.stride, non_finite, vocabulary);
  });
}
