// ceilings: not operators but what a bench holds them against: the fastest plain copy and read, products in registers, a
// launch that does nothing.
//
// Math      copy: out = in. read: out[b] = Σ of the numbers block b reads (so that no compiler can drop a load).
//           products: c += a·b over and over in registers; a whole-number pattern that keeps c small and exact.
// Shapes    copy, read: bytes in multiples of 16. products: out f32 [blocks].
// Launch    copy: ⌈bytes/(16·4·256)⌉ blocks of 256 threads, four vectors a thread. read: ⌈bytes/(16·4·512)⌉ blocks of 512
//           threads, at most 1024, four loads in flight a thread. products: 256 threads, eight independent accumulators a
//           warp. nothing: one thread.
// Cost      copy: 2·bytes; read: bytes; products: blocks·steps·8 warps·32768 FLOPs.
// Limits    products uses mma.sync for bf16 and f16: on Hopper that is about two thirds of what wgmma reaches.
#include "gpu/ceilings.h"
#include "gpu/launch.h"
#include "gpu/prims.h"

namespace {
constexpr int COPY_THREADS = 256, READ_THREADS = 512, IN_FLIGHT = 4, PRODUCT_THREADS = 256, NT = 8;
constexpr unsigned READ_BLOCKS = 1024;
}

KERNEL(COPY_THREADS)
ceiling_copy_kernel(Vec16* out, const Vec16* in, int64_t n) {
  int64_t first = int64_t(blockIdx.x) * COPY_THREADS * IN_FLIGHT + threadIdx.x;
  Vec16 v[IN_FLIGHT];
  UNROLL
  for (int i = 0; i < IN_FLIGHT; i++) {
    if (first + i * COPY_THREADS < n) v[i] = load(in + first + i * COPY_THREADS);
  }
  UNROLL
  for (int i = 0; i < IN_FLIGHT; i++) {
    if (first + i * COPY_THREADS < n) store(out + first + i * COPY_THREADS, v[i]);
  }
}

KERNEL(READ_THREADS)
ceiling_read_kernel(float* out, const Vec16* in, int64_t n) {
  SHARED(float, part, READ_THREADS / 32);
  float sum = 0;
  int64_t step = int64_t(gridDim.x) * READ_THREADS;
  for (int64_t at = int64_t(blockIdx.x) * READ_THREADS + threadIdx.x; at < n; at += IN_FLIGHT * step) {
    Vec16 v[IN_FLIGHT] = {};
    UNROLL
    for (int i = 0; i < IN_FLIGHT; i++) {
      if (at + i * step < n) v[i] = load(in + at + i * step);
    }
    UNROLL
    for (int i = 0; i < IN_FLIGHT; i++) {
      for (uint32_t w : v[i].w) sum += __uint_as_float(w);
    }
  }
  sum = warp_sum(sum);
  if (lane_id() == 0) part[warp_id()] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < READ_THREADS / 32; w++) sum += part[w];
    store(out + blockIdx.x, sum);
  }
}

// A of ones and zeros and B of +1 and −1 in turn: every accumulator goes up and down by whole numbers.
template <class T>
DEVICE void products(float (&c)[NT][4], int steps) {
  Fragment<T> a;
  UNROLL
  for (int i = 0; i < 4; i++) a.r[i] = pack<T>(float(lane_id() & 1), 1);
  uint32_t b[2][NT][2];
  UNROLL
  for (int i = 0; i < NT; i++) {
    UNROLL
    for (int r = 0; r < 2; r++) {
      b[0][i][r] = pack<T>(1, float(i + 1));
      b[1][i][r] = pack<T>(-1, -float(i + 1));
    }
  }
  for (int s = 0; s < steps; s += 2) {
    mma<NT, T>(c, a, b[0]);
    mma<NT, T>(c, a, b[1]);
  }
}
template <>
DEVICE void products<float>(float (&c)[NT][4], int steps) {
  float a = float(lane_id());
  for (int s = 0; s < steps; s++) {
    float sign = s % 2 ? -1.0f : 1.0f;
    UNROLL
    for (int k = 0; k < 16; k++) {
      UNROLL
      for (int i = 0; i < NT; i++) {
        UNROLL
        for (int r = 0; r < 4; r++) c[i][r] = fmaf(a, sign, c[i][r]);
      }
      a = -a;
    }
  }
  count_flops(2 * 16 * 4 * NT * steps);
}

template <class T>
KERNEL(PRODUCT_THREADS)
ceiling_products_kernel(float* out, int steps) {
  SHARED(float, part, PRODUCT_THREADS / 32);
  float c[NT][4] = {};
  products<T>(c, steps);
  float sum = 0;
  UNROLL
  for (int i = 0; i < NT; i++) sum += c[i][0] + c[i][1] + c[i][2] + c[i][3];
  sum = warp_sum(sum);
  if (lane_id() == 0) part[warp_id()] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < PRODUCT_THREADS / 32; w++) sum += part[w];
    store(out + blockIdx.x, sum);
  }
}

KERNEL(32)
ceiling_nothing_kernel() {}

extern "C" int starling_ceiling_copy(void* out, const void* in, int64_t bytes, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(bytes >= 0 && gpu::aligned(out, bytes, 16) && gpu::aligned(in, bytes, 16),
                 "ceiling_copy: addresses and size must be multiples of 16");
    gpu::launch<ceiling_copy_kernel>(dim3(gpu::ceil_div(bytes / 16, COPY_THREADS * IN_FLIGHT)), dim3(COPY_THREADS), 0,
                                     stream, static_cast<Vec16*>(out), static_cast<const Vec16*>(in), bytes / 16);
  });
}

extern "C" int starling_ceiling_read(float* out, const void* in, int64_t bytes, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(bytes >= 0 && gpu::aligned(in, bytes, 16), "ceiling_read: address and size must be multiples of 16");
    unsigned blocks = std::min(gpu::ceil_div(bytes / 16, READ_THREADS * IN_FLIGHT), READ_BLOCKS);
    gpu::launch<ceiling_read_kernel>(dim3(blocks), dim3(READ_THREADS), 0, stream, out, static_cast<const Vec16*>(in),
                                     bytes / 16);
  });
}

extern "C" int starling_ceiling_products(float* out, int32_t blocks, int32_t steps, int32_t dtype, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(blocks >= 0 && steps >= 0 && steps % 2 == 0, "ceiling_products: steps come in pairs");
    gpu::with_type(dtype, [&]<class T>() {
      gpu::launch<ceiling_products_kernel<T>>(dim3(blocks), dim3(PRODUCT_THREADS), 0, stream, out, steps);
    });
  });
}

extern "C" int starling_ceiling_nothing(int32_t launches, starling_stream* stream) {
  return gpu::guarded([&] {
    for (int i = 0; i < launches; i++) gpu::launch<ceiling_nothing_kernel>(dim3(1), dim3(32), 0, stream);
  });
}
