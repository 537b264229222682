/* What only libstarling_host.so has: settings of the layer that runs the kernels on the CPU. They concern the whole process. */
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

#if defined(__cplusplus)
}
#endif

#endif
