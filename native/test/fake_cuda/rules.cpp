// That the made-up CUDA runtime is strict: a program that breaks one of CUDA's rules of order is seen, one that keeps them is
// not. Calls its CUDA functions and the kernel behind starling_add.
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "cuda_runtime.h"
#include "runtime/platform.h"
#include "starling_bench.h"

extern "C" {
void fake_cuda(const char*);
const char* fake_cuda_faults();
const char* fake_cuda_alive();
}

static int failures = 0;
static std::string name;

static void equal(const char* what, const std::string& expected, const std::string& actual) {
  if (expected == actual) return;
  printf("FAIL %s: %s is '%s', not '%s'\n", name.c_str(), what, actual.c_str(), expected.c_str());
  failures++;
}
static void equal(const char* what, int expected, int actual) {
  equal(what, std::to_string(expected), std::to_string(actual));
}
static void faults(const char* expected) { equal("what is said", expected, fake_cuda_faults()); }

struct Rule {
  const char* name;
  std::function<void()> body;
};
static std::vector<Rule> rules;
#define RULE(name)                                                        \
  static void name();                                                     \
  static bool registered_##name = (rules.push_back({#name, name}), true); \
  static void name()

static unsigned tickets[gpu::STREAM_TICKETS];

int add(void* counter, int by, starling_stream* stream) {
  return starling_add(static_cast<int32_t*>(counter), 1, by, stream);
}

// A stream with a counter; the kernel adds to it.
struct Counter {
  explicit Counter(unsigned flags = cudaStreamNonBlocking, bool ordered = true) {
    cudaStreamCreateWithFlags(&stream, flags);
    void* p;
    if (ordered) {
      cudaMallocAsync(&p, 4, stream);
      cudaMemsetAsync(p, 0, 4, stream);
    } else {
      cudaMalloc(&p, 4);
    }
    memory = static_cast<int*>(p);
    ours.handle = stream;
    ours.tickets = tickets;
  }
  ~Counter() {
    if (memory) cudaFreeAsync(memory, stream);
    cudaStreamDestroy(stream);
  }
  int add(int n) { return ::add(memory, n, &ours); }
  int value() {
    int value = -1;
    cudaMemcpyAsync(&value, memory, 4, cudaMemcpyDeviceToHost, stream);
    cudaStreamSynchronize(stream);
    return value;
  }
  cudaStream_t stream;
  int* memory;
  starling_stream ours{};
};

RULE(work_in_the_order_of_a_stream_is_well) {
  {
    Counter c;
    c.add(2);
    c.add(3);
    equal("value", 5, c.value());
  }
  faults("");
}

RULE(nothing_runs_before_it_must) {
  Counter c;
  int host = 7;
  cudaMemcpyAsync(c.memory, &host, 4, cudaMemcpyHostToDevice, c.stream);
  host = 9;  // too early
  equal("value", 9, c.value());
  int back = -1;
  cudaMemcpyAsync(&back, c.memory, 4, cudaMemcpyDeviceToHost, c.stream);
  equal("before the wait", -1, back);
  cudaStreamSynchronize(c.stream);
  equal("after it", 9, back);
}

RULE(a_non_blocking_stream_does_not_wait_for_the_null_stream) {
  Counter c(cudaStreamNonBlocking, false);
  cudaMemset(c.memory, 0, 4);
  c.add(5);
  equal("value", 0, c.value());  // the memset came behind the kernel
  faults(
      "nothing orders add_kernel and cudaMemset of the null stream on the same memory\n"
      "nothing orders cudaMemset and a copy to the host on the same memory\n");
}

RULE(a_wait_for_the_device_orders_the_null_stream) {
  Counter c(cudaStreamNonBlocking, false);
  cudaMemset(c.memory, 0, 4);
  cudaDeviceSynchronize();
  c.add(5);
  equal("value", 5, c.value());
  faults("");
}

RULE(a_blocking_stream_and_the_null_stream_wait_for_each_other) {
  Counter c(cudaStreamDefault, false);
  cudaMemset(c.memory, 0, 4);
  c.add(5);
  equal("value", 5, c.value());
  c.add(1);
  cudaMemset(c.memory, 0, 4);
  cudaStreamSynchronize(nullptr);
  equal("value", 0, c.value());
  faults("");
}

RULE(memory_is_not_zero_by_itself) {
  Counter c(cudaStreamNonBlocking, false);
  equal("value", -1, c.value());
}

RULE(two_streams_on_one_memory_need_an_order) {
  Counter a, b;
  add(a.memory, 1, &b.ours);  // its memset is in a's order
  b.value();
  faults(
      "nothing orders add_kernel and cudaMallocAsync on the same memory\n"
      "nothing orders add_kernel and cudaMemsetAsync on the same memory\n");
  a.value();
  add(a.memory, 1, &b.ours);
  b.value();
  faults("");
}

