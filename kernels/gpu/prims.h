// Primitives of a warp and of a block: each an instruction or two on a GPU, emulated lane by lane on the host layer. The
// only file with asm: every asm here is volatile with a memory clobber where it touches memory, so that the compiler
// moves nothing across it.
//
// A tile product is 16×8×16 (mma.m16n8k16). Lane = 4·g + t holds of the accumulator rows g and g + 8, columns 2t and
// 2t + 1: acc[0], acc[1] of row g, acc[2], acc[3] of row g + 8. f32 operands use the same layout with ordinary FMAs, never
// TF32, so one source serves all three types.
#pragma once
#include "gpu.h"
#if !defined(__CUDACC__)
#include "warp_ops.h"
#endif

constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr float LOG2_E = 1.44269504088896340736f;

DEVICE int lane_id() { return int(threadIdx.x) & 31; }
DEVICE int warp_id() { return int(threadIdx.x) >> 5; }

// 2^x; on a GPU within 2 ulp, subnormal results are 0.
DEVICE float exp2_fast(float x) {
#if defined(__CUDACC__)
  float y;
  asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

// ---- reductions of a warp: every lane gets the result; the order of additions is a fixed butterfly ----

DEVICE float warp_sum(float x SITE_LAST) {
#if defined(__CUDACC__)
  UNROLL
  for (int bits = 16; bits; bits >>= 1) x += __shfl_xor_sync(ALL_LANES, x, bits);
  return x;
#else
  host::Reduction r{x};
  host::collective(ALL_LANES, host::sum_op, &r, "warp_sum", false, at);
  return r.value;
#endif
}
DEVICE float warp_max(float x SITE_LAST) {
#if defined(__CUDACC__)
  UNROLL
  for (int bits = 16; bits; bits >>= 1) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, bits));
  return x;
#else
  host::Reduction r{x};
  host::collective(ALL_LANES, host::max_op, &r, "warp_max", false, at);
  return r.value;
#endif
}

// ---- atomics on integers; floats are never added atomically ----

template <class T>
DEVICE T atomic_add(T* p, T value) {
  static_assert(T(0.5) == T(0), "integers only: the order of float additions would not be fixed");
#if defined(__CUDACC__)
  return atomicAdd(p, value);
#else
  host::maybe_preempt();
  return __atomic_fetch_add(p, value, __ATOMIC_RELAXED);
#endif
}
template <class T>
DEVICE T atomic_or(T* p, T value) {
#if defined(__CUDACC__)
  return atomicOr(p, value);
#else
  host::maybe_preempt();
  return __atomic_fetch_or(p, value, __ATOMIC_RELAXED);
#endif
}

// ---- from block to block ----

// Called by all threads of a block after it has written its part: true in the block that comes last of `blocks`, which
// may then read what all the others wrote (with load_coherent). With `arrive` and `wait_until` the only way data passes
// between blocks of a launch: release and acquire at device scope. The ticket is 0 before and after.
DEVICE bool last_block(unsigned* ticket, unsigned blocks SITE_LAST) {
  SHARED(unsigned, order, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
#if defined(__CUDACC__)
    unsigned before;
    asm volatile("atom.add.acq_rel.gpu.global.u32 %0, [%1], 1;" : "=r"(before) : "l"(ticket) : "memory");
#else
    host::maybe_preempt();
    unsigned before = __atomic_fetch_add(ticket, 1u, __ATOMIC_ACQ_REL);
    if (before >= blocks) host::fail(at, "a ticket was not 0 before the launch");
#endif
    order[0] = before;
    if (before == blocks - 1) *ticket = 0;
  }
  __syncthreads();
  bool last = order[0] == blocks - 1;
  __syncthreads();  // `order` may be used again
  return last;
}

// The next number of a launch, for all threads of a block: blocks have numbers in the order in which they start. The counter
// is 0 before; `reset` it when all have taken theirs.
DEVICE unsigned take_number(unsigned* counter) {
  SHARED(unsigned, number, 1);
  if (threadIdx.x == 0) number[0] = atomic_add(counter, 1u);
  __syncthreads();
  return number[0];
}

// Called by all threads of a block after it has written something: says so to those who wait.
DEVICE void arrive(unsigned* counter) {
  __syncthreads();
  if (threadIdx.x == 0) {
#if defined(__CUDACC__)
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
#else
    host::maybe_preempt();
    __atomic_fetch_add(counter, 1u, __ATOMIC_RELEASE);
#endif
  }
}

