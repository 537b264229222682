// What a kernel is written in. nvcc compiles it for a GPU; g++ compiles the same text for the host layer (native/host),
// which executes and checks it on the CPU. A kernel includes only this folder's headers and uses only
//   threadIdx blockIdx blockDim gridDim, __syncthreads, __syncwarp, *_sync shuffles and votes with an explicit mask,
//   SHARED and Smem for shared memory, load and store for global memory, checked for indices that come from memory,
//   and what prims.h has. No asm, no __shared__, no <<<>>>, no cuda headers, no return before a barrier.
// tools/kernel-lint holds this.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#else
#include "engine.h"
#endif

// ---- functions ----

#if defined(__CUDACC__)
#define KERNEL(threads) KERNEL_BLOCKS(threads, 1)
// That many blocks fit on a multiprocessor by their registers.
#define KERNEL_BLOCKS(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
#define DEVICE __device__ __forceinline__
#define BLOCK_PART DEVICE
#define HOST_DEVICE __host__ __device__ inline
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
#define UNROLL_4 _Pragma("unroll 4")
#define SITE
#define SITE_LAST
#else
#define KERNEL(threads) inline void
#define KERNEL_BLOCKS(threads, blocks) inline void
#define DEVICE inline __attribute__((always_inline))
// What several kernels have in common and is long: compiled once for all of them, where a call costs nothing that matters.
#define BLOCK_PART __attribute__((noinline))
#define HOST_DEVICE inline
#define UNROLL
#define NO_UNROLL
#define UNROLL_4
// Where a primitive was called, for the host layer's messages: the last parameter of those that can fail.
#define SITE host::Site at = host::Site::here()
#define SITE_LAST , host::Site at = host::Site::here()
#endif

// ---- element types: stored as named, computed in f32, rounded once to nearest even ----

#if defined(__CUDACC__)
using bf16 = __nv_bfloat16;
using f16 = __half;
DEVICE float to_float(bf16 x) { return __bfloat162float(x); }
DEVICE float to_float(f16 x) { return __half2float(x); }
DEVICE float to_float(float x) { return x; }
template <class T>
DEVICE T from_float(float x);
template <>
DEVICE bf16 from_float<bf16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
DEVICE f16 from_float<f16>(float x) {
  return __float2half_rn(x);
}
template <>
DEVICE float from_float<float>(float x) {
  return x;
}
#else
struct bf16 {
  uint16_t bits;
};
using f16 = _Float16;
inline float to_float(bf16 x) { return __uint_as_float(uint32_t(x.bits) << 16); }
inline float to_float(f16 x) { return float(x); }
inline float to_float(float x) { return x; }
template <class T>
inline T from_float(float x);
template <>
inline bf16 from_float<bf16>(float x) {
  uint32_t u = __float_as_uint(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return bf16{0x7fff};
  return bf16{uint16_t((u + 0x7fffu + (u >> 16 & 1)) >> 16)};
}
template <>
inline f16 from_float<f16>(float x) {
  return f16(x);
}
template <>
inline float from_float<float>(float x) {
  return x;
}
#endif

// Two values of a 16-bit type, the first in the low half.
template <class T>
DEVICE uint32_t pack(float low, float high) {
  T pair[2] = {from_float<T>(low), from_float<T>(high)};
  uint32_t bits;
  memcpy(&bits, pair, 4);
  return bits;
}

// Sixteen bytes: what one thread moves at a time.
struct alignas(16) Vec16 {
  uint32_t w[4];
};
template <class T>
constexpr int VEC = 16 / sizeof(T);
template <class T>
DEVICE void unpack(Vec16 v, float (&out)[16 / sizeof(T)]) {
  if constexpr (std::is_same_v<T, bf16>) {  // an instruction each, where halves of a register would be two
    UNROLL
    for (int i = 0; i < 4; i++) {
      out[2 * i] = __uint_as_float(v.w[i] << 16);
      out[2 * i + 1] = __uint_as_float(v.w[i] & 0xffff0000u);
    }
  } else {
    T values[16 / sizeof(T)];
    memcpy(values, &v, 16);
    UNROLL
    for (int i = 0; i < VEC<T>; i++) out[i] = to_float(values[i]);
  }
}

// ---- global memory ----

template <class T>
DEVICE T load(const T* p) {
#if !defined(__CUDACC__)
  host::count_read(sizeof(T));
#endif
  return *p;
}
template <class T>
DEVICE void store(T* p, T value) {
#if !defined(__CUDACC__)
  host::count_write(sizeof(T));
#endif
  *p = value;
}
// For what another block of the same launch has written: not from the incoherent cache.
template <class T>
DEVICE T load_coherent(const T* p) {
#if defined(__CUDACC__)
  if constexpr (sizeof(T) == 16) {
    uint4 bits = __ldcg(reinterpret_cast<const uint4*>(p));
    T value;
    memcpy(&value, &bits, 16);
    return value;
  } else {
    return __ldcg(p);
  }
#else
  host::count_read(sizeof(T));
  return *p;
#endif
}

// FMAs outside a tile product (prims.h counts those itself), for the host layer's counter.
DEVICE void count_flops(int flops) {
#if !defined(__CUDACC__)
  host::count_flops(uint64_t(flops));
#endif
}

// An index that came from memory. The host layer ends the launch with one sentence if it is wild; a GPU trusts it, since
// whatever wrote it passed the host layer's tests.
DEVICE int checked(int index, int limit, const char* what SITE_LAST) {
#if !defined(__CUDACC__)
  if (index < 0 || index >= limit) {
    host::fail(at, "%s is %d; it must be at least 0 and below %d", what, index, limit);
  }
#endif
  return index;
}

// ---- shared memory ----

// SHARED(float, sums, 4): an array of the block with a size known to the compiler.
#if defined(__CUDACC__)
#define SHARED(type, name, n) __shared__ type name[n]
#else
#define SHARED(type, name, n) \
  static char name##_tag;     \
  type(&name)[n] = *reinterpret_cast<type(*)[n]>(host::static_shared(&name##_tag, sizeof(type) * (n)))
#endif

// Carves the launch's dynamic shared memory into pieces, in the same order in every thread.
struct Smem {
#if defined(__CUDACC__)
  unsigned used = 0;
  template <class T>
  __device__ __forceinline__ T* take(unsigned n) {
    extern __shared__ __align__(1024) unsigned char dynamic_shared[];
    T* piece = reinterpret_cast<T*>(dynamic_shared + used);
    used += (n * unsigned(sizeof(T)) + 127u) / 128u * 128u;
    return piece;
  }
#else
  template <class T>
  T* take(unsigned n, SITE) {
    return static_cast<T*>(host::dynamic_shared(n * sizeof(T), at));
  }
#endif
};
// Bytes that take<T>(n) uses, for the launch.
template <class T>
constexpr size_t smem_bytes(size_t n) {
  return (n * sizeof(T) + 127) / 128 * 128;
}
