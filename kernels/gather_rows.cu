// gather_rows: out[i] = in[rows[i]] for several tensors at once.
//
// Math      a copy. STAR gathers attention output and residual right after attention, before the output projection.
// Shapes    up to 8 pairs of rows of any width; rows i32 [T'].
// Launch    grid (T', pairs), 128 threads: a block copies one row, in units of the largest power of two up to 16 bytes that
//           divides its addresses and width.
// Cost      2·T'·Σ width bytes: 204 rows of 4096 in bf16, twice, are 6.7 MB. Bound by memory.
// Limits    none.
#include "gpu/launch.h"
#include "gpu/prims.h"

struct Gathers {
  starling_gather pair[STARLING_MAX_GATHERS];
};

template <class U>
KERNEL(128)
gather_rows_kernel(Gathers gathers, const int32_t* rows) {
  const starling_gather& pair = gathers.pair[blockIdx.y];
  int64_t to = blockIdx.x, from = checked(load(rows + to), pair.in_rows, "a row to gather");
  auto* out = reinterpret_cast<U*>(static_cast<char*>(pair.out) + to * pair.out_stride_bytes);
  auto* in = reinterpret_cast<const U*>(static_cast<const char*>(pair.in) + from * pair.in_stride_bytes);
  for (int64_t i = threadIdx.x; i < pair.width / int64_t(sizeof(U)); i += blockDim.x) store(out + i, load(in + i));
}

extern "C" int starling_gather_rows(const starling_gather* pairs, int32_t pair_count, const int32_t* rows,
                                    int32_t row_count, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(pair_count >= 1 && pair_count <= STARLING_MAX_GATHERS, "gather_rows: 1 to 8 pairs");
    Gathers gathers{};
    uint64_t all = 16;
    for (int i = 0; i < pair_count; i++) {
      const starling_gather& p = pairs[i];
      gathers.pair[i] = p;
      all |= uint64_t(uintptr_t(p.out)) | uintptr_t(p.in) | p.out_stride_bytes | p.in_stride_bytes | p.width;
    }
    dim3 grid(row_count, pair_count);
    switch (all & -all) {  // the largest power of two that divides everything
      case 16: return gpu::launch<gather_rows_kernel<Vec16>>(grid, dim3(128), 0, stream, gathers, rows);
      case 8:
      case 4: return gpu::launch<gather_rows_kernel<uint32_t>>(grid, dim3(128), 0, stream, gathers, rows);
      case 2: return gpu::launch<gather_rows_kernel<uint16_t>>(grid, dim3(128), 0, stream, gathers, rows);
      default: return gpu::launch<gather_rows_kernel<uint8_t>>(grid, dim3(128), 0, stream, gathers, rows);
    }
  });
}