// Waits, all threads of a block, until `blocks` have arrived: then what they wrote may be read (with load_coherent). Only for
// blocks with a lower number than one's own, which have started and wait for no higher one: so it ends whatever part of a
// grid the device runs at a time.
DEVICE void wait_until(unsigned* counter, unsigned blocks SITE_LAST) {
  if (threadIdx.x == 0) {
#if defined(__CUDACC__)
    unsigned arrived;
    for (;;) {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(arrived) : "l"(counter) : "memory");
      if (arrived >= blocks) break;
      __nanosleep(100);
    }
#else
    while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < blocks) host::wait_for_others(at);
#endif
  }
  __syncthreads();
}

// Of a counter that no block of the launch will look at again.
DEVICE void reset(unsigned* counter) {
#if defined(__CUDACC__)
  *counter = 0;
#else
  __atomic_store_n(counter, 0u, __ATOMIC_RELAXED);
#endif
}

// ---- asynchronous copies to shared memory ----

#if defined(__CUDACC__)
DEVICE unsigned shared_address(const void* p) { return unsigned(__cvta_generic_to_shared(p)); }
#endif

// Sixteen bytes, of which the first `valid` are read and the rest become zero. Both addresses are multiples of 16.
DEVICE void copy_async(void* to, const void* from, int valid SITE_LAST) {
#if defined(__CUDACC__)
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid) : "memory");
#else
  host::copy_async(to, from, 16, unsigned(valid), at);
#endif
}
DEVICE void copy_commit() {
#if defined(__CUDACC__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  host::copy_commit();
#endif
}
// Waits until at most N groups of this thread are in flight.
template <int N>
DEVICE void copy_wait() {
#if defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#else
  host::copy_wait(N);
#endif
}

// ---- tile products ----

// A of one 16×16 step in registers.
template <class T>
struct Fragment {
  uint32_t r[4];  // r[i]: row g + 8·(i mod 2), columns 2t + 8·(i / 2) and the next
};
template <>
struct Fragment<float> {
  float r[8];  // two accumulators: columns 0 … 7, then 8 … 15
};

#if !defined(__CUDACC__)
template <class T>
constexpr host::Element ELEMENT = sizeof(T) == 4            ? host::Element::F32
                                  : std::is_same_v<T, bf16> ? host::Element::BF16
                                                            : host::Element::F16;
#endif

// Four 8×8 matrices of 16-bit values; lane l gives the address of row l mod 8 of matrix l / 8.
template <bool TRANSPOSED>
DEVICE void load_matrices(uint32_t (&r)[4], const void* row SITE_LAST) {
#if defined(__CUDACC__)
  if (TRANSPOSED) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
  }
#else
  if (reinterpret_cast<uintptr_t>(row) % 16) host::fail(at, "ldmatrix: a row does not start at a multiple of 16 bytes");
  Vec16 own = *static_cast<const Vec16*>(row);
  host::LoadMatrix op{{own.w[0], own.w[1], own.w[2], own.w[3]}, r, TRANSPOSED};
  host::collective(ALL_LANES, host::load_matrix_op, &op, "ldmatrix", false, at);
#endif
}

// A from shared memory: rows 0 … 15 of `tile`, columns 0 … 15, `ld` elements from row to row.
template <class T>
DEVICE void load_fragment(Fragment<T>& a, const T* tile, int ld SITE_LAST) {
  int lane = lane_id(), g = lane / 4, t = lane % 4;
  if constexpr (sizeof(T) == 4) {
    UNROLL
    for (int i = 0; i < 8; i++) a.r[i] = tile[(g + 8 * (i / 2 % 2)) * ld + 8 * (i / 4) + 2 * t + i % 2];
  } else {
#if defined(HOST_COARSE)
    for (int i = 0; i < 4; i++) memcpy(&a.r[i], &tile[(g + 8 * (i % 2)) * ld + 8 * (i / 2) + 2 * t], 4);
#elif defined(__CUDACC__)
    load_matrices<false>(a.r, tile + (lane & 15) * ld + (lane >> 4) * 8);
#else
    load_matrices<false>(a.r, tile + (lane & 15) * ld + (lane >> 4) * 8, at);
#endif
  }
}

// A from two neighbouring accumulators (columns 0 … 7 and 8 … 15), rounded to T: how probabilities become an operand.
template <class T>
DEVICE void fragment_of(Fragment<T>& a, const float (&left)[4], const float (&right)[4]) {
  if constexpr (sizeof(T) == 4) {
    UNROLL
    for (int i = 0; i < 4; i++) {
      a.r[i] = left[i];
      a.r[4 + i] = right[i];
    }
  } else {
    a.r[0] = pack<T>(left[0], left[1]);
    a.r[1] = pack<T>(left[2], left[3]);
    a.r[2] = pack<T>(right[0], right[1]);
    a.r[3] = pack<T>(right[2], right[3]);
  }
}

