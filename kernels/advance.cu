// advance: counters of a step (lengths, positions, its number) move on, on the device.
//
// Math      counters[i] += by.
// Shapes    counters i32 [n].
// Launch    ⌈n/128⌉ blocks of 128 threads.
// Cost      8 bytes per counter. Bound by launch latency.
// Limits    none.
#include "gpu/args.h"
#include "gpu/prims.h"

KERNEL(128)
advance_kernel(int32_t* counters, int n, int by) {
  int i = int(blockIdx.x) * 128 + int(threadIdx.x);
  if (i < n) store(counters + i, load(counters + i) + by);
}

extern "C" int starling_advance(const starling_advance_args* args, starling_stream* stream) {
  return gpu::guarded("advance", args, [&](const starling_advance_args& a) {
    int n = a.counters.rows;
    auto* counters = gpu::vector<int32_t>("counters", a.counters, n);
    gpu::launch<advance_kernel>(dim3(gpu::ceil_div(n, 128)), dim3(128), 0, stream, counters, n, a.by);
  });
}
