// gemv: y = activation(norm(x)·wᵀ + bias) + residual, for 1 to 16 rows: the product of decode.
//
// Math      f32 FMAs; a warp adds the products of one column over all of k, lane by lane and then in a fixed butterfly. The
//           norm is computed by every block for itself, from the statistics that the product before left or from x, and
//           rounded to the type, as if it were a launch of its own. Statistics of y: of 16 columns in two passes, as stored.
// Shapes    as gemm.cu.
// Launch    a block has 16 columns of y at a time, in ⌈⌈out/16⌉/396⌉ turns, equally many in every block: 396 are three blocks
//           on each of 132 multiprocessors, so no block is left for a wave of its own. out 4096: 256 blocks, 1 turn;
//           11008: 344, 2; 12288: 384, 2; 22016: 344, 4; 32000: 334, 6, of which four blocks have 5. 128 threads (SILU_MUL
//           of 5 to 16 rows 256): a warp has 4 columns (SILU_MUL 4 gate and 4 up). Of 1 row it loads 8 vectors of 16 bytes
//           in a round, and two rounds are in flight: 16 loads a thread, the first of them before x is looked at, those of
//           the next turn before this one's end. Compiled for 1, 4 and 16 rows.
// Shared    32 KB of x in its type (of 1 row 16384 elements of 16 bits: x stays for all turns), sums and statistics of the
//           rows, up to 4.3 KB.
// Cost      w once: 4096 × 4096 in bf16 are 33.6 MB. Bound by memory at 1 row; at 16 rows by FMAs and shared memory (mma
//           with the rows as n would be the next step).
// Limits    none. Needs sm_80.
#include "gpu/gemv.h"
#include "gpu/gemv_block.h"

template <class T, int ROWS, bool GATED>
KERNEL((GemvShape<ROWS, GATED>::THREADS))
gemv_kernel(GemvInputs<T> a, Epilogue p, ProductRows around) {
  gemv_block<T, ROWS, GATED, false>(a, p, around, int(blockIdx.x), int(gridDim.x), [] {});
}

template <class T>
void gemv(const T* x, const T* w, const T* norm_weight, const T* norm_bias, int64_t x_stride, int64_t w_stride, int rows,
          int in, float eps, const Epilogue& p, const ProductRows& around, starling_stream* stream) {
  auto launch = [&]<int ROWS, bool GATED>() {
    GemvInputs<T> a{x, w, norm_weight, norm_bias, x_stride, w_stride, rows, in, eps, 0};
    gpu::launch<gemv_kernel<T, ROWS, GATED>>(dim3(gemv_blocks(p.out)), dim3(GemvShape<ROWS, GATED>::THREADS), 0, stream, a,
                                             p, around);
  };
  if (rows == 0) return;
  if (p.activation == STARLING_SILU_MUL) {
    if (rows == 1) launch.template operator()<1, true>();
    else if (rows <= 4) launch.template operator()<4, true>();
    else launch.template operator()<16, true>();
  } else {
    if (rows == 1) launch.template operator()<1, false>();
    else if (rows <= 4) launch.template operator()<4, false>();
    else launch.template operator()<16, false>();
  }
}

#define GEMV(T)                                                                                                     \
  template void gemv<T>(const T*, const T*, const T*, const T*, int64_t, int64_t, int, int, float, const Epilogue&, \
                        const ProductRows&, starling_stream*);
GEMV(float)
GEMV(bf16)
GEMV(f16)
