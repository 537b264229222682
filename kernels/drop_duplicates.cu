// drop_duplicates: the best scores, and of the other candidates those that are least alike (VisPruner, arXiv 2412.01818).
//
// Math      Candidates in falling order of score (ties by rising index, what is not finite last). The first `best` stay. The
//           rest is a list; while it is longer than k − best: split it into even and odd places, take each even one's
//           largest cosine to an odd one, drop the (at most 8) even ones where it is largest; the list becomes the other
//           even ones by falling cosine (ties by place), then the odd ones. A cosine that is not finite counts for nothing.
// Shapes    score f32 [n], cosines f32 [n, n], keep i32 [k] ascending.
// Launch    one block of 1024 threads for the order and all rounds: ranks are counted, not sorted.
// Shared    48 KB: two lists and the keys of the even places.
// Cost      a round compares R²/4 cosines and R²/4 ranks, (n − k)/8 rounds: about 5 million reads for 576 candidates, by
//           one SM. Bound by latency there; at 2880 candidates rounds should become launches.
// Limits    n ≤ 4096.
#include "gpu/args.h"
#include "gpu/select.h"

constexpr int ROUND_THREADS = 1024, DROPPED_PER_ROUND = 8;

// Sorts by what must come first: a larger key, then a lower place.
DEVICE uint64_t first_key(float x, int place) { return uint64_t(order_key(x)) << 32 | (0xffffffffu - unsigned(place)); }

KERNEL(ROUND_THREADS)
drop_duplicates_kernel(int32_t* keep, const float* score, const float* cosines, int64_t stride, int n, int k, int best) {
  Smem smem;
  int* list = smem.take<int>(MAX_COMPARED);
  int* other = smem.take<int>(MAX_COMPARED);
  uint64_t* keys = smem.take<uint64_t>(MAX_COMPARED / 2);
  int tid = int(threadIdx.x);
  // Falling order of score: a candidate's place is the number of those before it.
  for (int i = tid; i < n; i += ROUND_THREADS) {
    uint64_t own = first_key(load(score + i), i);
    int place = 0;
    for (int j = 0; j < n; j++) place += first_key(load(score + j), j) > own;
    list[place] = i;
  }
  __syncthreads();
  int diverse = k - best, length = n - best;
  int* rest = list + best;  // the first `best` of `list` stay where they are
  int* next = other;
  while (diverse > 0 && length > diverse) {
    int evens = (length + 1) / 2, drop = length - diverse;
    drop = drop < DROPPED_PER_ROUND ? drop : DROPPED_PER_ROUND;
    drop = drop < evens ? drop : evens;
    for (int a = tid; a < evens; a += ROUND_THREADS) {
      const float* row = cosines + rest[2 * a] * stride;
      float nearest = -INFINITY;
      for (int b = 1; b < length; b += 2) {
        float cosine = load(row + rest[b]);
        if (finite(cosine)) nearest = fmaxf(nearest, cosine);
      }
      keys[a] = first_key(nearest, a);
    }
    __syncthreads();
    for (int a = tid; a < evens; a += ROUND_THREADS) {
      int place = 0;
      for (int b = 0; b < evens; b++) place += keys[b] > keys[a];
      if (place >= drop) next[place - drop] = rest[2 * a];
    }
    for (int b = 2 * tid + 1; b < length; b += 2 * ROUND_THREADS) next[evens - drop + b / 2] = rest[b];
    __syncthreads();
    length -= drop;
    int* swap = rest;
    rest = next;
    next = swap;
  }
  // Ascending: again by counting.
  for (int i = tid; i < k; i += ROUND_THREADS) {
    int own = i < best ? list[i] : rest[i - best], place = 0;
    for (int j = 0; j < k; j++) place += (j < best ? list[j] : rest[j - best]) < own;
    store(keep + place, own);
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
    size_t shared = 2 * smem_bytes<int>(MAX_COMPARED) + smem_bytes<uint64_t>(MAX_COMPARED / 2);
    gpu::launch<drop_duplicates_kernel>(dim3(1), dim3(ROUND_THREADS), shared, stream, keep, score, cosines, a.cosines.stride,
                                        n, k, a.best);
  });
}
