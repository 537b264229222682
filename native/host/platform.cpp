// The machine is this CPU: the host layer behind the C interface. Launches are done when they return.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "layer.h"
#include "runtime/platform.h"
#include "starling_host.h"

namespace platform {

struct Event {
  std::chrono::steady_clock::time_point time;
};

const char* backend() { return "emulated"; }

std::string probe() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) {
    throw gpu::Error(STARLING_NO_DEVICE, "the host layer needs a CPU with AVX2, FMA and F16C");
  }
  return "the CUDA kernels on the CPU, " + std::to_string(std::max(1u, std::thread::hardware_concurrency())) + " threads";
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

Event* create_event() { return new Event; }
void destroy_event(Event* e) { delete e; }
void record(Event* e, gpu::Stream) { e->time = std::chrono::steady_clock::now(); }
double elapsed(Event* from, Event* to) {
  return std::chrono::duration<double, std::milli>(to->time - from->time).count();
}

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