RULE(memory_is_freed_behind_its_work) {
  Counter c;
  c.add(1);
  cudaFree(c.memory);
  faults("cudaFree under cudaMallocAsync, which is in flight\n");
  c.memory = nullptr;
  cudaStreamSynchronize(c.stream);
  fake_cuda_faults();
  Counter d;
  d.add(1);
  cudaStreamSynchronize(d.stream);
  cudaFree(d.memory);
  d.memory = nullptr;
  Counter e;
  e.add(1);
  cudaFreeAsync(e.memory, e.stream);
  e.memory = nullptr;
  cudaStreamSynchronize(e.stream);
  faults("");
}

RULE(freed_memory_is_not_used) {
  Counter c;
  cudaFreeAsync(c.memory, c.stream);
  c.add(1);
  cudaStreamSynchronize(c.stream);
  faults("add_kernel uses memory after cudaFreeAsync\n");
  equal("status", cudaErrorInvalidValue, cudaFree(c.memory));
  faults("cudaFree of memory that is freed or was never allocated\n");
  equal("status", cudaErrorInvalidValue, cudaFreeAsync(c.memory, c.stream));
  fake_cuda_faults();
  c.memory = nullptr;
}

RULE(a_graph_does_not_keep_its_memory) {
  Counter c, d;
  cudaStreamSynchronize(d.stream);
  cudaStreamBeginCapture(c.stream, cudaStreamCaptureModeThreadLocal);
  add(d.memory, 1, &c.ours);
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  cudaStreamEndCapture(c.stream, &graph);
  cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphLaunch(exec, c.stream);
  cudaStreamSynchronize(c.stream);
  equal("value", 1, d.value());
  cudaFreeAsync(d.memory, d.stream);
  cudaStreamSynchronize(d.stream);
  d.memory = nullptr;
  faults("");
  cudaGraphLaunch(exec, c.stream);
  cudaStreamSynchronize(c.stream);
  faults("add_kernel uses memory after cudaFreeAsync\n");
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
}

// Each in a capture: its status, and what became of the capture.
RULE(what_a_capture_does_not_bear_spoils_it) {
  Counter other;
  void *p = nullptr, *before = nullptr;
  cudaMalloc(&before, 4);
  cudaEvent_t event;
  cudaEventCreate(&event);
  struct Call {
    const char* what;
    std::function<cudaError_t(Counter&)> call;
    cudaError_t status;
  };
  std::vector<Call> calls = {
      {"cudaMalloc", [&](Counter&) { return cudaMalloc(&p, 4); }, cudaErrorStreamCaptureUnsupported},
      {"cudaFree", [&](Counter&) { return cudaFree(before); }, cudaErrorStreamCaptureUnsupported},
      {"cudaFreeAsync", [&](Counter& c) { return cudaFreeAsync(c.memory, c.stream); }, cudaErrorStreamCaptureUnsupported},
      {"a wait", [&](Counter& c) { return cudaStreamSynchronize(c.stream); }, cudaErrorStreamCaptureUnsupported},
      {"a wait for all", [&](Counter&) { return cudaDeviceSynchronize(); }, cudaErrorStreamCaptureUnsupported},
      {"a wait for a captured event",
       [&](Counter& c) { return cudaEventRecord(event, c.stream), cudaEventSynchronize(event); }, cudaErrorCapturedEvent}};
  for (const Call& one : calls) {
    Counter c;
    cudaStreamBeginCapture(c.stream, cudaStreamCaptureModeThreadLocal);
    c.add(1);
    equal(one.what, one.status, one.call(c));
    equal("a launch", STARLING_KERNEL_FAULT, c.add(1));
    cudaGraph_t graph = reinterpret_cast<cudaGraph_t>(1);
    equal("the end", cudaErrorStreamCaptureInvalidated, cudaStreamEndCapture(c.stream, &graph));
    equal("a graph", true, graph == nullptr);
    c.add(4);
    equal("value", 4, c.value());
  }
  cudaFree(before);
  cudaEventDestroy(event);
  faults("");
}

RULE(a_capture_is_its_threads_and_ends_once) {
  Counter c, blocking(cudaStreamDefault);
  cudaGraph_t graph;
  equal("an end without a begin", cudaErrorIllegalState, cudaStreamEndCapture(c.stream, &graph));
  cudaStreamBeginCapture(c.stream, cudaStreamCaptureModeThreadLocal);
  equal("a second begin", cudaErrorIllegalState, cudaStreamBeginCapture(c.stream, cudaStreamCaptureModeThreadLocal));
  std::thread([&] {
    void* p;
    equal("another thread's cudaMalloc", cudaSuccess, cudaMalloc(&p, 4));
    cudaFree(p);
    equal("another thread's end", cudaErrorStreamCaptureWrongThread, cudaStreamEndCapture(c.stream, &graph));
  }).join();
  equal("the end", cudaSuccess, cudaStreamEndCapture(c.stream, &graph));
  cudaGraphDestroy(graph);
  // The null stream would wait for a blocking stream that is captured.
  cudaStreamBeginCapture(blocking.stream, cudaStreamCaptureModeThreadLocal);
  equal("the null stream", cudaErrorStreamCaptureImplicit, cudaMemset(c.memory, 0, 4));
  cudaStreamEndCapture(blocking.stream, &graph);
  faults("");
}

