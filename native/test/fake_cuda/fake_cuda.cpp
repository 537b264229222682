#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "host/layer.h"
#include "queues.h"

namespace {

struct Orders {
  int driver = 13000, devices = 1, image = 1, mute = 0, mig = 0, pools = 1;
  long memory = 8l << 30;
  int fault = 0;        // the n-th launch from now faults; its wait reports it, and so does every call after
  double clock = 1;     // event times are multiplied by this
  double constant = 0;  // or are always this, in milliseconds
} orders;

size_t held = 0;  // bytes that are not freed and not about to be
std::set<const void*> freed_soon;
int events = 0, graphs = 0, pinned = 0;
struct Counts {
  int allocations, frees, memsets, uploads, launches, waits;  // calls; a graph is one launch
} counts{};

void order(const char* text) {
  orders = Orders{};
  host::set_shared_limit(host::SMALLEST_SHARED);
  if (fake::failed) {  // another process would have another context
    fake::forget_all();
    held = 0;
    events = graphs = 0;
    fake::failed = false;
  }
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    size_t equals = word.find('=');
    std::string key = word.substr(0, equals);
    double value = atof(word.substr(equals + 1).c_str());
    if (key == "driver") orders.driver = int(value);
    else if (key == "devices") orders.devices = int(value);
    else if (key == "image") orders.image = int(value);
    else if (key == "mute") orders.mute = int(value);
    else if (key == "pools") orders.pools = int(value);
    else if (key == "shared") host::set_shared_limit(size_t(value));
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

cudaError_t state() { return fake::failed ? cudaErrorIllegalAddress : cudaSuccess; }

using Guard = std::lock_guard<std::recursive_mutex>;

}  // namespace

// The device addresses among a kernel's arguments, those inside of structures too.
static std::vector<const void*> addresses(const host::Argument* arguments, int count) {
  std::vector<const void*> found;
  for (int i = 0; i < count; i++) {
    for (size_t at = 0; at + sizeof(void*) <= arguments[i].size; at += sizeof(void*)) {
      const void* word;
      memcpy(&word, static_cast<const char*>(arguments[i].bytes) + at, sizeof word);
      if (fake::is_device(word)) found.push_back(word);
    }
  }
  return found;
}

void host::submit(void* stream, const char* kernel, const Argument* arguments, int count, Launch launch) {
  Guard guard(fake::lock);
  if (!orders.image) gpu::check(cudaErrorNoKernelImageForDevice, "launch");
  gpu::check(state(), "launch");
  fake::Stream* on = fake::stream_of(stream);
  gpu::check(on ? cudaSuccess : cudaErrorInvalidResourceHandle, "launch");
  counts.launches += on->capture == cudaStreamCaptureStatusNone;
  auto run = [launch = std::move(launch)] {
    if (orders.fault && --orders.fault == 0) fake::failed = true;
    if (!orders.mute && !fake::failed) launch();
  };
  gpu::check(fake::submit(on, {host::short_name(kernel), addresses(arguments, count), false, run}), "launch");
}

cudaError_t cudaGetLastError() { return state(); }
const char* cudaGetErrorString(cudaError_t e) {
  switch (e) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorNoKernelImageForDevice: return "no kernel image is available for execution on the device";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    default: return "an error";
  }
}
cudaError_t cudaRuntimeGetVersion(int* v) { return *v = 13000, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* v) { return *v = orders.driver, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* n) { return *n = orders.devices, orders.devices ? cudaSuccess : cudaErrorNoDevice; }
cudaError_t cudaGetDevice(int* d) { return *d = 0, cudaSuccess; }
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
  *value = which == cudaDevAttrMaxSharedMemoryPerBlockOptin ? int(host::shared_limit()) : orders.pools;
  return cudaSuccess;
}
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

