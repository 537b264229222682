// The machine is an NVIDIA GPU. cudart is linked statically, so only a driver is needed at run time.
#include <cstdio>

#include "runtime/platform.h"

namespace gpu {

void check(cudaError_t result, const char* call) {
  if (result == cudaSuccess) return;
  cudaGetLastError();  // a failed launch must not fail the next call too
  std::string sentence = std::string(call) + ": " + cudaGetErrorString(result);
  switch (result) {
    case cudaErrorMemoryAllocation: throw Error(STARLING_OUT_OF_MEMORY, sentence);
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorNoKernelImageForDevice: throw Error(STARLING_NO_DEVICE, sentence);
    default: throw Error(STARLING_KERNEL_FAULT, sentence);
  }
}

}  // namespace gpu

namespace platform {

using gpu::check;

struct Event {
  cudaEvent_t event;
};

const char* backend() { return "cuda"; }

static std::string version(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

std::string probe() {
  int driver = 0, runtime = 0, devices = 0, device = 0;
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  if (driver == 0) throw gpu::Error(STARLING_NO_DEVICE, "no driver: libcuda.so.1 of an NVIDIA driver is not on this machine");
  if (driver < runtime) {
    throw gpu::Error(STARLING_NO_DEVICE, "driver too old: it supports CUDA " + version(driver) + ", these kernels need " +
                                             version(runtime) + "; install an NVIDIA driver of release 580 or newer");
  }
  cudaError_t counted = cudaGetDeviceCount(&devices);
  if (counted != cudaSuccess || devices == 0) {
    cudaGetLastError();
    throw gpu::Error(STARLING_NO_DEVICE, std::string("no GPU: ") + cudaGetErrorString(counted));
  }
  check(cudaGetDevice(&device), "cudaGetDevice");
  cudaDeviceProp p;
  check(cudaGetDeviceProperties(&p, device), "cudaGetDeviceProperties");
  starling_stream* stream = nullptr;
  void* counter = nullptr;
  int value = 0;
  int status = starling_stream_create(&stream, nullptr);
  if (!status) status = starling_allocate(&counter, 4);
  if (!status) status = starling_advance(static_cast<int32_t*>(counter), 1, 7, stream);
  if (!status) status = starling_download(&value, 4, counter, 4, 4, 1, stream);
  std::string why = status ? starling_error() : "";
  starling_free(counter);
  starling_stream_destroy(stream);
  if (status == STARLING_NO_DEVICE) {
    why = "no kernels for compute capability " + std::to_string(p.major) + "." + std::to_string(p.minor) + " of " + p.name;
  }
  if (status) throw gpu::Error(status, why);
  if (value != 7) throw gpu::Error(STARLING_KERNEL_FAULT, "a tiny kernel on this GPU gave a wrong result");
  char line[400];
  snprintf(line, sizeof line, "%s, compute capability %d.%d, %.1f GiB, driver CUDA %s", p.name, p.major, p.minor,
           double(p.totalGlobalMem) / (1 << 30), version(driver).c_str());
  return line;
}

void* allocate(int64_t bytes) {
  void* memory = nullptr;
  cudaError_t result = cudaMalloc(&memory, size_t(bytes ? bytes : 1));
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw gpu::Error(STARLING_OUT_OF_MEMORY, "out of device memory: " + std::to_string(bytes) + " bytes asked, " +
                                                 std::to_string(free) + " of " + std::to_string(total) + " free");
  }
  check(result, "cudaMalloc");
  check(cudaMemset(memory, 0, size_t(bytes)), "cudaMemset");
  return memory;
}

void release(void* memory) { check(cudaFree(memory), "cudaFree"); }

void copy(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows,
          Direction direction, gpu::Stream stream) {
  cudaMemcpyKind kind = direction == Direction::TO_DEVICE ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost;
  bool one = rows == 1 || (dst_stride == width && src_stride == width);
  if (one) {
    check(cudaMemcpyAsync(dst, src, size_t(width * rows), kind, stream), "cudaMemcpy");
  } else {
    check(cudaMemcpy2DAsync(dst, dst_stride, src, src_stride, width, rows, kind, stream), "cudaMemcpy2D");
  }
  wait(stream);
}

gpu::Stream create_stream() {
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}
void destroy_stream(gpu::Stream stream) { check(cudaStreamDestroy(stream), "cudaStreamDestroy"); }
void wait(gpu::Stream stream) { check(cudaStreamSynchronize(stream), "the work before"); }

Event* create_event() {
  auto* e = new Event;
  check(cudaEventCreate(&e->event), "cudaEventCreate");
  return e;
}
void destroy_event(Event* e) {
  check(cudaEventDestroy(e->event), "cudaEventDestroy");
  delete e;
}
void record(Event* e, gpu::Stream stream) { check(cudaEventRecord(e->event, stream), "cudaEventRecord"); }
double elapsed(Event* from, Event* to) {
  float ms = 0;
  check(cudaEventSynchronize(to->event), "cudaEventSynchronize");
  check(cudaEventElapsedTime(&ms, from->event, to->event), "cudaEventElapsedTime");
  return ms;
}

}  // namespace platform
