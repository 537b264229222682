/* What only libstarling_host.so has: settings, counters and records of the layer that runs the kernels on the CPU. They
 * concern the whole process. */
#ifndef STARLING_HOST_H
#define STARLING_HOST_H

#include "starling.h"

#if defined(__cplusplus)
extern "C" {
#endif

/* OS threads that blocks are dealt to; as many as the machine has unless told. */
STARLING_API void starling_host_threads(int32_t threads);

/* 0: blocks and threads run in a fixed order. Otherwise in a random order of that seed, with threads preempted: a result
 * that changes is a missing barrier. */
STARLING_API void starling_host_schedule(uint64_t seed);

/* Work of all launches since the last reset: launches, blocks, bytes read from and written to global memory, FLOPs of products,
 * barriers, warp collectives, switches between threads. */
STARLING_API void starling_host_counters(uint64_t *out /* host [8] */);
STARLING_API void starling_host_reset_counters(void);

/* Starts recording launches. */
STARLING_API void starling_host_record(void);

/* With text == NULL: stops recording and returns the size of the record. Then copies it: one line per launch, "kernel TAB
 * grid x,y,z TAB threads TAB dynamic shared bytes TAB argument bytes in hex". */
STARLING_API int64_t starling_host_records(char *text /* host [size] | NULL */, int64_t size);

#if defined(__cplusplus)
}
#endif

#endif
