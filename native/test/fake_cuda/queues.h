// The made-up GPU's memory and streams.
//
// Work waits in its stream's queue until something forces it: a wait for that stream or for all, or an order that CUDA
// keeps (the null stream and blocking streams wait for each other, non-blocking ones for nobody). So what a program forgot
// to wait for has not happened. Where nothing orders two pieces of work on the same memory, of which one is known to write
// (a memset, a copy, the memory's own beginning and end), that is a fault, and the other one then runs at the worst moment:
// right behind.
//
// Addresses lie in one range and are never used twice; fresh memory is NaN, freed memory is not accessible, and work that
// would touch it is a fault and does not run. Every call here is made under the one lock.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "cuda_runtime.h"
#include "stream.h"

namespace fake {

extern std::recursive_mutex lock;

void fault(const std::string& sentence);
std::string take_faults();  // a line each, since the last call

// The card has failed: what waits is dropped, and nothing runs.
extern bool failed;

// ---- memory ----
void* allocate(size_t bytes);
size_t size_of(const void* memory);  // of what begins there and is not freed; 0 for anything else
void free(const void* memory, const char* call);
bool is_device(const void* address);
size_t allocated();  // bytes
int allocations();
void forget_all();  // the context is gone, with all that was in it

// ---- work ----
struct Work {
  std::string what;
  std::vector<const void*> touched;
  bool writes;  // surely
  std::function<void()> run;
  uint64_t number = 0;  // in order of submission, over all streams
};

struct Stream : FakeStream {
  bool blocking;
  std::deque<Work> waiting;
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  cudaStreamCaptureMode mode{};
  std::thread::id capturer;
  std::vector<Work> captured;
};

Stream* create_stream(bool blocking);
Stream* stream_of(cudaStream_t handle);  // null, with a fault, for one that is not there (any more)
void destroy_stream(Stream* stream);
int streams();

cudaError_t submit(Stream* stream, Work work);
uint64_t last_number();
void run_until(Stream* stream, uint64_t number);
void run_all();
bool done(Stream* stream, uint64_t number);
// A piece of work that is not done and touches this memory; null if there is none.
const Work* in_flight(const void* memory);

// ---- capture ----
// For calls that a thread may not make while it captures: spoils its captures.
cudaError_t unsafe_call();
cudaError_t spoil(Stream* stream);

}  // namespace fake
