// drop_duplicates: the best scores, and of the other candidates those that are least alike (VisPruner, arXiv 2412.01818).
//
// Math      Candidates in falling order of score (ties by rising index, what is not finite last). The first `best` stay. The
//           rest is a list; while it is longer than k − best: split it into even and odd places, take each even one's
//           largest cosine to an odd one, drop the (at most 8) even ones where it is largest; the list becomes the other
//           even ones by falling cosine (ties by place), then the odd ones. A cosine that is not finite counts for nothing.
// Shapes    score f32 [n], cosines f32 [n, n], keep i32 [k] ascending.
// Launch    ⌈n/32⌉ blocks of 1024 threads: a warp makes a candidate's list of its 32 nearest, in order. The last block (ticket,
//           release and acquire) does all rounds. The first of an even one's list that is odd now has its largest cosine. If
//           none is, the list is made anew of those still in the rounds. A round sorts the even ones (bitonic).
// Shared    52 KB: two lists, the keys that are sorted, and what each candidate is in the round.
// Cost      every cosine is read once, in rows, then per round 256 bytes for each of R/2 even ones, and a row for each list
//           that is made anew; (n − k)/8 rounds. 2880 candidates, k = 640, best = 320: 3 million sectors of 32 bytes, where
//           gathering each pair of each round took 175 million. Bound by latency.
// Limits    n ≤ 4096. 256·n bytes of scratch memory.
#include "gpu/args.h"
#include "gpu/select.h"

constexpr int ROUND_THREADS = 1024, ROUND_WARPS = ROUND_THREADS / 32, DROPPED_PER_ROUND = 8, NEAREST = 32;

enum { OUT = 0, EVEN = 1, ODD = 2 };  // what a candidate is in a round

// Sorts by what must come first: a larger key, then a lower place. Never 0.
DEVICE uint64_t first_key(uint32_t key, int place) { return uint64_t(key) << 32 | (0xffffffffu - unsigned(place)); }
DEVICE int place_of(uint64_t key) { return int(0xffffffffu - uint32_t(key)); }

// The 32 largest of a warp's list, in falling order, lane by lane, and of a key from each lane; 0 is none.
DEVICE uint64_t merged(uint64_t list, uint64_t key) {
  uint32_t pending = __ballot_sync(ALL_LANES, key > __shfl_sync(ALL_LANES, list, 31));
  while (pending) {
    int from = 31 - __clz(pending);
    uint64_t next = __shfl_sync(ALL_LANES, key, from), above = __shfl_up_sync(ALL_LANES, list, 1);
    if (next > list) list = lane_id() == 0 || above > next ? next : above;
    pending = __ballot_sync(ALL_LANES, key > __shfl_sync(ALL_LANES, list, 31)) & ((1u << from) - 1u);
  }
  return list;
}

// The 32 nearest to a candidate among those that are at least `state`, by a warp: lane i gets the i-th.
DEVICE uint64_t nearest_of(const float* cosines, int candidate, int n, const uint8_t* states, int state) {
  uint64_t list = 0;
  for (int first = lane_id(); first < n + lane_id(); first += 128) {
    float cosine[4];
    UNROLL
    for (int i = 0; i < 4; i++) cosine[i] = first + 32 * i < n ? load(cosines + first + 32 * i) : 0.f;
    UNROLL
    for (int i = 0; i < 4; i++) {
      int j = first + 32 * i;
      bool counts = j < n && j != candidate && states[j] >= state;
      list = merged(list, counts ? first_key(order_key(cosine[i]), j) : 0);
    }
  }
  return list;
}

// Largest first; n is a power of two. By all threads of a block.
DEVICE void sort_block(uint64_t* keys, int n) {
  for (int size = 2; size <= n; size *= 2) {
    for (int step = size / 2; step > 0; step /= 2) {
      for (int i = int(threadIdx.x); i < n / 2; i += ROUND_THREADS) {
        int low = 2 * i - (i & (step - 1));
        uint64_t a = keys[low], b = keys[low + step];
        if ((a < b) == ((low & size) == 0)) {
          keys[low] = b;
          keys[low + step] = a;
        }
      }
      __syncthreads();
    }
  }
}
DEVICE int power_of_two(int n) {
  int size = 1;
  while (size < n) size *= 2;
  return size;
}

// Of an even candidate the key of its largest cosine to an odd one, 0 if it has none, by a warp. `entry`: its list.
DEVICE uint32_t nearest_odd(uint64_t entry, uint64_t* list, const float* cosines, int candidate, int n,
                            const uint8_t* states) {
  auto odd = [&] { return __ballot_sync(ALL_LANES, entry && states[place_of(entry)] == ODD); };
  uint32_t odds = odd();
  if (odds == 0 && __shfl_sync(ALL_LANES, entry, 31)) {  // there are others, which are not in the list
    entry = nearest_of(cosines, candidate, n, states, EVEN);
    store(list + lane_id(), entry);
    odds = odd();
    if (odds == 0) {
      entry = nearest_of(cosines, candidate, n, states, ODD);
      odds = odd();
    }
  }
  uint64_t first = __shfl_sync(ALL_LANES, entry, odds ? 31 - __clz(odds & (0u - odds)) : 0);
  return odds ? uint32_t(first >> 32) : 0;
}

