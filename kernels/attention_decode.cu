// attention_decode: attention of a few rows over a long cache, split over the keys (split-K).
//
// Math      as attention.cu; probabilities stay f32. A block takes 64 keys of one head and one row and leaves their largest
//           score m, Σ 2^(s − m) and Σ 2^(s − m)·v; the block that comes last adds the parts, in an order that depends on the
//           number of keys alone: 128 threads the sums, groups of d/4 lanes every 512/d-th part of the values, then the
//           groups in order.
// Shapes    q, out [T, H·d]; k, v [N, G·d]; segments i32 [S, 16] of at most 4 rows each; d = 32, 64, 80, 128. The number of
//           keys is read from device memory: the grid covers the most that a segment has, and blocks beyond a segment's
//           own, or its rows, end at once.
// Launch    grid (⌈most keys of a segment/64⌉, H, S · most rows of a segment), 128 threads. Sixteen bytes of a key per lane,
//           so d = 128 in bf16 takes 16 lanes and a warp reads two keys at once; d = 80 takes as many, and those beyond its
//           end read nothing. All keys of a thread (8 vectors at d = 128 in bf16, 16 in f32) are on their way
//           before the first is multiplied, and its values before the scores are there. Of the last block a thread has 8
//           parts on their way.
// Shared    64 scores, 128·(16 bytes / element) partial sums, 128 shares: up to 5 KB.
// Cost      k and v once per query head (grouped heads find them in L2): 636 keys of 32 heads of 128 in bf16 are 10.4 MB
//           a layer, and 1.3 MB of parts. Bound by memory.
// Limits    S·rows·H ≤ 65536 tickets. Needs sm_80.
#include "gpu/attention_decode.h"
#include "gpu/attention_split.h"

template <class T, int D>
KERNEL(128)
attention_decode_kernel(SplitInputs<T> a) {
  attend_split<T, D, false>(a, Turning<T>{}, nullptr, nullptr, int(blockIdx.x), int(blockIdx.y), int(blockIdx.z));
}

template <class T, int D>
void attention_decode(T* out, float* lse, const T* q, const T* k, const T* v, const SegmentTable& segments,
                      const uint8_t* hidden, int64_t out_stride, int64_t lse_stride, int64_t q_stride, int64_t k_stride,
                      int64_t v_stride, int heads, int group, int causal, float scale_log2, starling_stream* stream) {
  static_assert(SPLIT_ROWS == DECODE_ROWS);
  size_t places = size_t(segments.count) * segments.rows;
  gpu::require(places * heads <= gpu::STREAM_TICKETS, "attention: too many heads and segments for one launch");
  int splits = int(gpu::ceil_div(segments.keys, SPLIT_KEYS));
  auto* parts = static_cast<float*>(gpu::scratch(stream, places * heads * splits * (D + 2) * sizeof(float)));
  SplitInputs<T> a{out,        lse,      parts,    stream->tickets, q,     k,     v,      segments, hidden,     out_stride,
                   lse_stride, q_stride, k_stride, v_stride,        heads, group, causal, splits,   scale_log2, int(places)};
  gpu::launch<attention_decode_kernel<T, D>>(dim3(splits, heads, unsigned(places)), dim3(128), 0, stream, a);
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
