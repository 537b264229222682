// The layer from outside a kernel: memory, threads, schedules, counters, records. native/runtime and the tests use it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine.h"

namespace host {

// ---- settings; take effect with the next launch ----
void set_threads(int threads);     // OS threads that blocks are dealt to
void set_schedule(uint64_t seed);  // 0: fixed order; else blocks and threads in a random order of that seed

// Bytes of shared memory that a block may have: as few as on the smallest card that kernels are for (sm_86, sm_89 and
// sm_120), unless a test says so.
constexpr size_t SMALLEST_SHARED = 99 * 1024;
void set_shared_limit(size_t bytes);
size_t shared_limit();

// ---- counters, of all launches since the last reset ----
struct Counters {
  uint64_t launches, blocks, read, written, flops, barriers, collectives, switches;
};
Counters counters();
void reset_counters();

std::string short_name(const char* kernel);  // without what the compiler writes around it

// ---- records ----
struct Launched {
  std::string kernel;
  dim3 grid, block;
  size_t shared;
  std::string arguments;  // their bytes, one after another
};
void start_recording();
std::vector<Launched> stop_recording();

}  // namespace host