KERNEL(ROUND_THREADS)
drop_duplicates_kernel(int32_t* keep, uint64_t* lists, unsigned* ticket, const float* score, const float* cosines,
                       int64_t stride, int n, int k, int best) {
  Smem smem;
  uint16_t* list = smem.take<uint16_t>(MAX_COMPARED);
  uint16_t* other = smem.take<uint16_t>(MAX_COMPARED);
  uint64_t* keys = smem.take<uint64_t>(MAX_COMPARED);
  uint8_t* states = smem.take<uint8_t>(MAX_COMPARED);
  int tid = int(threadIdx.x);
  if (best < k && k < n) {
    for (int i = tid; i < n; i += ROUND_THREADS) states[i] = EVEN;
    __syncthreads();
    int own = int(blockIdx.x) * ROUND_WARPS + warp_id();
    if (own < n) {
      uint64_t nearest = nearest_of(cosines + own * stride, own, n, states, EVEN);
      store(lists + own * NEAREST + lane_id(), nearest);
    }
  }
  if (!last_block(ticket, gridDim.x)) return;

  // Falling order of score.
  int size = power_of_two(n);
  for (int i = tid; i < size; i += ROUND_THREADS) keys[i] = i < n ? first_key(order_key(load(score + i)), i) : 0;
  __syncthreads();
  sort_block(keys, size);
  for (int i = tid; i < n; i += ROUND_THREADS) {
    list[i] = uint16_t(place_of(keys[i]));
    states[i] = OUT;
  }
  __syncthreads();
  int diverse = k - best, length = n - best;
  uint16_t* rest = list + best;  // the first `best` of `list` stay where they are
  uint16_t* next = other;
  while (diverse > 0 && length > diverse) {
    int evens = (length + 1) / 2, drop = length - diverse;
    drop = drop < DROPPED_PER_ROUND ? drop : DROPPED_PER_ROUND;
    drop = drop < evens ? drop : evens;
    for (int i = tid; i < length; i += ROUND_THREADS) states[rest[i]] = i % 2 ? ODD : EVEN;
    __syncthreads();  // before what each is in this round is read
    for (int a0 = 4 * warp_id(); a0 < evens; a0 += 4 * ROUND_WARPS) {
      uint64_t entry[4];
      UNROLL
      for (int i = 0; i < 4; i++) {
        entry[i] = a0 + i < evens ? load_coherent(lists + rest[2 * (a0 + i)] * NEAREST + lane_id()) : 0;
      }
      UNROLL
      for (int i = 0; i < 4; i++) {
        int a = a0 + i, candidate = a < evens ? rest[2 * a] : 0;
        uint32_t key =
            nearest_odd(entry[i], lists + candidate * NEAREST, cosines + candidate * stride, candidate, n, states);
        if (a < evens && lane_id() == 0) keys[a] = first_key(key, a);
      }
    }
    size = power_of_two(evens);
    for (int a = evens + tid; a < size; a += ROUND_THREADS) keys[a] = 0;
    __syncthreads();  // before the keys are sorted
    sort_block(keys, size);
    for (int a = tid; a < evens; a += ROUND_THREADS) {
      uint16_t candidate = rest[2 * place_of(keys[a])];
      if (a < drop) states[candidate] = OUT;
      else next[a - drop] = candidate;
    }
    for (int b = 2 * tid + 1; b < length; b += 2 * ROUND_THREADS) next[evens - drop + b / 2] = rest[b];
    __syncthreads();
    length -= drop;
    uint16_t* swap = rest;
    rest = next;
    next = swap;
  }

  // Ascending.
  for (int i = tid; i < n; i += ROUND_THREADS) states[i] = 0;
  __syncthreads();
  for (int i = tid; i < k; i += ROUND_THREADS) states[i < best ? list[i] : rest[i - best]] = 1;
  __syncthreads();
  int per = (n + ROUND_THREADS - 1) / ROUND_THREADS, from = tid * per, to = from + per < n ? from + per : n;
  uint32_t count = 0;
  for (int i = from; i < to; i++) count += states[i];
  uint32_t place = block_scan<ROUND_THREADS>(count);
  for (int i = from; i < to; i++) {
    if (states[i]) store(keep + place++, i);
  }
}

extern "C" int starling_drop_duplicates(const starling_drop_duplicates_args* args, starling_stream* stream) {
  return gpu::guarded("drop_duplicates", args, [&](const starling_drop_duplicates_args& a) {
    int n = a.score.rows, k = a.keep.rows;
    gpu::require(n >= 1 && n <= MAX_COMPARED, "n must be 1 to 4096");
    gpu::require(a.best >= 0 && a.best <= k && k >= 1 && k <= n, "best ≤ k ≤ n");
    auto* keep = gpu::vector<int32_t>("keep", a.keep, k);
    auto* score = gpu::vector<float>("score", a.score, n);
    auto* cosines = gpu::matrix<float>("cosines", a.cosines, n, n);
    auto* lists = static_cast<uint64_t*>(gpu::scratch(stream, size_t(n) * NEAREST * sizeof(uint64_t)));
    size_t shared = 2 * smem_bytes<uint16_t>(MAX_COMPARED) + smem_bytes<uint64_t>(MAX_COMPARED) + MAX_COMPARED;
    unsigned blocks = a.best < k && k < n ? gpu::ceil_div(n, ROUND_WARPS) : 1;
    gpu::launch<drop_duplicates_kernel>(dim3(blocks), dim3(ROUND_THREADS), shared, stream, keep, lists, stream->tickets,
                                        score, cosines, a.cosines.stride, n, k, a.best);
  });
}
