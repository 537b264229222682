// The machine is an NVIDIA GPU. cudart is linked statically, so only a driver is needed at run time.
//
// native/test/fake_cuda has the same CUDA calls for a machine without a GPU, with faults to order: what this file says and
// does about them is tested there.
#include <cuda_runtime.h>

#include <atomic>
#include <cstdio>
#include <cstring>

#include "runtime/platform.h"
#include "staging.h"
#include "starling_bench.h"

namespace gpu {

// The first error after which this process can do nothing more on the GPU.
static std::atomic<cudaError_t> dead{cudaSuccess};

static bool ends_the_context(cudaError_t result) {
  switch (result) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorECCUncorrectable: return true;
    default: return false;
  }
}

void check(cudaError_t result, const char* call) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // a failed launch must not fail the next call too
  if (ends_the_context(result)) {
    dead = result;
    throw Error(STARLING_KERNEL_FAULT, std::string("the GPU stopped a kernel (") + cudaGetErrorString(result) +
                                           "); this process can do nothing more on it");
  }
  std::string sentence = std::string(call) + ": " + cudaGetErrorString(result);
  switch (result) {
    case cudaErrorMemoryAllocation: throw Error(STARLING_OUT_OF_MEMORY, sentence);
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoKernelImageForDevice: throw Error(STARLING_NO_DEVICE, sentence);
    default: throw Error(STARLING_KERNEL_FAULT, sentence);
  }
}

// Giving back: when the context is gone, so is what it held, and whoever cleans up has heard why.
static void check_release(cudaError_t result, const char* call) {
  if (dead != cudaSuccess) {
    cudaGetLastError();
    return;
  }
  check(result, call);
}

}  // namespace gpu

namespace platform {

using gpu::check;
using gpu::check_release;

struct Event {
  cudaEvent_t event;
};
struct Graph {
  cudaGraphExec_t graph;
};

const char* backend() { return "cuda"; }

// What nvcc compiled for, "80 90a+PTX 80": native/cuda/CMakeLists.txt.
#if !defined(STARLING_CUDA_TARGETS)
#define STARLING_CUDA_TARGETS "unknown"
#endif

static std::string version(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

int card_count() {
  int driver = 0, runtime = 0, devices = 0;
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  if (driver == 0)
    throw gpu::Error(STARLING_NO_DEVICE, "no driver: libcuda.so.1 of an NVIDIA driver is not on this machine");
  if (driver / 1000 < runtime / 1000) {
    throw gpu::Error(STARLING_NO_DEVICE, "driver too old: it supports CUDA " + version(driver) + ", these kernels need " +
                                             version(runtime) + "; install an NVIDIA driver of release 580 or newer");
  }
  cudaError_t counted = cudaGetDeviceCount(&devices);
  if (counted == cudaErrorNoDevice) {
    cudaGetLastError();
    devices = 0;
  } else {
    check(counted, "cudaGetDeviceCount");
  }
  return devices;
}

starling_card card(int index) {
  cudaDeviceProp p;
  check(cudaGetDeviceProperties(&p, index), "cudaGetDeviceProperties");
  starling_card c{};
  snprintf(c.name, sizeof c.name, "%.127s", p.name);
  c.mig = strstr(p.name, "MIG") != nullptr;
  const auto* u = reinterpret_cast<const unsigned char*>(p.uuid.bytes);
  snprintf(c.uuid, sizeof c.uuid, "%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
           c.mig ? "MIG" : "GPU", u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
           u[14], u[15]);
  c.memory_bytes = int64_t(p.totalGlobalMem);
  c.free_bytes = -1;
  int current = 0;
  size_t free = 0, total = 0;
  if (cudaGetDevice(&current) == cudaSuccess && current == index && cudaMemGetInfo(&free, &total) == cudaSuccess) {
    c.free_bytes = int64_t(free);
  }
  cudaGetLastError();
  c.l2_bytes = p.l2CacheSize;
  c.multiprocessors = p.multiProcessorCount;
  c.major = p.major;
  c.minor = p.minor;
  check(cudaDriverGetVersion(&c.driver), "cudaDriverGetVersion");
  return c;
}

size_t shared_limit() {
  int device = 0, bytes = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute");
  return size_t(bytes);
}

std::string probe() {
  if (card_count() == 0) {
    const char* visible = getenv("CUDA_VISIBLE_DEVICES");
    throw gpu::Error(STARLING_NO_DEVICE, visible
                                             ? std::string("no GPU is visible: CUDA_VISIBLE_DEVICES is '") + visible + "'"
                                             : std::string("no GPU: the NVIDIA driver finds none"));
  }
  starling_card c = card(0);
  starling_stream* stream = nullptr;
  void* counter = nullptr;
  int value = 0;
  int status = starling_stream_create(&stream, nullptr);
  if (!status) status = starling_allocate(&counter, 4, stream);
  if (!status) status = starling_add(static_cast<int32_t*>(counter), 1, 7, stream);
  if (!status) status = starling_download(&value, 4, counter, 4, 4, 1, stream);
  std::string why = status ? starling_error() : "";
  starling_free(counter, stream);
  starling_stream_destroy(stream);
  if (status == STARLING_NO_DEVICE) {
    why = std::string("no kernel runs on ") + c.name + ", compute capability " + std::to_string(c.major) + "." +
          std::to_string(c.minor) + "; this library was compiled for " STARLING_CUDA_TARGETS;
  }
  if (status) throw gpu::Error(status, why);
  if (value != 7) {
    throw gpu::Error(STARLING_KERNEL_FAULT,
                     std::string("a tiny kernel on ") + c.name + " gave " + std::to_string(value) + " instead of 7");
  }
  char line[400];
  snprintf(line, sizeof line, "%s (%s), compute capability %d.%d, %.1f GiB, driver for CUDA %s", c.name, c.uuid, c.major,
           c.minor, double(c.memory_bytes) / (1 << 30), version(c.driver).c_str());
  return line;
}

// Some virtual GPUs have no memory in the order of a stream.
static bool ordered_memory() {
  int device = 0, pools = 0;
  bool known = cudaGetDevice(&device) == cudaSuccess &&
               cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, device) == cudaSuccess;
  return known && pools;
}

void* allocate(int64_t bytes, gpu::Stream stream) {
  void* memory = nullptr;
  size_t n = size_t(bytes ? bytes : 1);
  cudaError_t result =
      ordered_memory() ? cudaMallocAsync(&memory, n, static_cast<cudaStream_t>(stream)) : cudaMalloc(&memory, n);
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw gpu::Error(STARLING_OUT_OF_MEMORY, "out of device memory: " + std::to_string(bytes) + " bytes asked, " +
                                                 std::to_string(free) + " of " + std::to_string(total) + " free");
  }
  check(result, "cudaMalloc");
  return memory;
}

