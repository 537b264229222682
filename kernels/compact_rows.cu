// compact_rows: cache rows that stay move to the front, in place.
//
// Math      tensor[i] = tensor[rows[i]] for i = 0, 1, …; rows ascends, so rows[i] ≥ i.
// Shapes    up to 128 tensors [capacity, width] in a launch; rows i32 [T'].
// Launch    grid (⌈columns/128⌉, tensors), 128 threads. A thread owns one column of 16 bytes and walks the kept rows
//           upward, eight loads and then eight stores: a row is read before anything is written at or above it, so no
//           scratch and no barrier, whatever order threads run in.
// Cost      2·T'·width bytes per tensor: 204 rows of 28 tensors of 8 KB are 94 MB. Bound by memory.
// Limits    width is a multiple of 16 bytes.
#include "gpu/args.h"
#include "gpu/prims.h"

constexpr int COMPACT_TENSORS = 128, IN_FLIGHT = 8;
struct Tensors {
  char* base[COMPACT_TENSORS];
};

KERNEL(128)
compact_rows_kernel(Tensors tensors, const int32_t* rows, int64_t stride_bytes, int row_count, int columns, int capacity) {
  int column = int(blockIdx.x) * 128 + int(threadIdx.x);
  if (column < columns) {
    char* base = tensors.base[blockIdx.y] + int64_t(column) * 16;
    for (int i = 0; i < row_count; i += IN_FLIGHT) {
      Vec16 row[IN_FLIGHT];
      UNROLL
      for (int u = 0; u < IN_FLIGHT; u++) {
        if (i + u < row_count) {
          int64_t from = checked(load(rows + i + u), capacity, "a cache row to keep");
          row[u] = load(reinterpret_cast<const Vec16*>(base + from * stride_bytes));
        }
      }
      UNROLL
      for (int u = 0; u < IN_FLIGHT; u++) {
        if (i + u < row_count) store(reinterpret_cast<Vec16*>(base + int64_t(i + u) * stride_bytes), row[u]);
      }
    }
  }
}

extern "C" int starling_compact_rows(const starling_compact_rows_args* args, starling_stream* stream) {
  return gpu::guarded("compact_rows", args, [&](const starling_compact_rows_args& a) {
    auto* rows = gpu::vector<int32_t>("rows", a.rows, a.rows.rows);
    gpu::require(a.tensor_count >= 0, "a negative number of tensors");
    for (int first = 0; first < a.tensor_count; first += COMPACT_TENSORS) {
      const starling_tensor& t = a.tensors[0];
      int64_t element = gpu::dtype_bytes(t.dtype), stride_bytes = t.stride * element, width = t.width * element;
      gpu::require(width % 16 == 0 && stride_bytes % 16 == 0, "rows must be multiples of 16 bytes");
      Tensors list{};
      int n = std::min(COMPACT_TENSORS, a.tensor_count - first), capacity = INT32_MAX;
      for (int i = 0; i < n; i++) {
        const starling_tensor& one = a.tensors[first + i];
        gpu::require(one.dtype == t.dtype && one.stride == t.stride, "tensors differ in their type or stride");
        gpu::require_shape("a tensor", one, one.rows, t.width);
        list.base[i] = static_cast<char*>(one.data);
        capacity = std::min(capacity, one.rows);
        gpu::require(gpu::aligned(list.base[i], 0, 16), "tensors must start at multiples of 16 bytes");
      }
      gpu::launch<compact_rows_kernel>(dim3(gpu::ceil_div(width / 16, 128), n), dim3(128), 0, stream, list, rows,
                                       stride_bytes, a.rows.rows, int(width / 16), capacity);
    }
  });
}
