// gather_rows: out[i] = in[rows[i]] for several tensors at once.
//
// Math      a copy. STAR gathers attention output and residual right after attention, before the output projection.
// Shapes    up to 8 pairs of rows of any width; rows i32 [T'].
// Launch    grid (T', pairs), 128 threads: a block copies one row, in units of the largest power of two up to 16 bytes that
//           divides its addresses and width.
// Cost      2·T'·Σ width bytes: 204 rows of 4096 in bf16, twice, are 6.7 MB. Bound by memory.
// Limits    none.
#include "gpu/args.h"
#include "gpu/prims.h"

struct Gather {
  void* out;
  const void* in;
  int64_t out_stride_bytes, in_stride_bytes;
  int64_t width;  // bytes
  int32_t in_rows, reserved;
};
struct Gathers {
  Gather pair[STARLING_MAX_GATHERS];
};

template <class U>
KERNEL(128)
gather_rows_kernel(Gathers gathers, const int32_t* rows) {
  const Gather& pair = gathers.pair[blockIdx.y];
  int64_t to = blockIdx.x, from = checked(load(rows + to), pair.in_rows, "a row to gather");
  auto* out = reinterpret_cast<U*>(static_cast<char*>(pair.out) + to * pair.out_stride_bytes);
  auto* in = reinterpret_cast<const U*>(static_cast<const char*>(pair.in) + from * pair.in_stride_bytes);
  for (int64_t i = threadIdx.x; i < pair.width / int64_t(sizeof(U)); i += blockDim.x) store(out + i, load(in + i));
}

extern "C" int starling_gather_rows(const starling_gather_rows_args* args, starling_stream* stream) {
  return gpu::guarded("gather_rows", args, [&](const starling_gather_rows_args& a) {
    gpu::require(a.pair_count >= 1 && a.pair_count <= STARLING_MAX_GATHERS, "1 to 8 pairs");
    int row_count = a.rows.rows;
    auto* rows = gpu::vector<int32_t>("rows", a.rows, row_count);
    Gathers gathers{};
    uint64_t all = 16;
    for (int i = 0; i < a.pair_count; i++) {
      const starling_tensor &out = a.pairs[i].out, &in = a.pairs[i].in;
      int64_t element = gpu::dtype_bytes(in.dtype);
      gpu::require(out.dtype == in.dtype, "out and in of a pair have different types");
      gpu::require_shape("out", out, row_count, in.width);
      gpu::require_shape("in", in, in.rows, in.width);
      Gather g{out.data, in.data, out.stride * element, in.stride * element, in.width * element, in.rows, 0};
      gathers.pair[i] = g;
      all |= uint64_t(uintptr_t(g.out)) | uintptr_t(g.in) | g.out_stride_bytes | g.in_stride_bytes | g.width;
    }
    dim3 grid(row_count, a.pair_count);
    switch (all & -all) {  // the largest power of two that divides everything
      case 16: return gpu::launch<gather_rows_kernel<Vec16>>(grid, dim3(128), 0, stream, gathers, rows);
      case 8:
      case 4: return gpu::launch<gather_rows_kernel<uint32_t>>(grid, dim3(128), 0, stream, gathers, rows);
      case 2: return gpu::launch<gather_rows_kernel<uint16_t>>(grid, dim3(128), 0, stream, gathers, rows);
      default: return gpu::launch<gather_rows_kernel<uint8_t>>(grid, dim3(128), 0, stream, gathers, rows);
    }
  });
}