// Not cudaMemset: that is on the null stream, for which a non-blocking stream does not wait.
void zero(void* memory, int64_t bytes, gpu::Stream stream) {
  check(cudaMemsetAsync(memory, 0, size_t(bytes), static_cast<cudaStream_t>(stream)), "cudaMemsetAsync");
}

void release(void* memory, gpu::Stream stream) {
  if (ordered_memory()) {
    check_release(cudaFreeAsync(memory, static_cast<cudaStream_t>(stream)), "cudaFreeAsync");
  } else {
    drain(stream);  // cudaFree itself need not wait
    release_unused(memory);
  }
}

void claim_slot(void*, int64_t) {}
void release_slot(void*) {}
void release_unused(void* memory) { check_release(cudaFree(memory), "cudaFree"); }

void destroy_staging(Staging* staging) { delete staging; }

void upload(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows,
            Staging*& staging, gpu::Stream stream) {
  if (!staging) staging = new Staging;
  staging->upload(static_cast<char*>(dst), dst_stride, static_cast<const char*>(src), src_stride, width, rows,
                  static_cast<cudaStream_t>(stream));
}

void download(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows,
              gpu::Stream stream) {
  auto on = static_cast<cudaStream_t>(stream);
  bool one = rows == 1 || (dst_stride == width && src_stride == width);
  if (one) {
    check(cudaMemcpyAsync(dst, src, size_t(width * rows), cudaMemcpyDeviceToHost, on), "cudaMemcpy");
  } else {
    check(cudaMemcpy2DAsync(dst, dst_stride, src, src_stride, width, rows, cudaMemcpyDeviceToHost, on), "cudaMemcpy2D");
  }
  wait(stream);
}

gpu::Stream create_stream() {
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}
gpu::Stream adopt_stream(void* cuda_stream) { return static_cast<cudaStream_t>(cuda_stream); }
void* cuda_stream(gpu::Stream stream) { return stream; }
void destroy_stream(gpu::Stream stream) {
  check_release(cudaStreamDestroy(static_cast<cudaStream_t>(stream)), "cudaStreamDestroy");
}
void wait(gpu::Stream stream) { check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "the work before"); }
void drain(gpu::Stream stream) {
  check_release(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "the work before");
}

Event* create_event() {
  auto* e = new Event;
  check(cudaEventCreate(&e->event), "cudaEventCreate");
  return e;
}
void destroy_event(Event* e) {
  cudaError_t result = cudaEventDestroy(e->event);
  delete e;
  check_release(result, "cudaEventDestroy");
}
void record(Event* e, gpu::Stream stream) {
  check(cudaEventRecord(e->event, static_cast<cudaStream_t>(stream)), "cudaEventRecord");
}
double elapsed(Event* from, Event* to) {
  float ms = 0;
  check(cudaEventSynchronize(to->event), "cudaEventSynchronize");
  check(cudaEventElapsedTime(&ms, from->event, to->event), "cudaEventElapsedTime");
  return ms;
}

// A card that has failed says so in the next call.
bool capturing(gpu::Stream stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  bool known = cudaStreamIsCapturing(static_cast<cudaStream_t>(stream), &status) == cudaSuccess;
  if (!known) cudaGetLastError();
  return known && status != cudaStreamCaptureStatusNone;
}
void capture_begin(gpu::Stream stream) {
  check(cudaStreamBeginCapture(static_cast<cudaStream_t>(stream), cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
}
Graph* capture_end(gpu::Stream stream) {
  cudaGraph_t captured = nullptr;  // stays null if something spoilt the capture
  check(cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &captured), "cudaStreamEndCapture");
  cudaGraphExec_t graph = nullptr;
  cudaError_t result = cudaGraphInstantiate(&graph, captured, 0);
  cudaGraphDestroy(captured);
  check(result, "cudaGraphInstantiate");
  return new Graph{graph};
}
void capture_drop(gpu::Stream stream) {
  cudaGraph_t captured = nullptr;
  cudaStreamEndCapture(static_cast<cudaStream_t>(stream), &captured);
  if (captured) cudaGraphDestroy(captured);
  cudaGetLastError();
}
void launch(Graph* g, gpu::Stream stream) {
  check(cudaGraphLaunch(g->graph, static_cast<cudaStream_t>(stream)), "cudaGraphLaunch");
}
void destroy_graph(Graph* g) {
  cudaError_t result = cudaGraphExecDestroy(g->graph);
  delete g;
  check_release(result, "cudaGraphExecDestroy");
}

}  // namespace platform