// ---- memory ----

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  Guard guard(fake::lock);
  *total = size_t(orders.memory);
  *free = *total - std::min(held, *total);
  return state();
}
static cudaError_t take(void** p, size_t bytes) {
  counts.allocations++;
  if (held + bytes > size_t(orders.memory) || !(*p = fake::allocate(bytes))) return cudaErrorMemoryAllocation;
  held += bytes;
  return state();
}
cudaError_t cudaMalloc(void** p, size_t bytes) {
  Guard guard(fake::lock);
  if (auto refused = fake::unsafe_call()) return refused;
  return take(p, bytes);
}
// In a capture CUDA would make the memory a part of the graph, which nothing here is written for.
cudaError_t cudaMallocAsync(void** p, size_t bytes, cudaStream_t s) {
  Guard guard(fake::lock);
  fake::Stream* on = fake::stream_of(s);
  if (!on) return cudaErrorInvalidResourceHandle;
  if (on->capture != cudaStreamCaptureStatusNone) return fake::spoil(on);
  if (auto none = take(p, bytes)) return none;
  return fake::submit(on, {"cudaMallocAsync", {*p}, true, [] {}});
}
static cudaError_t not_allocated(const char* call) {
  fake::fault(std::string(call) + " of memory that is freed or was never allocated");
  return cudaErrorInvalidValue;
}
cudaError_t cudaMallocHost(void** p, size_t bytes) {
  Guard guard(fake::lock);
  if (auto refused = fake::unsafe_call()) return refused;
  counts.allocations++;
  pinned++;
  *p = malloc(bytes);
  return state();
}
cudaError_t cudaFreeHost(void* p) {
  Guard guard(fake::lock);
  pinned--;
  return ::free(p), state();
}
// It may wait for work, and need not: it frees at once.
cudaError_t cudaFree(void* p) {
  Guard guard(fake::lock);
  if (!p || fake::failed) return state();
  if (auto refused = fake::unsafe_call()) return refused;
  counts.frees++;
  if (!fake::size_of(p)) return not_allocated("cudaFree");
  if (auto* work = fake::in_flight(p)) fake::fault("cudaFree under " + work->what + ", which is in flight");
  if (!freed_soon.insert(p).second) return not_allocated("cudaFree");
  held -= fake::size_of(p);
  fake::free(p, "cudaFree");
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t s) {
  Guard guard(fake::lock);
  if (fake::failed) return state();
  counts.frees++;
  fake::Stream* on = fake::stream_of(s);
  if (!on) return cudaErrorInvalidResourceHandle;
  if (on->capture != cudaStreamCaptureStatusNone) return fake::spoil(on);
  if (!fake::size_of(p) || !freed_soon.insert(p).second) return not_allocated("cudaFreeAsync");
  held -= fake::size_of(p);
  return fake::submit(on, {"cudaFreeAsync", {p}, true, [p] { fake::free(p, "cudaFreeAsync"); }});
}
cudaError_t cudaMemset(void* p, int value, size_t bytes) {
  Guard guard(fake::lock);
  if (!bytes) return state();
  auto done = fake::submit(fake::stream_of(nullptr), {"cudaMemset", {p}, true, [=] { memset(p, value, bytes); }});
  return done ? done : state();
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t s) {
  Guard guard(fake::lock);
  fake::Stream* on = fake::stream_of(s);
  if (!on) return cudaErrorInvalidResourceHandle;
  if (!bytes) return state();
  counts.memsets++;
  auto done = fake::submit(on, {"cudaMemsetAsync", {p}, true, [=] { memset(p, value, bytes); }});
  return done ? done : state();
}
// Host memory is read and written when the copy runs, as if it were pinned: whoever uses it earlier is seen.
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_stride, const void* from, size_t from_stride, size_t width, size_t rows,
                              cudaMemcpyKind kind, cudaStream_t s) {
  Guard guard(fake::lock);
  fake::Stream* on = fake::stream_of(s);
  if (!on) return cudaErrorInvalidResourceHandle;
  if (!width || !rows) return state();
  bool up = kind == cudaMemcpyHostToDevice;
  counts.uploads += up;
  const char* first = static_cast<const char*>(up ? to : from);
  const char* last = first + (rows - 1) * (up ? to_stride : from_stride) + width - 1;
  auto copy = [=] {
    for (size_t r = 0; r < rows; r++) {
      memcpy(static_cast<char*>(to) + r * to_stride, static_cast<const char*>(from) + r * from_stride, width);
    }
  };
  auto done = fake::submit(on, {up ? "a copy to the device" : "a copy to the host", {first, last}, up, copy});
  return done ? done : state();
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t n, cudaMemcpyKind kind, cudaStream_t s) {
  return cudaMemcpy2DAsync(to, n, from, n, n, 1, kind, s);
}

// ---- streams and events ----

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags) {
  Guard guard(fake::lock);
  *s = fake::create_stream(!(flags & cudaStreamNonBlocking));
  return state();
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  Guard guard(fake::lock);
  fake::Stream* stream = fake::stream_of(s);
  if (!stream || !s) return cudaErrorInvalidResourceHandle;
  fake::destroy_stream(stream);
  return state();
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  Guard guard(fake::lock);
  fake::Stream* stream = fake::stream_of(s);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture != cudaStreamCaptureStatusNone) return fake::spoil(stream);
  counts.waits++;
  fake::run_until(stream, fake::last_number());
  return state();
}
cudaError_t cudaDeviceSynchronize() {
  Guard guard(fake::lock);
  if (auto refused = fake::unsafe_call()) return refused;
  counts.waits++;
  fake::run_all();
  return state();
}

