/* What a bench needs beside the operators: ceilings that kernels are held against, and counters of the work they do. */
#ifndef STARLING_BENCH_H
#define STARLING_BENCH_H

#include "starling.h"

#if defined(__cplusplus)
extern "C" {
#endif

/* ---- ceilings ---- */

/* out = in: the plain copy. Multiples of 16 bytes. */
STARLING_API int starling_ceiling_copy(void *out /* [16] */, const void *in /* [16] */, int64_t bytes,
                                       starling_stream *stream);

/* Reads everything; out[b] = sum of what block b read, as f32, for the ceil(bytes / 32768) blocks, at most 1024, there are.
 * Multiples of 16 bytes. */
STARLING_API int starling_ceiling_read(float *out /* f32 [1024] */, const void *in /* [16] */, int64_t bytes,
                                       starling_stream *stream);

/* Products in registers, without memory: `blocks` blocks of 8 warps, `steps` times 16*64*16 multiply-adds a warp; that is
 * blocks * steps * 262144 FLOPs. f32 by FMA, bf16 and f16 by mma.sync. out[b] = a sum over the block. */
STARLING_API int starling_ceiling_products(float *out /* f32 [blocks] */, int32_t blocks, int32_t steps, int32_t dtype,
                                           starling_stream *stream);

/* `launches` empty launches. */
STARLING_API int starling_ceiling_nothing(int32_t launches, starling_stream *stream);

/* counters[i] += by: the smallest launch that leaves a trace. */
STARLING_API int starling_add(int32_t *counters /* [n] */, int32_t n, int32_t by, starling_stream *stream);

/* ---- counters and records, which only libstarling_host.so has; they concern the whole process ---- */

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
