// The launching half of an operator: checks, types, grids. What fails here throws; `guarded` turns it into a status and
// one sentence at the C boundary.
#pragma once
#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gpu.h"
#include "starling.h"

namespace gpu {

#if defined(__CUDACC__)
using Stream = cudaStream_t;
#else
using Stream = void*;
#endif

struct Error : std::runtime_error {
  int status;
  Error(int status, const std::string& sentence) : std::runtime_error(sentence), status(status) {}
};

#if defined(__CUDACC__)
// Throws what a CUDA call reports.
void check(cudaError_t result, const char* call);
#endif

// Runs `body` and returns its status; the sentence is kept for starling_error.
int failed(int status, const char* sentence);
template <class Body>
int guarded(Body body) {
  try {
    body();
    return STARLING_OK;
  } catch (const Error& e) {
    return failed(e.status, e.what());
  } catch (const std::bad_alloc&) {
    return failed(STARLING_OUT_OF_MEMORY, "out of host memory");
  } catch (const std::exception& e) {
    return failed(STARLING_KERNEL_FAULT, e.what());
  }
}

inline void require(bool condition, const char* sentence) {
  if (!condition) throw Error(STARLING_INVALID_ARGUMENT, sentence);
}

// Refuses a launch whose blocks take more shared memory than one may have on this device: 99 KB on a consumer card, 163 KB
// on sm_80, 227 KB on sm_90 and sm_100.
void require_shared(size_t bytes);

// launch<kernel<T>>(grid, block, shared bytes, stream, arguments…): the one place that starts a kernel.
template <auto Kernel, class... P>
void launch_as(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, Stream stream, P... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
#if defined(__CUDACC__)
  if (shared > 40 * 1024) {  // unasked a block has 48 KB, SHARED included
    auto* of = reinterpret_cast<const void*>(kernel);
    cudaFuncAttributes fixed;
    check(cudaFuncGetAttributes(&fixed, of), "cudaFuncGetAttributes");
    require_shared(fixed.sharedSizeBytes + shared);
    check(cudaFuncSetAttribute(of, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared)), "cudaFuncSetAttribute");
  }
  kernel<<<grid, block, shared, stream>>>(arguments...);
  check(cudaGetLastError(), "launch");
#else
  require_shared(shared);  // what SHARED takes is known when a block runs: the host layer adds it
  host::launch_packed<Kernel>(stream, kernel, grid, block, shared, arguments...);
#endif
}
template <auto Kernel, class... A>
void launch(dim3 grid, dim3 block, size_t shared, starling_stream* stream, A... arguments);

// Calls body<T>() with the element type.
template <class Body>
void with_type(int dtype, Body body) {
  switch (dtype) {
    case STARLING_F32: return body.template operator()<float>();
    case STARLING_BF16: return body.template operator()<bf16>();
    case STARLING_F16: return body.template operator()<f16>();
    default: throw Error(STARLING_INVALID_ARGUMENT, "dtype " + std::to_string(dtype) + " is not f32, bf16 or f16");
  }
}

// Calls body<D>() with the head size.
template <class Body>
void with_head(int head_size, Body body) {
  switch (head_size) {
    case 32: return body.template operator()<32>();
    case 64: return body.template operator()<64>();
    case 80: return body.template operator()<80>();
    case 128: return body.template operator()<128>();
    default:
      throw Error(STARLING_INVALID_ARGUMENT,
                  "head size " + std::to_string(head_size) + " is not 32, 64, 80 or 128; pad the heads with zeros");
  }
}

inline unsigned ceil_div(int64_t a, int64_t b) { return unsigned((a + b - 1) / b); }

inline bool aligned(const void* p, int64_t row_bytes, unsigned to) {
  return (reinterpret_cast<uintptr_t>(p) | uint64_t(row_bytes)) % to == 0;
}
// Rows that are read sixteen bytes at a time.
template <class T>
void require_rows16(const T* p, int64_t stride, const char* name) {
  if (!aligned(p, stride * int64_t(sizeof(T)), 16)) {
    throw Error(STARLING_INVALID_ARGUMENT, std::string(name) + ": every row must start at a multiple of 16 bytes");
  }
}

}  // namespace gpu

namespace platform {
struct Staging;
}

// A stream, its scratch memory and its tickets. One thread at a time.
struct starling_stream {
  gpu::Stream handle;
  bool owned;
  void* scratch;
  size_t scratch_bytes;
  unsigned* tickets;                     // [STREAM_TICKETS], zero between launches
  bool scratch_captured = false;         // a graph has its address
  std::vector<void*> captured = {};      // scratch that has been outgrown and is in a graph
  std::vector<void*> freed = {};         // while the stream was captured
  bool capturing = false;                // from capture_begin to capture_end
  platform::Staging* staging = nullptr;  // what its uploads go through
  std::string refused = {};              // why what is captured cannot become a graph
};

namespace gpu {

constexpr int STREAM_TICKETS = 65536;

// Scratch of at least `bytes`, valid until the next operator on this stream asks. Grows in the order of the stream's work,
// and not while the stream is captured. What it holds at first is not defined.
void* scratch(starling_stream* stream, size_t bytes);

template <auto Kernel, class... A>
void launch(dim3 grid, dim3 block, size_t shared, starling_stream* stream, A... arguments) {
  auto start = [&]<class... P>(void (*kernel)(P...)) {
    launch_as<Kernel, P...>(kernel, grid, block, shared, stream->handle, P(arguments)...);
  };
#if defined(__CUDACC__)
  start(Kernel);
#else
  try {
    start(Kernel);
  } catch (...) {
    std::fill_n(stream->tickets, STREAM_TICKETS, 0u);  // blocks were abandoned; the next launch finds them as new
    throw;
  }
#endif
}

}  // namespace gpu
