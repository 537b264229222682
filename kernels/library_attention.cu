// sequence_lengths, lse_from_natural: what stands around another library's attention (cuDNN), which wants the lengths of
// queries and keys in device memory and gives natural logarithms where attention_colsum reads those of base 2.
//
// Math      lengths = {rows, length + rows} of the one segment; lse[h, t] *= log2 e.
// Shapes    lengths i32 [2], segments i32 [1, 16]; lse f32 [H, T].
// Launch    one thread; grid (⌈T/256⌉, H), 256 threads.
// Cost      8 bytes per statistic: 16 heads of 577 rows are 74 KB. Bound by launch latency.
// Limits    H ≤ 65535.
#include "gpu/attention_inputs.h"
#include "gpu/prims.h"

KERNEL(1)
sequence_lengths_kernel(int32_t* lengths, SegmentTable segments) {
  Segment segment = segment_of(segments, 0);
  store(lengths, segment.rows);
  store(lengths + 1, segment.keys);
}

KERNEL(256)
lse_from_natural_kernel(float* lse, int64_t stride, int rows) {
  int row = int(blockIdx.x) * 256 + int(threadIdx.x);
  if (row < rows) {
    float* at = lse + int64_t(blockIdx.y) * stride + row;
    store(at, load(at) * 1.44269504088896341f);
  }
}

extern "C" int starling_sequence_lengths(const starling_sequence_lengths_args* args, starling_stream* stream) {
  return gpu::guarded("sequence_lengths", args, [&](const starling_sequence_lengths_args& a) {
    auto* lengths = gpu::vector<int32_t>("lengths", a.lengths, 2);
    SegmentTable segments = segment_table(a.segments, a.segments.rows, a.segments.keys, 0);
    gpu::require(segments.table && segments.count == 1, "lengths are of one segment");
    gpu::launch<sequence_lengths_kernel>(dim3(1), dim3(1), 0, stream, lengths, segments);
  });
}

extern "C" int starling_lse_from_natural(const starling_lse_from_natural_args* args, starling_stream* stream) {
  return gpu::guarded("lse_from_natural", args, [&](const starling_lse_from_natural_args& a) {
    int heads = a.lse.rows, rows = a.lse.width;
    auto* lse = gpu::matrix<float>("lse", a.lse, heads, rows);
    dim3 grid(gpu::ceil_div(rows, 256), heads);
    gpu::launch<lse_from_natural_kernel>(grid, dim3(256), 0, stream, lse, a.lse.stride, rows);
  });
}
