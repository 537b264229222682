// What a kernel sees of the host layer: CUDA's words, executed on the CPU. Included by kernels/gpu/gpu.h only.
//
// Every CUDA thread is a fiber. A block lives on one OS thread of the layer; blocks are dealt to them by a counter. A
// fiber runs until it blocks (barrier, warp collective) or, under a random schedule, is preempted. A mistake that the
// layer sees ends the launch with one sentence naming file, line, block and thread; it never ends the process.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>
#include <vector>

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace host {

// Place in a kernel's source, for messages.
struct Site {
  const char* file;
  int line;
  static constexpr Site here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

// One CUDA thread of the block that this OS thread runs.
struct Thread {
  dim3 index, block, block_dim, grid_dim;
  unsigned number, lane, warp;
  unsigned carved;  // pieces of dynamic shared memory taken so far
  struct Fiber* fiber;
  void* tsan;
  Site waits_at;
  const char* waits_in;
};
extern __thread Thread* current;

[[noreturn]] void fail(Site at, const char* format, ...) __attribute__((format(printf, 2, 3)));

// Fails unless these bytes lie in one slot, if the allocation they begin in is a pool (slots.h).
void check_slot(const void* first, size_t bytes, const char* what, Site at);

// ---- launching ----
using Body = void (*)(const void* arguments);
struct Argument {
  const void* bytes;
  size_t size;
};
// Runs a grid on the layer's threads and waits for it. Throws std::runtime_error with the sentence of the first failure.
void launch(const char* kernel, dim3 grid, dim3 block, size_t shared, Body body, const void* packed,
            const Argument* arguments, int count);

// ---- blocking ----
void barrier(Site at);
// A collective of the lanes in `mask`: each brings its operands; the last to arrive runs `op` for all. `orders` says
// whether it is also a memory barrier among them, which only __syncwarp is.
using WarpOp = void (*)(uint32_t mask, void* const* operands, Site at);
void collective(uint32_t mask, WarpOp op, void* operands, const char* what, bool orders, Site at);
void maybe_preempt();  // under a random schedule another thread may run now
// Lets other OS threads run, on which blocks are that this one waits for; fails when the launch has failed.
void wait_for_others(Site at);

// ---- shared memory: every piece is an allocation of its own, filled with NaN for every block ----
void* dynamic_shared(size_t bytes, Site at);
void* static_shared(const void* tag, size_t bytes, Site at = Site::here());

// ---- cp.async: the destination is poisoned at once, the bytes arrive at the wait ----
void copy_async(void* to, const void* from, unsigned bytes, unsigned valid, Site at);
void copy_commit();
void copy_wait(int groups_left);

// ---- counting work ----
#ifdef HOST_TSAN
inline void count_read(size_t) {}
inline void count_write(size_t) {}
#else
struct Work {
  uint64_t read, written, flops, barriers, collectives, switches;
};
extern __thread Work work;
inline void count_read(size_t bytes) { work.read += bytes; }
inline void count_write(size_t bytes) { work.written += bytes; }
#endif
void count_flops(uint64_t flops);

template <class... P>
struct Packed {
  void (*kernel)(P...);
  std::tuple<P...> arguments;
};

// The name of a kernel as the compiler writes it: "gather_rows_kernel<uint4>".
template <auto Kernel>
const char* kernel_name() {
  return __PRETTY_FUNCTION__;
}

// Puts a launch on a stream. When it runs is the machine's: at once (platform.cpp), or when a made-up GPU gets to it
// (native/test/fake_cuda). `arguments` are the kernel's, until the call returns.
using Launch = std::function<void()>;
void submit(void* stream, const char* kernel, const Argument* arguments, int count, Launch launch);

template <auto Kernel, class... P>
void launch_packed(void* stream, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, P... values) {
  Argument arguments[] = {{&values, sizeof(P)}...};
  submit(stream, kernel_name<Kernel>(), arguments, int(sizeof...(P)), [=] {
    Packed<P...> packed{kernel, std::tuple<P...>(values...)};
    Argument arguments[] = {{&values, sizeof(P)}...};
    Body body = [](const void* p) {
      auto* packed = static_cast<const Packed<P...>*>(p);
      std::apply(packed->kernel, packed->arguments);
    };
    launch(kernel_name<Kernel>(), grid, block, shared, body, &packed, arguments, int(sizeof...(P)));
  });
}

struct Shuffle {
  uint64_t in, out;
  int source;
};
void shuffle_op(uint32_t mask, void* const* operands, Site at);
struct Vote {
  uint32_t in, out;
};
void ballot_op(uint32_t mask, void* const* operands, Site at);
void match_op(uint32_t mask, void* const* operands, Site at);
void nothing_op(uint32_t mask, void* const* operands, Site at);

template <class T>
T shuffle(uint32_t mask, T value, int source, Site at) {
  static_assert(sizeof(T) <= 8);
  Shuffle s{0, 0, source};
  std::memcpy(&s.in, &value, sizeof(T));
  collective(mask, shuffle_op, &s, "shuffle", false, at);
  std::memcpy(&value, &s.out, sizeof(T));
  return value;
}

}  // namespace host

// ---- CUDA's words ----
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define threadIdx (host::current->index)
#define blockIdx (host::current->block)
#define blockDim (host::current->block_dim)
#define gridDim (host::current->grid_dim)

inline void __syncthreads(host::Site at = host::Site::here()) { host::barrier(at); }
inline void __syncwarp(unsigned mask = ~0u, host::Site at = host::Site::here()) {
  char none;
  host::collective(mask, host::nothing_op, &none, "__syncwarp", true, at);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, host::Site at = host::Site::here()) {
  return host::shuffle(mask, value, source & 31, at);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, host::Site at = host::Site::here()) {
  return host::shuffle(mask, value, int(host::current->lane) ^ bits, at);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, host::Site at = host::Site::here()) {
  int lane = int(host::current->lane), source = lane - int(by);
  return host::shuffle(mask, value, source < 0 ? lane : source, at);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, host::Site at = host::Site::here()) {
  int lane = int(host::current->lane), source = lane + int(by);
  return host::shuffle(mask, value, source > 31 ? lane : source, at);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, host::Site at = host::Site::here()) {
  host::Vote v{predicate != 0, 0};
  host::collective(mask, host::ballot_op, &v, "__ballot_sync", false, at);
  return v.out;
}
inline int __any_sync(unsigned mask, int predicate, host::Site at = host::Site::here()) {
  return __ballot_sync(mask, predicate, at) != 0;
}
inline unsigned __match_any_sync(unsigned mask, unsigned value, host::Site at = host::Site::here()) {
  host::Vote v{value, 0};
  host::collective(mask, host::match_op, &v, "__match_any_sync", false, at);
  return v.out;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(unsigned x) { return x ? __builtin_clz(x) : 32; }
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return uint32_t((uint64_t(a) * b) >> 32); }
inline uint64_t __umul64hi(uint64_t a, uint64_t b) { return uint64_t((__uint128_t(a) * b) >> 64); }
inline uint32_t __float_as_uint(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return u;
}
inline float __uint_as_float(uint32_t u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
