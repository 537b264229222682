// rope: rotary embedding of queries and keys, and the append to the cache.
//
// Math      channel i < half turns with channel i + half: (a·cos − b·sin, b·cos + a·sin), angle = position·θ^(−i/half) from an
//           f32 table; channels from 2·half on (padding of a head) are copied. Keys and values go to cache rows length + t.
// Shapes    qkv [T, (H + 2G)·d], q [T, H·d], k, v [capacity, G·d], positions i32 [T], length i32 [1] in device memory.
// Launch    grid (T, H + 2G), 64 threads: a block has one head of one row.
// Cost      2·T·(H + 2G)·d elements: 636 rows of 3·4096 in bf16 are 31 MB. Bound by memory.
// Limits    H + 2G ≤ 65535. The length is advanced by advance.cu, once a step.
#include "gpu/args.h"
#include "gpu/prims.h"

template <class T>
KERNEL(64)
rope_kernel(T* q, T* k, T* v, const T* qkv, const int32_t* positions, const int32_t* length, const float* cos,
            const float* sin, int64_t q_stride, int64_t k_stride, int64_t v_stride, int64_t qkv_stride, int64_t cos_stride,
            int64_t sin_stride, int capacity, int heads, int kv_heads, int head_size, int half, int table_rows) {
  int row = int(blockIdx.x), head = int(blockIdx.y);
  int64_t cached = checked(load(length) + row, capacity, "the cache row of a key");
  int64_t position = checked(load(positions + row), table_rows, "a position");
  const T* from = qkv + row * qkv_stride + head * head_size;
  bool turns = head < heads + kv_heads;
  T* to = head < heads              ? q + row * q_stride + head * head_size
          : turns                   ? k + cached * k_stride + (head - heads) * head_size
                                    : v + cached * v_stride + (head - heads - kv_heads) * head_size;
  cos += position * cos_stride;
  sin += position * sin_stride;
  for (int i = int(threadIdx.x); i < head_size; i += 64) {
    if (turns && i < half) {
      float a = to_float(load(from + i)), b = to_float(load(from + half + i)), c = load(cos + i), s = load(sin + i);
      store(to + i, from_float<T>(a * c - b * s));
      store(to + half + i, from_float<T>(b * c + a * s));
    } else if (!turns || i >= 2 * half) {
      store(to + i, load(from + i));
    }
  }
}

extern "C" int starling_rope(const starling_rope_args* args, starling_stream* stream) {
  return gpu::guarded("rope", args, [&](const starling_rope_args& a) {
    int rows = a.q.rows, capacity = a.k.rows, heads = a.heads, kv_heads = a.kv_heads, d = a.head_size;
    int half = a.cos.width, table_rows = a.cos.rows;
    gpu::require(heads >= 1 && kv_heads >= 1 && d >= 1, "heads, kv_heads and head_size must be at least 1");
    gpu::require(2 * half <= d, "the table is wider than a head");
    auto* positions = gpu::vector<int32_t>("positions", a.positions, rows);
    auto* length = gpu::vector<int32_t>("length", a.length, 1);
    auto *cos = gpu::matrix<float>("cos", a.cos, table_rows, half), *sin = gpu::matrix<float>("sin", a.sin, table_rows, half);
    gpu::with_type(a.q.dtype, [&]<class T>() {
      auto* q = gpu::matrix<T>("q", a.q, rows, int64_t(heads) * d);
      auto* k = gpu::matrix<T>("k", a.k, capacity, int64_t(kv_heads) * d);
      auto* v = gpu::matrix<T>("v", a.v, capacity, int64_t(kv_heads) * d);
      auto* qkv = gpu::matrix<T>("qkv", a.qkv, rows, int64_t(heads + 2 * kv_heads) * d);
      gpu::launch<rope_kernel<T>>(dim3(rows, heads + 2 * kv_heads), dim3(64), 0, stream, q, k, v, qkv, positions, length, cos,
                                  sin, a.q.stride, a.k.stride, a.v.stride, a.qkv.stride, a.cos.stride, a.sin.stride,
                                  capacity, heads, kv_heads, d, half, table_rows);
    });
  });
}
