// vispruner_dedup: VisPruner's choice (arXiv 2412.01818): important tokens by score, and of the rest no near-duplicates.
//
// Math      Tokens in falling order of score (ties by rising index, what is not finite last). The first `important` stay.
//           The rest is a list; while it is longer than k − important: split it into even and odd places, take each even
//           token's largest cosine to an odd one, drop the (at most 8) even tokens where it is largest; the list becomes
//           the other even tokens by falling cosine (ties by place), then the odd ones. Cosines G_ij / √(G_ii·G_jj) come
//           from one Gram matrix G = F·Fᵀ in f32, and are rounded from double.
// Shapes    score f32 [n], features [n, D], keep i32 [k] ascending.
// Launch    gemm.cu for G (n² floats of scratch), a copy of its diagonal, n blocks that turn G into cosines, and one block
//           of 1024 threads for the order and all rounds: ranks are counted, not sorted.
// Shared    48 KB: two lists and the keys of the even tokens.
// Cost      2·n²·D FLOPs for G (576 × 1024: 0.68 GFLOP); a round compares R²/4 cosines and R²/4 ranks, (n − k)/8 rounds:
//           about 5 million reads for 576 tokens, by one SM. Bound by latency there; at 2880 tokens rounds should become
//           launches.
// Limits    n ≤ 4096.
#include "gpu/args.h"
#include "gpu/select.h"
#include "gpu/tile.h"

constexpr int DEDUP_THREADS = 1024, DROPPED_PER_ROUND = 8;

KERNEL(256)
diagonal_kernel(float* diagonal, const float* gram, int n) {
  int i = int(blockIdx.x) * 256 + int(threadIdx.x);
  if (i < n) store(diagonal + i, load(gram + int64_t(i) * n + i));
}

KERNEL(256)
cosine_kernel(float* gram, const float* diagonal, int32_t* fault, int n) {
  float* row = gram + int64_t(blockIdx.x) * n;
  double own = load(diagonal + blockIdx.x);
  for (int j = int(threadIdx.x); j < n; j += 256) {
    float cosine = float(double(load(row + j)) / sqrt(own * double(load(diagonal + j))));
    store(row + j, cosine);
    if (!finite(cosine)) atomic_or(fault, 1);
  }
}

// Sorts by what must come first: a larger key, then a lower place.
DEVICE uint64_t first_key(float x, int place) { return uint64_t(order_key(x)) << 32 | (0xffffffffu - unsigned(place)); }

KERNEL(DEDUP_THREADS)
dedup_rounds_kernel(int32_t* keep, const float* score, const float* cosines, int n, int k, int important) {
  Smem smem;
  int* list = smem.take<int>(MAX_SELECT);
  int* other = smem.take<int>(MAX_SELECT);
  uint64_t* keys = smem.take<uint64_t>(MAX_SELECT / 2);
  int tid = int(threadIdx.x);
  // Falling order of score: a token's place is the number of tokens before it.
  for (int i = tid; i < n; i += DEDUP_THREADS) {
    uint64_t own = first_key(load(score + i), i);
    int place = 0;
    for (int j = 0; j < n; j++) place += first_key(load(score + j), j) > own;
    list[place] = i;
  }
  __syncthreads();
  int diverse = k - important, length = n - important;
  int* rest = list + important;  // the first `important` of `list` stay where they are
  int* next = other;
  while (diverse > 0 && length > diverse) {
    int evens = (length + 1) / 2, drop = length - diverse;
    drop = drop < DROPPED_PER_ROUND ? drop : DROPPED_PER_ROUND;
    drop = drop < evens ? drop : evens;
    for (int a = tid; a < evens; a += DEDUP_THREADS) {
      const float* row = cosines + int64_t(rest[2 * a]) * n;
      float nearest = -INFINITY;
      for (int b = 1; b < length; b += 2) nearest = fmaxf(nearest, load(row + rest[b]));
      keys[a] = first_key(nearest, a);
    }
    __syncthreads();
    for (int a = tid; a < evens; a += DEDUP_THREADS) {
      int place = 0;
      for (int b = 0; b < evens; b++) place += keys[b] > keys[a];
      if (place >= drop) next[place - drop] = rest[2 * a];
    }
    for (int b = 2 * tid + 1; b < length; b += 2 * DEDUP_THREADS) next[evens - drop + b / 2] = rest[b];
    __syncthreads();
    length -= drop;
    int* swap = rest;
    rest = next;
    next = swap;
  }
  // Ascending: again by counting.
  for (int i = tid; i < k; i += DEDUP_THREADS) {
    int own = i < important ? list[i] : rest[i - important], place = 0;
    for (int j = 0; j < k; j++) place += (j < important ? list[j] : rest[j - important]) < own;
    store(keep + place, own);
  }
}

extern "C" int starling_vispruner_dedup(const starling_vispruner_dedup_args* args, starling_stream* stream) {
  return gpu::guarded("vispruner_dedup", args, [&](const starling_vispruner_dedup_args& a) {
    int n = a.score.rows, k = a.keep.rows, important = a.important;
    gpu::require(n >= 1 && n <= MAX_SELECT, "n must be 1 to 4096");
    gpu::require(important >= 0 && important <= k && k >= 1 && k <= n, "important ≤ k ≤ n");
    auto* keep = gpu::vector<int32_t>("keep", a.keep, k);
    auto* fault = gpu::vector<int32_t>("fault", a.fault, 1);
    auto* score = gpu::vector<float>("score", a.score, n);
    gpu::require_shape("features", a.features, n, a.features.width);
    auto* gram = static_cast<float*>(gpu::scratch(stream, (size_t(n) * n + n) * sizeof(float)));
    float* diagonal = gram + size_t(n) * n;
    if (k > important && n > k) {
      starling_gemm_args product{};
      product.size = sizeof product;
      product.y = gpu::tensor(gram, n, n, n);
      product.x = a.features;
      product.w.data = a.features.data;
      product.w.stride = a.features.stride;
      product.w.rows = n;
      int status = starling_gemm(&product, stream);
      if (status) throw gpu::Error(status, starling_error());
      gpu::launch<diagonal_kernel>(dim3(gpu::ceil_div(n, 256)), dim3(256), 0, stream, diagonal, gram, n);
      gpu::launch<cosine_kernel>(dim3(n), dim3(256), 0, stream, gram, diagonal, fault, n);
    }
    size_t shared = 2 * smem_bytes<int>(MAX_SELECT) + smem_bytes<uint64_t>(MAX_SELECT / 2);
    gpu::launch<dedup_rounds_kernel>(dim3(1), dim3(DEDUP_THREADS), shared, stream, keep, score, gram, n, k, important);
  });
}
