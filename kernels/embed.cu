// embed: rows of a table by id.
//
// Math      out[t] = table[ids[t]].
// Shapes    ids i32 [T] in device memory, where sample wrote the last one; table [V, D]; out [T, D].
// Launch    one block of 128 threads per row.
// Cost      2·T·D elements: one row of 4096 in bf16 is 16 KB. Bound by latency.
// Limits    an id outside the table is reported by the host layer and trusted by a GPU.
#include "gpu/args.h"
#include "gpu/prims.h"

template <class T>
KERNEL(128)
embed_kernel(T* out, const int32_t* ids, const T* table, int64_t out_stride, int64_t table_stride, int width,
             int vocabulary) {
  int64_t id = checked(load(ids + blockIdx.x), vocabulary, "an id");
  for (int i = int(threadIdx.x); i < width; i += 128)
    store(out + blockIdx.x * out_stride + i, load(table + id * table_stride + i));
}

extern "C" int starling_embed(const starling_embed_args* args, starling_stream* stream) {
  return gpu::guarded("embed", args, [&](const starling_embed_args& a) {
    int rows = a.ids.rows, width = a.table.width, vocabulary = a.table.rows;
    auto* ids = gpu::vector<int32_t>("ids", a.ids, rows);
    gpu::with_type(a.out.dtype, [&]<class T>() {
      auto* out = gpu::matrix<T>("out", a.out, rows, width);
      auto* table = gpu::matrix<T>("table", a.table, vocabulary, width);
      gpu::launch<embed_kernel<T>>(dim3(rows), dim3(128), 0, stream, out, ids, table, a.out.stride, a.table.stride, width,
                                   vocabulary);
    });
  });
}
