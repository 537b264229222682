// attention_decode: attention of a few rows over a long cache, split over the keys (split-K).
//
// Math      as attention.cu; probabilities stay f32. A block takes 256 keys of one head and one row and leaves their
//           largest score m, Σ 2^(s − m) and Σ 2^(s − m)·v; the block that comes last adds the parts in order of the keys.
// Shapes    q, out [T, H·d]; k, v [N, G·d]; segments i32 [S, 16] of at most 4 rows each; d = 32, 64, 80, 128. The number of
//           keys is read from device memory: the grid covers the most that a segment has, and blocks beyond a segment's own, or its
//           rows, leave an empty part, which changes no bit.
// Launch    grid (⌈most keys of a segment/256⌉, H, S · most rows of a segment), 128 threads. Sixteen bytes of a key per lane, so d = 128 in bf16 takes 16 lanes
//           and a warp reads two keys at once; d = 80 takes as many, and those beyond its end read nothing.
// Shared    256 scores and 128·(16 bytes / element) partial sums: 5 KB.
// Cost      k and v once per query head (grouped heads find them in L2): 636 keys of 32 heads of 128 in bf16 are 10.4 MB
//           a layer. Bound by memory.
// Limits    S·rows·H ≤ 65536 tickets. Needs sm_80.
#include "gpu/attention_decode.h"
#include "gpu/tile.h"

constexpr int DECODE_KEYS = 256;

template <class T, int D>
KERNEL(128)
attention_decode_kernel(T* out, float* lse, float* parts, unsigned* tickets, const T* q, const T* k, const T* v,
                        SegmentTable segments, const uint8_t* hidden, int64_t out_stride, int64_t lse_stride,
                        int64_t q_stride, int64_t k_stride, int64_t v_stride, int group, int causal, float scale_log2) {
  constexpr int USED = D / VEC<T>, LANES = D > 64 ? 128 / VEC<T> : USED;  // lanes of a key that read, and all of them
  constexpr int GROUPS = 128 / LANES;                                     // keys that the block reads at once
  SHARED(float, scores, DECODE_KEYS);
  SHARED(float, partial, (GROUPS * D));
  SHARED(float, warp_values, 8);
  int split = int(blockIdx.x), head = int(blockIdx.y), place = int(blockIdx.z), tid = int(threadIdx.x);
  Segment segment = segment_of(segments, place / segments.rows);
  int row = place % segments.rows;
  bool mine = row < segment.rows;
  int keys = !mine ? 0 : causal ? segment.length + row + 1 : segment.keys;
  row += segment.row;
  hidden = segment.hidden < 0 ? nullptr : hidden + segment.hidden;
  int first = split * DECODE_KEYS;
  int n = keys - first < 0 ? 0 : keys - first < DECODE_KEYS ? keys - first : DECODE_KEYS;
  int member = tid / LANES, c0 = tid % LANES * VEC<T>;
  bool reads = USED == LANES || tid % LANES < USED;
  k = keys_of(k, k_stride, segment, "keys") + int64_t(first) * k_stride + head / group * D + c0;
  v = keys_of(v, v_stride, segment, "values") + int64_t(first) * v_stride + head / group * D + c0;

  float query[VEC<T>] = {};
  if (mine && reads) unpack<T>(load(reinterpret_cast<const Vec16*>(q + row * q_stride + head * D + c0)), query);
  int rounds = (n + GROUPS - 1) / GROUPS;
  for (int i = 0; i < rounds; i++) {
    int key = i * GROUPS + member;
    float dot = 0.f, x[VEC<T>];
    if (key < n && reads) {
      count_flops(2 * VEC<T>);
      unpack<T>(load(reinterpret_cast<const Vec16*>(k + key * k_stride)), x);
      UNROLL
      for (int c = 0; c < VEC<T>; c++) dot = fmaf(query[c], x[c], dot);
    }
    UNROLL
    for (int bits = LANES / 2; bits; bits >>= 1) dot += __shfl_xor_sync(ALL_LANES, dot, bits);
    bool seen = key < n && !(hidden && load(hidden + first + key));
    if (tid % LANES == 0 && key < n) scores[key] = seen ? dot * scale_log2 : -INFINITY;
  }
  __syncthreads();

  float top = -INFINITY;
  for (int j = tid; j < n; j += 128) top = fmaxf(top, scores[j]);
  top = warp_max(top);
  if (lane_id() == 0) warp_values[warp_id()] = top;
  __syncthreads();
  top = fmaxf(fmaxf(warp_values[0], warp_values[1]), fmaxf(warp_values[2], warp_values[3]));
  float base = top == -INFINITY ? 0.f : top, sum = 0.f;
  for (int j = tid; j < n; j += 128) {
    float p = exp2_fast(scores[j] - base);
    scores[j] = p;
    sum += p;
  }
  sum = warp_sum(sum);
  if (lane_id() == 0) warp_values[4 + warp_id()] = sum;
  __syncthreads();
  sum = warp_values[4] + warp_values[5] + warp_values[6] + warp_values[7];

  float acc[VEC<T>] = {};
  for (int key = member; key < n && reads; key += GROUPS) {
    count_flops(2 * VEC<T>);
    float x[VEC<T>];
    unpack<T>(load(reinterpret_cast<const Vec16*>(v + key * v_stride)), x);
    UNROLL
    for (int c = 0; c < VEC<T>; c++) acc[c] = fmaf(scores[key], x[c], acc[c]);
  }
  UNROLL
  for (int c = 0; c < VEC<T>; c++) {
    if (reads) partial[member * D + c0 + c] = acc[c];
  }
  __syncthreads();
  int splits = int(gridDim.x), heads = int(gridDim.y);
  float* part = parts + (int64_t(place * heads + head) * splits + split) * (D + 2);
  if (tid < D) {
    float o = 0.f;
    for (int m = 0; m < GROUPS; m++) o += partial[m * D + tid];
    store(part + 2 + tid, o);
  }
  if (tid == 0) {
    store(part, top);
    store(part + 1, sum);
  }

  if (!last_block(tickets + place * heads + head, unsigned(splits))) return;
  part -= int64_t(split) * (D + 2);
  float all_top = -INFINITY, all_sum = 0.f, o = 0.f;
  for (int i = 0; i < splits; i++) all_top = fmaxf(all_top, load_coherent(part + i * (D + 2)));
  float all_base = all_top == -INFINITY ? 0.f : all_top;
  for (int i = 0; i < splits; i++) {
    float share = exp2_fast(load_coherent(part + i * (D + 2)) - all_base);
    float split_sum = load_coherent(part + i * (D + 2) + 1);
    if (split_sum == 0.f) continue;
    all_sum = fmaf(share, split_sum, all_sum);
    if (tid < D) o = fmaf(share, load_coherent(part + i * (D + 2) + 2 + tid), o);
  }
  bool blind = all_top == -INFINITY && all_sum == 0.f;
  if (!mine) return;
  if (tid < D) store(out + row * out_stride + head * D + tid, from_float<T>(blind ? 0.f : o / all_sum));
  if (lse && tid == 0) store(lse + head * lse_stride + row, blind ? INFINITY : all_top + log2f(all_sum));
}

