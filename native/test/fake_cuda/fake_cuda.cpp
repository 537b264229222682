#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sstream>
#include <string>

#include "cuda_runtime.h"
#include "host/layer.h"

namespace {

struct Orders {
  int driver = 13000, devices = 1, image = 1, mute = 0, mig = 0;
  long memory = 8l << 30;
  int fault = 0;     // the n-th launch from now faults; its wait reports it, and so does every call after
  double clock = 1;     // event times are multiplied by this
  double constant = 0;  // or are always this, in milliseconds
} orders;

std::mutex mutex;
std::map<void*, size_t> sizes;
size_t used = 0;
bool faulted = false;

void order(const char* text) {
  orders = Orders{};
  faulted = false;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    size_t equals = word.find('=');
    std::string key = word.substr(0, equals);
    double value = atof(word.substr(equals + 1).c_str());
    if (key == "driver") orders.driver = int(value);
    else if (key == "devices") orders.devices = int(value);
    else if (key == "image") orders.image = int(value);
    else if (key == "mute") orders.mute = int(value);
    else if (key == "mig") orders.mig = int(value);
    else if (key == "memory") orders.memory = long(value);
    else if (key == "fault") orders.fault = int(value);
    else if (key == "clock") orders.clock = value;
    else if (key == "constant") orders.constant = value;
    else fprintf(stderr, "fake_cuda: %s is not known\n", key.c_str()), abort();
  }
}

const bool started = [] {
  if (const char* text = getenv("FAKE_CUDA")) order(text);
  return true;
}();

cudaError_t state() { return faulted ? cudaErrorIllegalAddress : cudaSuccess; }

}  // namespace

extern "C" __attribute__((visibility("default"))) void fake_cuda(const char* text) { order(text); }

struct FakeEvent {
  std::chrono::steady_clock::time_point time;
};
struct FakeGraph {
  host::Launches launches;
};

// host::launch, through which every kernel goes (the linker's --wrap).
#define LAUNCH(prefix) \
  prefix##_ZN4host6launchEPKc4dim3S2_mPFvPKvES4_PKNS_8ArgumentEi
extern "C" void LAUNCH(__real_)(const char*, dim3, dim3, size_t, host::Body, const void*, const host::Argument*, int);
extern "C" void LAUNCH(__wrap_)(const char* kernel, dim3 grid, dim3 block, size_t shared, host::Body body,
                                const void* packed, const host::Argument* arguments, int count) {
  if (!orders.image) gpu::check(cudaErrorNoKernelImageForDevice, "launch");
  gpu::check(state(), "launch");
  if (orders.fault && --orders.fault == 0) faulted = true;
  if (orders.mute || faulted) return;
  LAUNCH(__real_)(kernel, grid, block, shared, body, packed, arguments, count);
}

cudaError_t cudaGetLastError() { return state(); }
const char* cudaGetErrorString(cudaError_t e) {
  switch (e) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorNoKernelImageForDevice: return "no kernel image is available for execution on the device";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    default: return "an error";
  }
}
cudaError_t cudaRuntimeGetVersion(int* v) { return *v = 13000, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* v) { return *v = orders.driver, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* n) { return *n = orders.devices, orders.devices ? cudaSuccess : cudaErrorNoDevice; }
cudaError_t cudaGetDevice(int* d) { return *d = 0, cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  *p = cudaDeviceProp{};
  strcpy(p->name, orders.mig ? "Fake GPU MIG 1g.10gb" : "Fake GPU");
  for (int i = 0; i < 16; i++) p->uuid.bytes[i] = char(17 * i);
  p->totalGlobalMem = size_t(orders.memory);
  p->l2CacheSize = 1 << 20;
  p->multiProcessorCount = 2;
  p->major = 9;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = size_t(orders.memory);
  *free = *total - std::min(used, *total);
  return state();
}
cudaError_t cudaMalloc(void** p, size_t bytes) {
  std::lock_guard lock(mutex);
  if (used + bytes > size_t(orders.memory)) return cudaErrorMemoryAllocation;
  if (posix_memalign(p, 256, bytes)) return cudaErrorMemoryAllocation;
  sizes[*p] = bytes;
  used += bytes;
  return state();
}
cudaError_t cudaMemset(void* p, int value, size_t bytes) { return memset(p, value, bytes), state(); }
cudaError_t cudaFree(void* p) {
  std::lock_guard lock(mutex);
  used -= sizes[p];
  sizes.erase(p);
  free(p);
  return state();
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t n, cudaMemcpyKind, cudaStream_t) {
  return memcpy(to, from, n), state();
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_stride, const void* from, size_t from_stride, size_t width, size_t rows,
                              cudaMemcpyKind, cudaStream_t) {
  for (size_t r = 0; r < rows; r++) {
    memcpy(static_cast<char*>(to) + r * to_stride, static_cast<const char*>(from) + r * from_stride, width);
  }
  return state();
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) { return *s = new char, state(); }
cudaError_t cudaStreamDestroy(cudaStream_t s) { return delete static_cast<char*>(s), state(); }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return state(); }
cudaError_t cudaEventCreate(cudaEvent_t* e) { return *e = new FakeEvent, state(); }
cudaError_t cudaEventDestroy(cudaEvent_t e) { return delete e, state(); }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t) { return e->time = std::chrono::steady_clock::now(), state(); }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return state(); }
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  double passed = std::chrono::duration<double, std::milli>(to->time - from->time).count();
  *ms = float(orders.constant ? orders.constant : passed * orders.clock);
  return state();
}
cudaError_t cudaStreamBeginCapture(cudaStream_t, int) { return host::capturing = new host::Launches, state(); }
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* g) {
  *g = new FakeGraph{std::move(*host::capturing)};
  delete host::capturing;
  host::capturing = nullptr;
  return state();
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) { return *e = new FakeGraph(*g), state(); }
cudaError_t cudaGraphDestroy(cudaGraph_t g) { return delete g, state(); }
cudaError_t cudaGraphLaunch(cudaGraphExec_t g, cudaStream_t) {
  for (const auto& one : g->launches) one();
  return state();
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t g) { return delete g, state(); }
