#include "queues.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace fake {

std::recursive_mutex lock;
bool failed = false;

namespace {

constexpr size_t RANGE = size_t(1) << 38, PAGE = 4096;

struct Block {
  size_t size;
  const char* freed = nullptr;  // by which call
};

std::string faults;
std::map<const char*, Block> blocks;
size_t next = 0, bytes_now = 0;
int blocks_now = 0;

Stream null_stream{};
std::set<Stream*> all{&null_stream};
uint64_t number = 0;

char* range() {
  static char* base = [] {
    void* p = mmap(nullptr, RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) perror("fake_cuda"), abort();
    return static_cast<char*>(p);
  }();
  return base;
}

size_t pages(size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

// The block an address lies in, freed ones too.
std::map<const char*, Block>::iterator block_of(const void* address) {
  auto* at = static_cast<const char*>(address);
  auto block = blocks.upper_bound(at);
  if (block == blocks.begin()) return blocks.end();
  --block;
  return at < block->first + pages(block->second.size) ? block : blocks.end();
}

bool shares(const Work& a, const Work& b) {
  for (const void* x : a.touched) {
    for (const void* y : b.touched) {
      auto block = block_of(x);
      if (block != blocks.end() && block == block_of(y)) return true;
    }
  }
  return false;
}

// The null stream waits for blocking streams and they for it; nothing else orders two streams.
bool waits_for_each_other(const Stream* a, const Stream* b) {
  return (a == &null_stream && b->blocking) || (b == &null_stream && a->blocking);
}

bool legal(const Work& work) {
  for (const void* address : work.touched) {
    auto block = block_of(address);
    if (block != blocks.end() && !block->second.freed) continue;
    fault(work.what + " uses memory " +
          (block == blocks.end() ? "that was never allocated" : std::string("after ") + block->second.freed));
    return false;
  }
  return true;
}

void run(Stream* stream, Work work) {
  if (failed || !legal(work)) return;
  std::vector<std::pair<Stream*, uint64_t>> races;
  for (Stream* other : all) {
    if (other == stream || waits_for_each_other(stream, other)) continue;
    for (const Work& w : other->waiting) {
      if (!(work.writes || w.writes) || !shares(work, w)) continue;
      fault("nothing orders " + work.what + " and " + w.what + (other == &null_stream ? " of the null stream" : "") +
            " on the same memory");
      races.push_back({other, w.number});
    }
  }
  try {
    work.run();
  } catch (const std::exception& e) {
    fault(e.what());
    failed = true;
  }
  for (auto [other, n] : races) run_until(other, n);
}

}  // namespace

void fault(const std::string& sentence) {
  if (faults.find(sentence) == std::string::npos) faults += sentence + "\n";
}
std::string take_faults() { return std::exchange(faults, ""); }

// ---- memory ----

void* allocate(size_t bytes) {
  char* at = range() + next;
  if (next + pages(bytes) > RANGE || mprotect(at, pages(bytes), PROT_READ | PROT_WRITE)) return nullptr;
  next += pages(bytes);
  memset(at, 0xff, pages(bytes));
  blocks[at] = {bytes};
  bytes_now += bytes;
  blocks_now++;
  return at;
}
size_t size_of(const void* memory) {
  auto block = blocks.find(static_cast<const char*>(memory));
  return block == blocks.end() || block->second.freed ? 0 : block->second.size;
}
void free(const void* memory, const char* call) {
  Block& block = blocks.at(static_cast<const char*>(memory));
  block.freed = call;
  bytes_now -= block.size;
  blocks_now--;
  auto* at = const_cast<void*>(memory);
  madvise(at, pages(block.size), MADV_DONTNEED);
  mprotect(at, pages(block.size), PROT_NONE);
}
bool is_device(const void* address) {
  auto* at = static_cast<const char*>(address);
  return at >= range() && at < range() + RANGE;
}
size_t allocated() { return bytes_now; }
int allocations() { return blocks_now; }
void forget_all() {
  for (auto& [at, block] : blocks) {
    if (!block.freed) free(at, "the end of its context");
  }
  for (Stream* stream : all) stream->waiting.clear();
  all = {&null_stream};
}

// ---- work ----

Stream* create_stream(bool blocking) {
  auto* stream = new Stream{};
  stream->blocking = blocking;
  stream->put = [](FakeStream* self, const char* what, std::vector<const void*> touched, std::function<void()> work) {
    std::lock_guard guard(lock);
    return int(submit(static_cast<Stream*>(self), {what, std::move(touched), false, std::move(work)}));
  };
  all.insert(stream);
  return stream;
}
Stream* stream_of(cudaStream_t handle) {
  if (!handle) return &null_stream;
  auto* stream = static_cast<Stream*>(handle);
  if (all.count(stream)) return stream;
  fault("a stream is used that was destroyed or never created");
  return nullptr;
}
void destroy_stream(Stream* stream) {
  if (stream->capture != cudaStreamCaptureStatusNone) fault("a stream is destroyed while it is captured");
  run_until(stream, number);
  all.erase(stream);  // and the object stays, so that no other has its address
}
int streams() { return int(all.size()) - 1; }

cudaError_t submit(Stream* stream, Work work) {
  if (stream->capture == cudaStreamCaptureStatusInvalidated) return cudaErrorStreamCaptureInvalidated;
  if (stream->capture == cudaStreamCaptureStatusActive) {
    stream->captured.push_back(std::move(work));
    return cudaSuccess;
  }
  if (stream == &null_stream) {
    for (Stream* other : all) {
      if (other->blocking && other->capture != cudaStreamCaptureStatusNone) {
        return spoil(other), cudaErrorStreamCaptureImplicit;
      }
    }
  }
  work.number = ++number;
  stream->waiting.push_back(std::move(work));
  return cudaSuccess;
}
uint64_t last_number() { return number; }
void run_until(Stream* stream, uint64_t last) {
  while (!stream->waiting.empty() && stream->waiting.front().number <= last) {
    uint64_t here = stream->waiting.front().number;
    for (Stream* other : all) {
      if (waits_for_each_other(stream, other)) run_until(other, here - 1);
    }
    Work work = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    run(stream, std::move(work));
  }
}
void run_all() {
  for (Stream* stream : all) run_until(stream, number);
}
bool done(Stream* stream, uint64_t n) { return stream->waiting.empty() || stream->waiting.front().number > n; }
const Work* in_flight(const void* memory) {
  Work access{"", {memory}, true, {}};
  for (Stream* stream : all) {
    for (const Work& work : stream->waiting) {
      if (shares(work, access)) return &work;
    }
  }
  return nullptr;
}

// ---- capture ----

cudaError_t spoil(Stream* stream) {
  stream->capture = cudaStreamCaptureStatusInvalidated;
  return cudaErrorStreamCaptureUnsupported;
}
cudaError_t unsafe_call() {
  cudaError_t result = cudaSuccess;
  for (Stream* stream : all) {
    bool forbidden = stream->mode == cudaStreamCaptureModeGlobal ||
                     (stream->mode == cudaStreamCaptureModeThreadLocal && stream->capturer == std::this_thread::get_id());
    if (stream->capture != cudaStreamCaptureStatusNone && forbidden) result = spoil(stream);
  }
  return result;
}

}  // namespace fake
