// rope: rotary embedding of queries and keys, and the append to the cache.
//
// Math      channel i < half turns with channel i + half: (a·cos − b·sin, b·cos + a·sin), angle = position·θ^(−i/half) from an
//           f32 table; channels from 2·half on (padding of a head) are copied. Keys and values go to cache rows length + t.
// Shapes    qkv [T, (H + 2G)·d], q [T, H·d], k, v [capacity, G·d], positions i32 [T], length i32 [1] in device memory.
// Launch    grid (T, H + 2G), 64 threads: a block has one head of one row.
// Cost      2·T·(H + 2G)·d elements: 636 rows of 3·4096 in bf16 are 31 MB. Bound by memory.
// Limits    H + 2G ≤ 65535. The length is advanced by advance.cu, once a step.
#include "gpu/launch.h"
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

extern "C" int starling_rope(void* q, int64_t q_stride, void* k, int64_t k_stride, void* v, int64_t v_stride,
                             const void* qkv, int64_t qkv_stride, const int32_t* positions, const int32_t* length,
                             const float* cos, int64_t cos_stride, const float* sin, int64_t sin_stride, int32_t rows,
                             int32_t capacity, int32_t heads, int32_t kv_heads, int32_t head_size, int32_t half,
                             int32_t table_rows, int32_t dtype, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(half >= 0 && 2 * half <= head_size, "rope: the table is wider than a head");
    gpu::with_type(dtype, [&]<class T>() {
      gpu::launch<rope_kernel<T>>(dim3(rows, heads + 2 * kv_heads), dim3(64), 0, stream, static_cast<T*>(q),
                                  static_cast<T*>(k), static_cast<T*>(v), static_cast<const T*>(qkv), positions, length,
                                  cos, sin, q_stride, k_stride, v_stride, qkv_stride, cos_stride, sin_stride, capacity,
                                  heads, kv_heads, head_size, half, table_rows);
    });
  });
}
