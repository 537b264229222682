// What the C interface needs of the machine: ../cuda/platform.cu on a GPU, ../host/platform.cpp on the host layer.
#pragma once
#include <cstdint>
#include <string>

#include "gpu/launch.h"

namespace platform {

struct Event;
struct Graph;

const char* backend();
std::string probe();  // one line about the device; throws gpu::Error if work cannot run here
int card_count();
starling_card card(int index);
size_t shared_limit();  // bytes of shared memory that a block may ask for

// Memory for the work of one stream: there, zero and gone in its order, never waited for.
void* allocate(int64_t bytes, gpu::Stream stream);  // at a multiple of 256; what is in it is not defined
void zero(void* memory, int64_t bytes, gpu::Stream stream);
void release(void* memory, gpu::Stream stream);
void claim_slot(void* memory, int64_t bytes);  // a part of an allocation
void release_slot(void* memory);
void release_unused(void* memory);  // nothing uses it any more, on any stream

// Host memory in which a stream's uploads wait for their turn; made when it is first needed.
struct Staging;
void destroy_staging(Staging* staging);  // of a stream whose work is done
// Returns when the host's bytes are read; does not wait for the stream, unless much more is on its way than fits.
void upload(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows,
            Staging*& staging, gpu::Stream stream);
// Returns when the bytes are there.
void download(void* dst, int64_t dst_stride, const void* src, int64_t src_stride, int64_t width, int64_t rows,
              gpu::Stream stream);

gpu::Stream create_stream();
gpu::Stream adopt_stream(void* cuda_stream);
void* cuda_stream(gpu::Stream stream);
void destroy_stream(gpu::Stream stream);
void wait(gpu::Stream stream);
void drain(gpu::Stream stream);  // waits, before giving back: work that was stopped has been reported already

Event* create_event();
void destroy_event(Event* event);
void record(Event* event, gpu::Stream stream);
double elapsed(Event* from, Event* to);  // milliseconds

bool capturing(gpu::Stream stream);  // whoever began it
void capture_begin(gpu::Stream stream);
Graph* capture_end(gpu::Stream stream);  // whatever happens, the stream is no longer captured
void capture_drop(gpu::Stream stream);
void launch(Graph* graph, gpu::Stream stream);
void destroy_graph(Graph* graph);

}  // namespace platform
