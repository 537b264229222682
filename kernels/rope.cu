// rope: rotary embedding of queries and keys, and the append to the cache.
//
// Math      channel i < half turns with channel i + half: (a·cos − b·sin, b·cos + a·sin), angle = position·θ^(−i/half) from an
//           f32 table; channels from 2·half on (padding of a head) are copied. The position is the row's on the axis that
//           frequency i follows: the first below `first_end`, the second below `second_end`, else the third (M-RoPE: of 64
//           frequencies 16 by time, 24 by row, 24 by column; in a tower of 40 half by row, half by column). Row i of a
//           segment becomes its key length + i.
// Shapes    qkv [T, (H + 2G)·d], q [T, H·d], k, v [N, G·d], positions i32 [T] or [3, T], or the segments' own; segments
//           i32 [S, 16] in device memory.
// Launch    grid (most rows of a segment, groups of heads, S), 256 threads: a block has as many heads of a row as it has
//           threads for. A thread turns N channels with their N partners, or copies them: N is 16 bytes' worth where all
//           rows start at multiples of 16 bytes, the table is whole vectors and N divides half of a head; else 1.
// Cost      2·T·(H + 2G)·d elements: 636 rows of 3·4096 in bf16 are 31 MB. Bound by memory.
// Limits    H + 2G ≤ 65535, S ≤ 65535. The lengths are advanced by advance.cu, once a step.
#include "gpu/attention_inputs.h"
#include "gpu/tile.h"

constexpr int ROPE_THREADS = 256;

// N neighbours of a row, in pieces of up to 16 bytes.
template <int N, class T>
DEVICE void load_channels(const T* from, float (&out)[N]) {
  if constexpr (N == 1) {
    out[0] = to_float(load(from));
  } else {
    UNROLL
    for (int i = 0; i < N; i += VEC<T>) {
      float part[VEC<T>];
      unpack<T>(load(reinterpret_cast<const Vec16*>(from + i)), part);
      UNROLL
      for (int j = 0; j < VEC<T>; j++) out[i + j] = part[j];
    }
  }
}
template <int N, class T>
DEVICE void store_channels(T* to, const float (&values)[N]) {
  if constexpr (N == 1) store(to, from_float<T>(values[0]));
  else store(reinterpret_cast<Vec16*>(to), packed<T>(values));
}
template <int N, class T>
DEVICE void copy_channels(T* to, const T* from) {
  if constexpr (N == 1) store(to, load(from));
  else store(reinterpret_cast<Vec16*>(to), load(reinterpret_cast<const Vec16*>(from)));
}

// The rotary table, and where a row stands in it.
struct RotaryTable {
  const float *cos, *sin;
  int64_t cos_stride, sin_stride;
  int32_t half, first_end, second_end, rows;
};

template <class T, int N>
KERNEL(ROPE_THREADS)
rope_kernel(T* q, T* k, T* v, const T* qkv, const int32_t* positions, int64_t axis_stride, SegmentTable segments,
            RotaryTable table, int64_t q_stride, int64_t k_stride, int64_t v_stride, int64_t qkv_stride, int heads,
            int kv_heads, int head_size, int group) {
  constexpr int FOLLOW = N < 4 ? N : 4;  // neighbours on one axis
  int i = int(blockIdx.x), items = (head_size - table.half) / N, tid = int(threadIdx.x);
  int head = int(blockIdx.y) * group + tid / items;
  Segment segment = segment_of(segments, int(blockIdx.z));
  if (i >= segment.rows || tid >= group * items || head >= heads + 2 * kv_heads) return;
  int row = segment.row + i, cached = segment.length + i;
  const T* from = qkv + row * qkv_stride + head * head_size;
  bool turns = head < heads + kv_heads;
  T* to = head < heads ? q + row * q_stride + head * head_size
          : turns      ? keys_of(k, k_stride, segment, "keys") + cached * k_stride + (head - heads) * head_size
                       : keys_of(v, v_stride, segment, "values") + cached * v_stride + (head - heads - kv_heads) * head_size;
  // An item is channels c and half + c of a head; behind the turning ones, or in a head that only moves, it is copied.
  for (int item = tid % items; item < items; item += ROPE_THREADS) {
    int c = item * N;
    if (turns && c < table.half) {
      float a[N], b[N], x[N], y[N];
      UNROLL
      for (int j = 0; j < N; j += FOLLOW) {
        int axis = c + j < table.first_end ? 0 : c + j < table.second_end ? 1 : 2;
        int p = positions ? load(positions + axis * axis_stride + row) : load(segment.numbers + SEGMENT_POSITION + axis) + i;
        int64_t position = checked(p, table.rows, "a position");
        float cosine[FOLLOW], sine[FOLLOW];
        load_channels<FOLLOW>(table.cos + position * table.cos_stride + c + j, cosine);
        load_channels<FOLLOW>(table.sin + position * table.sin_stride + c + j, sine);
        UNROLL
        for (int e = 0; e < FOLLOW; e++) x[j + e] = cosine[e], y[j + e] = sine[e];
      }
      load_channels<N>(from + c, a);
      load_channels<N>(from + table.half + c, b);
      float first[N], second[N];
      UNROLL
      for (int e = 0; e < N; e++) {
        first[e] = a[e] * x[e] - b[e] * y[e];
        second[e] = b[e] * x[e] + a[e] * y[e];
      }
      store_channels<N>(to + c, first);
      store_channels<N>(to + table.half + c, second);
    } else {
      copy_channels<N>(to + table.half + c, from + table.half + c);
      if (!turns && c < table.half) copy_channels<N>(to + c, from + c);
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
      RotaryTable table{cos, sin, a.cos.stride, a.sin.stride, half, first_end, second_end, table_rows};
      auto rows16 = [](const void* data, int64_t stride, size_t element) {
        return gpu::aligned(data, stride * int64_t(element), 16);
      };
      bool vectors = half % VEC<T> == 0 && d % VEC<T> == 0 && first_end % 4 == 0 && second_end % 4 == 0 &&
                     rows16(q, a.q.stride, sizeof(T)) && rows16(k, a.k.stride, sizeof(T)) &&
                     rows16(v, a.v.stride, sizeof(T)) && rows16(qkv, a.qkv.stride, sizeof(T)) &&
                     rows16(cos, a.cos.stride, 4) && rows16(sin, a.sin.stride, 4);
      auto start = [&]<int N>() {
        int items = (d - half) / N, group = items < ROPE_THREADS ? ROPE_THREADS / items : 1;
        dim3 grid(segments.rows, gpu::ceil_div(heads + 2 * kv_heads, group), segments.count);
        gpu::launch<rope_kernel<T, N>>(grid, dim3(ROPE_THREADS), 0, stream, q, k, v, qkv, positions,
                                       axes ? a.positions.stride : 0, segments, table, a.q.stride, a.k.stride, a.v.stride,
                                       a.qkv.stride, heads, kv_heads, d, group);
      };
      if (vectors) start.template operator()<VEC<T>>();
      else start.template operator()<1>();
    });
  });
}