RULE(an_event_is_there_when_its_stream_got_to_it) {
  Counter c;
  cudaEvent_t from, to;
  float ms = -1;
  cudaEventCreate(&from);
  cudaEventCreate(&to);
  cudaEventRecord(from, c.stream);
  c.add(1);
  cudaEventRecord(to, c.stream);
  equal("too early", cudaErrorNotReady, cudaEventElapsedTime(&ms, from, to));
  cudaEventSynchronize(to);
  equal("in time", cudaSuccess, cudaEventElapsedTime(&ms, from, to));
  equal("milliseconds", true, ms >= 0);
  cudaEventDestroy(from);
  cudaEventDestroy(to);
}

RULE(a_stream_that_is_gone_takes_nothing) {
  cudaStream_t s;
  cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
  cudaStreamDestroy(s);
  equal("status", cudaErrorInvalidResourceHandle, cudaStreamSynchronize(s));
  faults("a stream is used that was destroyed or never created\n");
}

RULE(what_is_not_given_back_is_counted) {
  cudaStream_t s;
  void* p;
  cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
  cudaMallocAsync(&p, 4, s);
  equal("alive", "1 allocation, 1 stream", fake_cuda_alive());
  cudaFreeAsync(p, s);
  cudaStreamDestroy(s);
}

// ---- the library on a stream of its caller's ----

RULE(the_callers_capture_is_not_spoilt) {
  Counter c;
  starling_stream* guest = nullptr;
  void *p = nullptr, *q = nullptr;
  equal("create", STARLING_OK, starling_stream_create(&guest, c.stream));
  equal("allocate", STARLING_OK, starling_allocate(&p, 4, guest));
  cudaStreamBeginCapture(c.stream, cudaStreamCaptureModeThreadLocal);
  equal("add", STARLING_OK, add(p, 2, guest));
  equal("allocate", STARLING_INVALID_ARGUMENT, starling_allocate(&q, 4, guest));
  equal("wait", STARLING_INVALID_ARGUMENT, starling_stream_wait(guest));
  equal("a capture in it", STARLING_INVALID_ARGUMENT, starling_capture_begin(guest));
  starling_graph* none = nullptr;
  equal("an end of it", STARLING_INVALID_ARGUMENT, starling_capture_end(&none, guest));
  starling_stream* second = nullptr;
  equal("a second guest", STARLING_INVALID_ARGUMENT, starling_stream_create(&second, c.stream));
  equal("destroy", STARLING_INVALID_ARGUMENT, starling_stream_destroy(guest));
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  equal("the end", cudaSuccess, cudaStreamEndCapture(c.stream, &graph));
  cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphLaunch(exec, c.stream);
  cudaGraphLaunch(exec, c.stream);
  int32_t value = 0;
  equal("download", STARLING_OK, starling_download(&value, 4, p, 4, 4, 1, guest));
  equal("value", 4, value);
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  starling_free(p, guest);
  equal("destroy", STARLING_OK, starling_stream_destroy(guest));
  c.add(1);
  equal("the caller's stream", 1, c.value());
}

RULE(a_capture_that_was_spoilt_ends_with_a_sentence_and_the_stream_works) {
  starling_stream* s = nullptr;
  void *p = nullptr, *q = nullptr;
  starling_graph* graph = nullptr;
  int32_t value = 0;
  starling_stream_create(&s, nullptr);
  starling_allocate(&p, 4, s);
  for (int round = 0; round < 2; round++) {
    equal("begin", STARLING_OK, starling_capture_begin(s));
    equal("add", STARLING_OK, add(p, 1, s));
    cudaMalloc(&q, 4);  // some library's
    equal("add", STARLING_KERNEL_FAULT, add(p, 1, s));
    equal("end", STARLING_KERNEL_FAULT, starling_capture_end(&graph, s));
    equal("sentence", "cudaStreamEndCapture: operation failed due to a previous error during capture", starling_error());
    equal("a second end", STARLING_INVALID_ARGUMENT, starling_capture_end(&graph, s));
    equal("add", STARLING_OK, add(p, 10, s));
    equal("download", STARLING_OK, starling_download(&value, 4, p, 4, 4, 1, s));
    equal("value", 10 * (round + 1), value);
  }
  starling_free(p, s);
  starling_stream_destroy(s);
}

RULE(only_the_thread_that_began_ends_a_capture) {
  starling_stream* s = nullptr;
  starling_graph* graph = nullptr;
  starling_stream_create(&s, nullptr);
  starling_capture_begin(s);
  std::thread([&] { equal("another's end", STARLING_KERNEL_FAULT, starling_capture_end(&graph, s)); }).join();
  equal("end", STARLING_OK, starling_capture_end(&graph, s));
  starling_graph_destroy(graph);
  starling_stream_destroy(s);
}

int main() {
  for (const Rule& rule : rules) {
    name = rule.name;
    fake_cuda("");
    rule.body();
    equal("alive", "", fake_cuda_alive());
    faults("");
  }
  printf("%zu rules, %d failures\n", rules.size(), failures);
  return failures ? 1 : 0;
}
