// embed: rows of a table by id.
//
// Math      out[t] = table[ids[t]].
// Shapes    ids i32 [T] in device memory, where sample wrote the last one; table [V, D]; out [T, D].
// Launch    one block of 128 threads per row.
// Cost      2·T·D elements: one row of 4096 in bf16 is 16 KB. Bound by latency.
// Limits    an id outside the table is reported by the host layer and trusted by a GPU.
#include "gpu/launch.h"
#include "gpu/prims.h"

template <class T>
KERNEL(128)
embed_kernel(T* out, const int32_t* ids, const T* table, int64_t out_stride, int64_t table_stride, int width,
             int vocabulary) {
  int64_t id = checked(load(ids + blockIdx.x), vocabulary, "an id");
  for (int i = int(threadIdx.x); i < width; i += 128) store(out + blockIdx.x * out_stride + i, load(table + id * table_stride + i));
}

extern "C" int starling_embed(void* out, int64_t out_stride, const int32_t* ids, const void* table, int64_t table_stride,
                              int32_t rows, int32_t width, int32_t vocabulary, int32_t dtype, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::with_type(dtype, [&]<class T>() {
      gpu::launch<embed_kernel<T>>(dim3(rows), dim3(128), 0, stream, static_cast<T*>(out), ids,
                                   static_cast<const T*>(table), out_stride, table_stride, width, vocabulary);
    });
  });
}