struct FakeEvent {
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
  fake::Stream* stream = nullptr;  // where it was recorded last
  uint64_t number = 0;
  bool captured = false;
};
cudaError_t cudaEventCreate(cudaEvent_t* e) {
  Guard guard(fake::lock);
  events++;
  return *e = new FakeEvent, state();
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  Guard guard(fake::lock);
  events--;
  return delete e, state();
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  Guard guard(fake::lock);
  fake::Stream* stream = fake::stream_of(s);
  if (!stream) return cudaErrorInvalidResourceHandle;
  e->captured = stream->capture != cudaStreamCaptureStatusNone;
  e->time = std::make_shared<std::chrono::steady_clock::time_point>();
  auto stamp = [time = e->time] { *time = std::chrono::steady_clock::now(); };
  auto done = fake::submit(stream, {"cudaEventRecord", {}, false, stamp});
  e->stream = stream;
  e->number = fake::last_number();
  return done ? done : state();
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  Guard guard(fake::lock);
  if (e->captured) return fake::spoil(e->stream), cudaErrorCapturedEvent;
  if (e->stream && !fake::done(e->stream, e->number)) return cudaErrorNotReady;
  return state();
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  Guard guard(fake::lock);
  if (e->captured) return fake::spoil(e->stream), cudaErrorCapturedEvent;
  if (auto refused = fake::unsafe_call()) return refused;
  counts.waits++;
  if (e->stream) fake::run_until(e->stream, e->number);
  return state();
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  Guard guard(fake::lock);
  for (cudaEvent_t e : {from, to}) {
    if (!e->stream) return cudaErrorInvalidResourceHandle;
    if (e->captured) return cudaErrorCapturedEvent;
    if (!fake::done(e->stream, e->number)) return cudaErrorNotReady;
  }
  double passed = std::chrono::duration<double, std::milli>(*to->time - *from->time).count();
  *ms = float(orders.constant ? orders.constant : passed * orders.clock);
  return state();
}

// ---- capture and replay ----

struct FakeGraph {
  std::vector<fake::Work> work;
};
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  Guard guard(fake::lock);
  fake::Stream* stream = fake::stream_of(s);
  if (!stream) return cudaErrorInvalidResourceHandle;
  return *status = stream->capture, state();
}
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
  Guard guard(fake::lock);
  fake::Stream* stream = fake::stream_of(s);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (!s) return cudaErrorStreamCaptureUnsupported;
  if (stream->capture != cudaStreamCaptureStatusNone) return cudaErrorIllegalState;
  stream->capture = cudaStreamCaptureStatusActive;
  stream->mode = mode;
  stream->capturer = std::this_thread::get_id();
  return state();
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* g) {
  Guard guard(fake::lock);
  fake::Stream* stream = fake::stream_of(s);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture == cudaStreamCaptureStatusNone) return cudaErrorIllegalState;
  if (stream->mode != cudaStreamCaptureModeRelaxed && stream->capturer != std::this_thread::get_id()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  bool spoilt = stream->capture == cudaStreamCaptureStatusInvalidated;
  stream->capture = cudaStreamCaptureStatusNone;
  auto captured = std::exchange(stream->captured, {});
  *g = nullptr;
  if (spoilt) return cudaErrorStreamCaptureInvalidated;
  graphs++;
  *g = new FakeGraph{std::move(captured)};
  return state();
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
  Guard guard(fake::lock);
  graphs++;
  return *e = new FakeGraph(*g), state();
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
  Guard guard(fake::lock);
  graphs--;
  return delete g, state();
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t g, cudaStream_t s) {
  Guard guard(fake::lock);
  fake::Stream* stream = fake::stream_of(s);
  if (!stream) return cudaErrorInvalidResourceHandle;
  counts.launches++;
  for (const fake::Work& one : g->work) {
    if (auto refused = fake::submit(stream, one)) return refused;
  }
  return state();
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t g) { return cudaGraphDestroy(g); }

// ---- what a test asks ----

static std::string text;
extern "C" {
__attribute__((visibility("default"))) void fake_cuda(const char* text) {
  Guard guard(fake::lock);
  order(text);
}
// What the program did wrong since the last call, a line each.
__attribute__((visibility("default"))) const char* fake_cuda_faults() {
  Guard guard(fake::lock);
  text = fake::take_faults();
  return text.c_str();
}
// What it has not given back: "2 allocations, 1 stream" or "".
__attribute__((visibility("default"))) const char* fake_cuda_alive() {
  Guard guard(fake::lock);
  fake::run_all();
  text = "";
  auto say = [](int n, const char* what) {
    if (n) text += (text.empty() ? "" : ", ") + std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  say(fake::allocations(), "allocation");
  say(fake::streams(), "stream");
  say(events, "event");
  say(graphs, "graph");
  say(pinned, "piece of pinned memory");
  return text.c_str();
}
// What it has called since the last call of this: "allocations=2 frees=0 memsets=3 uploads=1 launches=300 waits=1".
__attribute__((visibility("default"))) const char* fake_cuda_counts() {
  Guard guard(fake::lock);
  auto said = [](const char* what, int n) { return std::string(what) + "=" + std::to_string(n); };
  text = said("allocations", counts.allocations) + said(" frees", counts.frees) + said(" memsets", counts.memsets) +
         said(" uploads", counts.uploads) + said(" launches", counts.launches) + said(" waits", counts.waits);
  counts = {};
  return text.c_str();
}
}
