// The machine is this CPU: the host layer behind the C interface. Launches are done when they return.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include <unistd.h>

#include "layer.h"
#include "runtime/platform.h"
#include "slots.h"
#include "starling_bench.h"
#include "starling_host.h"

namespace platform {

struct Event {
  std::chrono::steady_clock::time_point time;
};
struct Graph {
  std::vector<host::Launch> launches;
};
// A stream's launches run at once; while it is captured they are kept.
struct Queue {
  std::unique_ptr<Graph> captured;
};
static Queue* queue(gpu::Stream stream) { return static_cast<Queue*>(stream); }

const char* backend() { return "emulated"; }

std::string probe() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) {
    throw gpu::Error(STARLING_NO_DEVICE, "the host layer needs a CPU with AVX2, FMA and F16C");
  }
  return "the CUDA kernels on the CPU, " + std::to_string(std::max(1u, std::thread::hardware_concurrency())) + " threads";
}

int card_count() { return 1; }
starling_card card(int) {
  starling_card c{};
  std::strcpy(c.name, "host layer");
  int64_t page = sysconf(_SC_PAGESIZE);
  c.memory_bytes = page * sysconf(_SC_PHYS_PAGES);
  c.free_bytes = page * sysconf(_SC_AVPHYS_PAGES);
  c.l2_bytes = std::max(0l, sysconf(_SC_LEVEL2_CACHE_SIZE));
  c.multiprocessors = int(std::max(1u, std::thread::hardware_concurrency()));
  return c;
}

size_t shared_limit() { return host::shared_limit(); }

void* allocate(int64_t bytes, gpu::Stream) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, size_t(bytes ? bytes : 1))) {
    throw gpu::Error(STARLING_OUT_OF_MEMORY, "out of memory: " + std::to_string(bytes) + " bytes asked");
  }
  host::allocated(memory, size_t(bytes));
  return memory;
}
void zero(void* memory, int64_t bytes, gpu::Stream stream) {
  host::Launch run = [=] { std::memset(memory, 0, size_t(bytes)); };
  host::submit(stream, "memset", nullptr, 0, run);
}
void release(void* memory, gpu::Stream) { release_unused(memory); }
void release_unused(void* memory) {
  host::freed(memory);
  free(memory);
}
static void slots(const char* refused) {
  if (refused) throw gpu::Error(STARLING_INVALID_ARGUMENT, refused);
}
void claim_slot(void* memory, int64_t bytes) { slots(host::claim_slot(memory, size_t(bytes))); }
void release_slot(void* memory) { slots(host::release_slot(memory)); }

static void copy(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows) {
  for (int64_t r = 0; r < rows; r++) {
    std::memcpy(static_cast<char*>(dst) + r * dst_stride, static_cast<const char*>(src) + r * src_stride, size_t(width));
  }
}
void destroy_staging(Staging*) {}
void upload(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows, Staging*&,
            gpu::Stream) {
  copy(dst, dst_stride, src, src_stride, width, rows);
}
void download(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows, gpu::Stream) {
  copy(dst, dst_stride, src, src_stride, width, rows);
}

gpu::Stream create_stream() { return new Queue; }
gpu::Stream adopt_stream(void*) {
  throw gpu::Error(STARLING_INVALID_ARGUMENT, "stream_create: the host layer has no CUDA streams to run on");
}
void* cuda_stream(gpu::Stream) { return nullptr; }
void destroy_stream(gpu::Stream stream) { delete queue(stream); }
void wait(gpu::Stream) {}
void drain(gpu::Stream) {}

Event* create_event() { return new Event; }
void destroy_event(Event* e) { delete e; }
void record(Event* e, gpu::Stream) { e->time = std::chrono::steady_clock::now(); }
double elapsed(Event* from, Event* to) { return std::chrono::duration<double, std::milli>(to->time - from->time).count(); }

bool capturing(gpu::Stream stream) { return queue(stream)->captured != nullptr; }
void capture_begin(gpu::Stream stream) { queue(stream)->captured = std::make_unique<Graph>(); }
Graph* capture_end(gpu::Stream stream) { return queue(stream)->captured.release(); }
void capture_drop(gpu::Stream stream) { queue(stream)->captured.reset(); }
void launch(Graph* g, gpu::Stream stream) {
  for (const host::Launch& one : g->launches) host::submit(stream, nullptr, nullptr, 0, one);
}
void destroy_graph(Graph* g) { delete g; }

}  // namespace platform

void host::submit(void* stream, const char*, const Argument*, int, Launch launch) {
  platform::Queue* queue = platform::queue(stream);
  if (queue && queue->captured) {
    queue->captured->launches.push_back(std::move(launch));
  } else {
    launch();
  }
}

extern "C" {

void starling_host_threads(int32_t threads) { host::set_threads(threads < 1 ? 1 : threads); }

void starling_host_schedule(uint64_t seed) { host::set_schedule(seed); }

void starling_host_counters(uint64_t* out) {
  host::Counters c = host::counters();
  uint64_t values[] = {c.launches, c.blocks, c.read, c.written, c.flops, c.barriers, c.collectives, c.switches};
  std::memcpy(out, values, sizeof values);
}

void starling_host_reset_counters(void) { host::reset_counters(); }

void starling_host_record(void) { host::start_recording(); }

int64_t starling_host_records(char* text, int64_t size) {
  static thread_local std::string lines;
  if (text == nullptr) {
    lines.clear();
    for (const host::Launched& l : host::stop_recording()) {
      lines += l.kernel + "\t" + std::to_string(l.grid.x) + "," + std::to_string(l.grid.y) + "," + std::to_string(l.grid.z) +
               "\t" + std::to_string(l.block.x * l.block.y * l.block.z) + "\t" + std::to_string(l.shared) + "\t";
      for (unsigned char c : l.arguments) {
        lines += "0123456789abcdef"[c >> 4];
        lines += "0123456789abcdef"[c & 15];
      }
      lines += "\n";
    }
  } else {
    std::memcpy(text, lines.data(), std::min(size_t(size), lines.size()));
  }
  return int64_t(lines.size());
}

}  // extern "C"