// c[i] += A·b[i], NT times.
template <int NT, class T>
DEVICE void mma(float (*c)[4], const Fragment<T>& a, const uint32_t (*b)[2] SITE_LAST) {
#if defined(__CUDACC__)
  UNROLL
  for (int i = 0; i < NT; i++) {
    if constexpr (std::is_same_v<T, bf16>) {
      asm volatile(
          "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
          : "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])
          : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "r"(b[i][0]), "r"(b[i][1]));
    } else {
      asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                   : "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3])
                   : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "r"(b[i][0]), "r"(b[i][1]));
    }
  }
#else
  host::Mma op{ELEMENT<T>, a.r, b[0], c[0], NT};
  host::collective(ALL_LANES, host::mma_op, &op, "mma", false, at);
#endif
}

// acc[mt][nt] += Σ_ks a[mt][ks]·B, with B in shared memory, `ld` elements from row to row.
// K_MAJOR: row n of `b` holds the k of column n (keys, weights). Otherwise row k holds the n (values).
template <int MT, int NT, int KS, bool K_MAJOR, class T>
DEVICE void tile_mma(float (&acc)[MT][NT][4], const Fragment<T> (&a)[MT][KS], const T* b, int ld SITE_LAST) {
#if defined(HOST_COARSE)
  host::Tile op{ELEMENT<T>, a, b, &acc[0][0][0], ld, MT, NT, KS, K_MAJOR};
  host::collective(ALL_LANES, host::tile_op, &op, "tile_mma", false, at);
#else
  int lane = lane_id();
  UNROLL
  for (int ks = 0; ks < KS; ks++) {
    if constexpr (sizeof(T) == 4) {
      int t = lane % 4;
      UNROLL
      for (int k = 0; k < 16; k++) {
        // Column k of A lies with one lane of the quad.
        float low[MT], high[MT];
        UNROLL
        for (int mt = 0; mt < MT; mt++) {
          low[mt] = __shfl_sync(ALL_LANES, a[mt][ks].r[k / 8 * 4 + k % 2], (lane & ~3) | k % 8 / 2);
          high[mt] = __shfl_sync(ALL_LANES, a[mt][ks].r[k / 8 * 4 + 2 + k % 2], (lane & ~3) | k % 8 / 2);
        }
        UNROLL
        for (int nt = 0; nt < NT; nt++) {
          int n = nt * 8 + 2 * t, kk = ks * 16 + k;
          float b0 = K_MAJOR ? b[n * ld + kk] : b[kk * ld + n];
          float b1 = K_MAJOR ? b[(n + 1) * ld + kk] : b[kk * ld + n + 1];
          UNROLL
          for (int mt = 0; mt < MT; mt++) {
            acc[mt][nt][0] = fmaf(low[mt], b0, acc[mt][nt][0]);
            acc[mt][nt][1] = fmaf(low[mt], b1, acc[mt][nt][1]);
            acc[mt][nt][2] = fmaf(high[mt], b0, acc[mt][nt][2]);
            acc[mt][nt][3] = fmaf(high[mt], b1, acc[mt][nt][3]);
          }
        }
      }
#if !defined(__CUDACC__)
      if (lane == 0) host::count_flops(2ull * 16 * MT * 8 * NT * 16);
#endif
    } else {
      uint32_t bf[NT][2];
      UNROLL
      for (int nt = 0; nt < NT; nt += 2) {
        uint32_t r[4];
        if (K_MAJOR) {
          load_matrices<false>(r, b + (nt * 8 + (lane & 7) + (lane >> 4 << 3)) * ld + ks * 16 + (lane >> 3 & 1) * 8);
        } else {
          load_matrices<true>(r, b + (ks * 16 + (lane & 15)) * ld + nt * 8 + (lane >> 4) * 8);
        }
        bf[nt][0] = r[0];
        bf[nt][1] = r[1];
        bf[nt + 1][0] = r[2];
        bf[nt + 1][1] = r[3];
      }
      UNROLL
      for (int mt = 0; mt < MT; mt++) mma<NT, T>(acc[mt], a[mt][ks], bf);
    }
  }
#endif
}

// Elements from row to row of a tile in shared memory: 16 bytes more than the row, so that eight rows lie in eight
// different groups of banks.
template <class T, int COLUMNS>
constexpr int PADDED = COLUMNS + VEC<T>;
