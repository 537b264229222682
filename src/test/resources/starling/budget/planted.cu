// Kernels with planted faults, for tools/kernel-budget --self-test: each line with MISS must be named, and no other.
#include "gpu/tile.h"

// Copies with a stride that is known at run time: a loop inside the loop of the products.
KERNEL(128)
strided_kernel(float* out, const bf16* x, const bf16* w, int64_t stride, int steps) {
  SHARED(bf16, xs, 64 * 40);
  SHARED(bf16, ws, 128 * 40);
  float acc[2][8][4] = {};
  for (int s = 0; s < steps; s++) {
    for (int i = int(threadIdx.x); i < 64 * 4; i += int(blockDim.x)) {  // MISS strided loops inside the hottest loop
      copy_async(xs + i / 4 * 40 + i % 4 * 8, x + i / 4 * stride + s * 32 + i % 4 * 8, 16);
    }
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    Fragment<bf16> a[2][2];
    UNROLL
    for (int mt = 0; mt < 2; mt++) {
      UNROLL
      for (int ks = 0; ks < 2; ks++) load_fragment(a[mt][ks], xs + mt * 16 * 40 + ks * 16, 40);
    }
    tile_mma<2, 8, 2, true>(acc, a, ws, 40);
    __syncthreads();
  }
  float4 sum = make_float4(0, 0, 0, 0);
  UNROLL
  for (int i = 0; i < 64; i++) sum.x += acc[i / 32][i / 4 % 8][i % 4];
  store(reinterpret_cast<float4*>(out) + threadIdx.x, sum);
}

// The same unrolled misses nothing.
KERNEL(128)
unrolled_kernel(float* out, const bf16* x, const bf16* w, int64_t stride, int steps) {
  SHARED(bf16, xs, 64 * 40);
  SHARED(bf16, ws, 128 * 40);
  float acc[2][8][4] = {};
  for (int s = 0; s < steps; s++) {
    UNROLL
    for (int i = 0; i < 2; i++) {
      int c = int(threadIdx.x) + i * 128;
      copy_async(xs + c / 4 * 40 + c % 4 * 8, x + c / 4 * stride + s * 32 + c % 4 * 8, 16);
    }
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    Fragment<bf16> a[2][2];
    UNROLL
    for (int mt = 0; mt < 2; mt++) {
      UNROLL
      for (int ks = 0; ks < 2; ks++) load_fragment(a[mt][ks], xs + mt * 16 * 40 + ks * 16, 40);
    }
    tile_mma<2, 8, 2, true>(acc, a, ws, 40);
    __syncthreads();
  }
  float4 sum = make_float4(0, 0, 0, 0);
  UNROLL
  for (int i = 0; i < 64; i++) sum.x += acc[i / 32][i / 4 % 8][i % 4];
  store(reinterpret_cast<float4*>(out) + threadIdx.x, sum);
}

// Stores of two bytes, and one whose line says why.
KERNEL(128)
narrow_kernel(bf16* out, float* ends, const bf16* x, int n) {
  for (int k = int(threadIdx.x) * 8; k < n; k += 128 * 8) {
    float v[8];
    unpack<bf16>(load(reinterpret_cast<const Vec16*>(x + k)), v);
    UNROLL
    for (int i = 0; i < 8; i++) {
      store(out + k + i, from_float<bf16>(v[i] * 2.f));  // MISS narrow stores of less than 16 bytes
    }
  }
  if (threadIdx.x == 0) store(ends, 1.f);  // narrow: one number a block
}

// A load that is used before the next one starts, and much shared memory.
KERNEL(128)
serial_kernel(float* out, const int* next, int n) {  // MISS serial blocks an SM
  SHARED(float, s, 12000);
  s[threadIdx.x] = 0;
  int at = 0;
  NO_UNROLL
  for (int i = 0; i < n; i++) {
    at = load(next + at);  // MISS serial loads in flight, in PTX
    s[(threadIdx.x + at) % 12000] += 1;
  }
  store(reinterpret_cast<float4*>(out) + threadIdx.x, make_float4(s[0], s[1], s[2], s[3]));
}
