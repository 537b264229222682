/* The library under the operators of starling.h: its version and errors, the cards, memory, streams and events, capture. */
#ifndef STARLING_LIBRARY_H
#define STARLING_LIBRARY_H

#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define STARLING_API __attribute__((visibility("default")))

/* Changes with every change of the interface that a caller could notice. */
#define STARLING_ABI_VERSION 8

enum starling_status {
  STARLING_OK = 0,
  STARLING_INVALID_ARGUMENT = 1,
  STARLING_NO_DEVICE = 2,     /* no driver, driver too old, no GPU, or no kernels for this one */
  STARLING_OUT_OF_MEMORY = 3,
  STARLING_KERNEL_FAULT = 4   /* a launch failed, or a kernel did something wrong */
};

typedef struct starling_stream starling_stream;
typedef struct starling_event starling_event;
typedef struct starling_graph starling_graph;

STARLING_API int32_t starling_abi_version(void);

/* "cuda" or "emulated". */
STARLING_API const char *starling_backend(void);

/* The sentence of the last failure in this thread; "" if there was none. Valid until the next call of this thread. */
STARLING_API const char *starling_error(void);

/* Checks that work can run here, by running a tiny kernel. `text` receives one line about the device, cut to `size` bytes
 * with the closing zero. STARLING_NO_DEVICE with the reason otherwise. */
STARLING_API int starling_probe(char *text /* host [size] */, int32_t size);

/* A card as the driver shows it, after it has applied CUDA_VISIBLE_DEVICES. On the host layer: this machine. */
typedef struct {
  char name[128];        /* of a MIG slice: with "MIG" and its profile */
  char uuid[64];         /* "GPU-..."; "" on the host layer */
  int64_t memory_bytes;
  int64_t free_bytes;    /* -1 if it cannot be asked */
  int64_t l2_bytes;
  int32_t multiprocessors;
  int32_t major, minor;  /* compute capability */
  int32_t driver;        /* CUDA version the driver supports, 1000 * major + 10 * minor */
  int32_t mig;           /* 1 if it is a slice of a card */
  int32_t reserved;      /* 0 */
} starling_card;

/* How many cards there are; the work of a process runs on the first. */
STARLING_API int starling_card_count(int32_t *out /* host */);
STARLING_API int starling_card_describe(starling_card *out /* host */, int32_t index);

/* ---- memory ---- */

/* `bytes` zeroed bytes at a multiple of 256, for the work that is put on `stream` from here on. Other streams wait for this
 * one before they touch them (starling_stream_wait, or an event of the program's own). */
STARLING_API int starling_allocate(void **out /* host */, int64_t bytes, starling_stream *stream);

/* Makes bytes of device memory 0, in the order of a stream. It may be captured. */
STARLING_API int starling_zero(void *memory, int64_t bytes, starling_stream *stream);

/* Claims a part of an allocation as one sequence's slot, which makes the allocation a pool: libstarling_host.so then refuses
 * a launch with a segment that does not lie in one slot, and AddressSanitizer reports whoever touches what is in none.
 * libstarling_cuda.so does nothing here. A slot is released by the address it was claimed at. */
STARLING_API int starling_slot_claim(void *memory, int64_t bytes);
STARLING_API int starling_slot_release(void *memory);

/* Frees in the order of a stream: after the work that was put on it before this call, which may still run. No work on other
 * streams may use the memory any more. `stream` NULL: no work at all uses it, as after starling_stream_destroy. While the
 * stream is captured, memory is kept until the capture ends. `memory` NULL is allowed. */
STARLING_API int starling_free(void *memory, starling_stream *stream);

/* Rows of `width` bytes from host memory to the device, in the order of the stream, for which the call does not wait; `src` may
 * be reused when it returns. */
STARLING_API int starling_upload(void *dst, int64_t dst_stride_bytes, const void *src /* host */, int64_t src_stride_bytes,
                                 int64_t width, int64_t rows, starling_stream *stream);

/* Rows of `width` bytes to host memory; returns when they are there, after all work before it on this stream. */
STARLING_API int starling_download(void *dst /* host */, int64_t dst_stride_bytes, const void *src, int64_t src_stride_bytes,
                                   int64_t width, int64_t rows, starling_stream *stream);

/* ---- streams and events ---- */

/* A new stream, or with `cuda_stream` the caller's cudaStream_t, which the caller destroys after it. A new stream does not
 * wait for CUDA's default stream, nor that one for it. */
STARLING_API int starling_stream_create(starling_stream **out /* host */, void *cuda_stream);

/* The cudaStream_t inside, for libraries that take one; NULL on the host layer. */
STARLING_API int starling_stream_handle(void **out /* host */, starling_stream *stream);

/* Waits for its work and frees its scratch memory; a capture that was not ended is dropped. Graphs that were captured on it
 * can then no longer be launched, only destroyed. NULL is allowed. */
STARLING_API int starling_stream_destroy(starling_stream *stream);

STARLING_API int starling_stream_wait(starling_stream *stream);

STARLING_API int starling_event_create(starling_event **out /* host */);
STARLING_API int starling_event_destroy(starling_event *event);

/* Marks the point that the stream's work has reached. */
STARLING_API int starling_event_record(starling_event *event, starling_stream *stream);

/* Milliseconds of device time between two recorded points; waits for the later. */
STARLING_API int starling_event_elapsed(double *milliseconds /* host */, starling_event *from, starling_event *to);

/* ---- capture and replay ---- */

/* From here to starling_capture_end, operators on this stream are recorded with their arguments instead of run. Run the same
 * operators once before: scratch memory cannot grow meanwhile. What cannot be recorded (that growth, allocating, copying
 * to and from the host, waiting, recording an event) is refused, and the capture then ends without a graph. */
STARLING_API int starling_capture_begin(starling_stream *stream);

/* Ends the capture, in the thread that began it. Whether or not there is a graph, the stream runs its work again. */
STARLING_API int starling_capture_end(starling_graph **out /* host */, starling_stream *stream);

/* Runs what was recorded, in order, on the stream it was recorded on, whose scratch memory is in the graph. */
STARLING_API int starling_graph_launch(starling_graph *graph /* host */, starling_stream *stream);
STARLING_API int starling_graph_destroy(starling_graph *graph /* host */);

#if defined(__cplusplus)
}
#endif

#endif
