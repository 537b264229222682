// The machine is this CPU: the host layer behind the C interface. Launches are done when they return.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include <unistd.h>

#include "layer.h"
#include "runtime/platform.h"
#include "starling_host.h"

namespace platform {

struct Event {
  std::chrono::steady_clock::time_point time;
};
struct Graph {
  host::Launches launches;
};

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

void* allocate(int64_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, size_t(bytes ? bytes : 1))) {
    throw gpu::Error(STARLING_OUT_OF_MEMORY, "out of memory: " + std::to_string(bytes) + " bytes asked");
  }
  std::memset(memory, 0, size_t(bytes));
  return memory;
}
void release(void* memory) { free(memory); }

void copy(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows, Direction,
          gpu::Stream) {
  for (int64_t r = 0; r < rows; r++) {
    std::memcpy(static_cast<char*>(dst) + r * dst_stride, static_cast<const char*>(src) + r * src_stride, size_t(width));
  }
}

gpu::Stream create_stream() { return nullptr; }
void destroy_stream(gpu::Stream) {}
void wait(gpu::Stream) {}
void drain(gpu::Stream) {}

Event* create_event() { return new Event; }
void destroy_event(Event* e) { delete e; }
void record(Event* e, gpu::Stream) { e->time = std::chrono::steady_clock::now(); }
double elapsed(Event* from, Event* to) {
  return std::chrono::duration<double, std::milli>(to->time - from->time).count();
}

void capture_begin(gpu::Stream) {
  if (host::capturing) throw gpu::Error(STARLING_INVALID_ARGUMENT, "capture_begin: a capture has begun already");
  host::capturing = new host::Launches;
}
Graph* capture_end(gpu::Stream) {
  if (!host::capturing) throw gpu::Error(STARLING_INVALID_ARGUMENT, "capture_end: no capture has begun");
  std::unique_ptr<host::Launches> launches(host::capturing);
  host::capturing = nullptr;
  return new Graph{std::move(*launches)};
}
void launch(Graph* g, gpu::Stream) {
  for (const auto& one : g->launches) one();
}
void destroy_graph(Graph* g) { delete g; }

}  // namespace platform

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
      lines += l.kernel + "\t" + std::to_string(l.grid.x) + "," + std::to_string(l.grid.y) + "," +
               std::to_string(l.grid.z) + "\t" + std::to_string(l.block.x * l.block.y * l.block.z) + "\t" +
               std::to_string(l.shared) + "\t";
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
