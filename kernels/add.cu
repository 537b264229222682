// add: no operator, but the smallest kernel that leaves a trace: what the probe runs, and what tests of streams count with.
//
// Math      counters[i] += by.
// Shapes    counters i32 [n].
// Launch    ⌈n/128⌉ blocks of 128 threads.
// Cost      8 bytes per counter. Bound by launch latency.
// Limits    none.
#include "gpu/ceilings.h"
#include "gpu/launch.h"
#include "gpu/prims.h"

KERNEL(128)
add_kernel(int32_t* counters, int n, int by) {
  int i = int(blockIdx.x) * 128 + int(threadIdx.x);
  if (i < n) store(counters + i, load(counters + i) + by);
}

extern "C" int starling_add(int32_t* counters, int32_t n, int32_t by, starling_stream* stream) {
  return gpu::guarded([&] { gpu::launch<add_kernel>(dim3(gpu::ceil_div(n, 128)), dim3(128), 0, stream, counters, n, by); });
}