template <class T, int D>
void attention_decode(T* out, float* lse, const T* q, const T* k, const T* v, const SegmentTable& segments,
                      const uint8_t* hidden, int64_t out_stride, int64_t lse_stride, int64_t q_stride, int64_t k_stride,
                      int64_t v_stride, int heads, int group, int causal, float scale_log2, starling_stream* stream) {
  size_t places = size_t(segments.count) * segments.rows;
  gpu::require(places * heads <= gpu::STREAM_TICKETS, "attention: too many heads and segments for one launch");
  unsigned splits = gpu::ceil_div(segments.keys, DECODE_KEYS);
  auto* parts = static_cast<float*>(gpu::scratch(stream, places * heads * splits * (D + 2) * sizeof(float)));
  gpu::launch<attention_decode_kernel<T, D>>(dim3(splits, heads, unsigned(places)), dim3(128), 0, stream, out, lse, parts,
                                             stream->tickets, q, k, v, segments, hidden, out_stride, lse_stride, q_stride,
                                             k_stride, v_stride, group, causal, scale_log2);
}

#define DECODE(T, D)                                                                                                  \
  template void attention_decode<T, D>(T*, float*, const T*, const T*, const T*, const SegmentTable&, const uint8_t*, \
                                       int64_t, int64_t, int64_t, int64_t, int64_t, int, int, int, float,             \
                                       starling_stream*);
DECODE(float, 32)
DECODE(float, 64)
DECODE(float, 80)
DECODE(float, 128)
DECODE(bf16, 32)
DECODE(bf16, 64)
DECODE(bf16, 80)
DECODE(bf16, 128)
DECODE(f16, 32)
DECODE(f16, 64)
DECODE(f16, 80)
DECODE(f16, 128)
