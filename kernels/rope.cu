// rope: rotary embedding of queries and keys, and the append to the cache.
//
// Math      channel i < half turns with channel i + half: (a·cos − b·sin, b·cos + a·sin), angle = position·θ^(−i/half) from an
//           f32 table; channels from 2·half on (padding of a head) are copied. The position is the row's on the axis that
//           frequency i follows: the first below `first_end`, the second below `second_end`, else the third (M-RoPE: of 64
//           frequencies 16 by time, 24 by row, 24 by column; in a tower of 40 half by row, half by column). Row i of a
//           segment becomes its key length + i.
// Shapes    qkv [T, (H + 2G)·d], q [T, H·d], k, v [N, G·d], positions i32 [T] or [3, T], or the segments' own; segments
//           i32 [S, 16] in device memory.
// Launch    grid (most rows of a segment, H + 2G, S), 64 threads: a block has one head of one row.
// Cost      2·T·(H + 2G)·d elements: 636 rows of 3·4096 in bf16 are 31 MB. Bound by memory.
// Limits    H + 2G ≤ 65535, S ≤ 65535. The lengths are advanced by advance.cu, once a step.
#include "gpu/attention_inputs.h"
#include "gpu/prims.h"

template <class T>
KERNEL(64)
rope_kernel(T* q, T* k, T* v, const T* qkv, const int32_t* positions, int64_t axis_stride, SegmentTable segments,
            const float* cos, const float* sin, int64_t q_stride, int64_t k_stride, int64_t v_stride, int64_t qkv_stride,
            int64_t cos_stride, int64_t sin_stride, int heads, int kv_heads, int head_size, int half, int first_end,
            int second_end, int table_rows) {
  int i = int(blockIdx.x), head = int(blockIdx.y);
  Segment segment = segment_of(segments, int(blockIdx.z));
  if (i >= segment.rows) return;
  int row = segment.row + i, cached = segment.length + i;
  const T* from = qkv + row * qkv_stride + head * head_size;
  bool turns = head < heads + kv_heads;
  T* to = head < heads ? q + row * q_stride + head * head_size
          : turns      ? keys_of(k, k_stride, segment, "keys") + cached * k_stride + (head - heads) * head_size
                       : keys_of(v, v_stride, segment, "values") + cached * v_stride + (head - heads - kv_heads) * head_size;
  for (int c = int(threadIdx.x); c < head_size; c += 64) {
    if (turns && c < half) {
      int axis = c < first_end ? 0 : c < second_end ? 1 : 2;
      int p = positions ? load(positions + axis * axis_stride + row) : load(segment.numbers + SEGMENT_POSITION + axis) + i;
      int64_t position = checked(p, table_rows, "a position");
      float a = to_float(load(from + c)), b = to_float(load(from + half + c));
      float x = load(cos + position * cos_stride + c), y = load(sin + position * sin_stride + c);
      store(to + c, from_float<T>(a * x - b * y));
      store(to + half + c, from_float<T>(b * x + a * y));
    } else if (!turns || c >= 2 * half) {
      store(to + c, load(from + c));
    }
  }
}

extern "C" int starling_rope(const starling_rope_args* args, starling_stream* stream) {
  return gpu::guarded("rope", args, [&](const starling_rope_args& a) {
    int rows = a.q.rows, heads = a.heads, kv_heads = a.kv_heads, d = a.head_size;
    int half = a.cos.width, table_rows = a.cos.rows;
    gpu::require(heads >= 1 && kv_heads >= 1 && d >= 1, "heads, kv_heads and head_size must be at least 1");
    gpu::require(2 * half <= d, "the table is wider than a head");
    gpu::require(a.axes == 0 || a.axes == 1 || a.axes == 3, "axes must be 1 or 3");
    gpu::require(a.section_first >= 0 && a.section_second >= 0 && int64_t(a.section_first) + a.section_second <= half,
                 "the sections are more than the table is wide");
    int first_end = a.axes == 3 ? a.section_first : half, second_end = first_end + (a.axes == 3 ? a.section_second : 0);
    bool axes = a.positions.rows == 3 && a.positions.width == rows && a.positions.data;
    gpu::require(!axes || a.axes == 3, "positions on three axes, and a table that has one");
    auto* positions = axes ? gpu::matrix<int32_t>("positions", a.positions, 3, rows)
                           : gpu::optional_vector<int32_t>("positions", a.positions, rows);
    gpu::require(positions || a.segments.table.data, "neither positions nor segments say where the rows stand");
    SegmentTable segments = segment_table(a.segments, rows, a.k.rows, 0);
    auto *cos = gpu::matrix<float>("cos", a.cos, table_rows, half),
         *sin = gpu::matrix<float>("sin", a.sin, table_rows, half);
    gpu::with_type(a.q.dtype, [&]<class T>() {
      auto* q = gpu::matrix<T>("q", a.q, rows, int64_t(heads) * d);
      auto* k = gpu::matrix<T>("k", a.k, a.k.rows, int64_t(kv_heads) * d);
      auto* v = gpu::matrix<T>("v", a.v, a.k.rows, int64_t(kv_heads) * d);
      auto* qkv = gpu::matrix<T>("qkv", a.qkv, rows, int64_t(heads + 2 * kv_heads) * d);
      gpu::launch<rope_kernel<T>>(dim3(segments.rows, heads + 2 * kv_heads, segments.count), dim3(64), 0, stream, q, k, v,
                                  qkv, positions, axes ? a.positions.stride : 0, segments, cos, sin, a.q.stride, a.k.stride,
                                  a.v.stride, a.qkv.stride, a.cos.stride, a.sin.stride, heads, kv_heads, d, half, first_end,
                                  second_end, table_rows);
    });
  });
}
