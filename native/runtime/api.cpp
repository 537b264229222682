// The C interface except for the operators: library, memory, streams, events.
#include <cstring>
#include <memory>

#include "platform.h"

struct starling_event {
  platform::Event* event;
};
struct starling_graph {
  platform::Graph* graph;
  starling_stream* stream;  // whose scratch memory and tickets are in it
};

namespace gpu {

static thread_local std::string last_error;

int failed(int status, const char* sentence) {
  last_error = sentence;
  return status;
}

// What no graph can hold is refused before CUDA hears of it, which would spoil a capture of others too.
static void refuse_in_capture(starling_stream* stream, const char* what) {
  if (!platform::capturing(stream->handle)) return;
  stream->refused = what;
  throw Error(STARLING_INVALID_ARGUMENT, std::string(what) + ", which cannot be while the stream is captured");
}

void* scratch(starling_stream* stream, size_t bytes) {
  if (bytes > stream->scratch_bytes) {
    refuse_in_capture(stream, "scratch memory must grow (run the same operators once before the capture)");
    void* outgrown = stream->scratch;
    stream->scratch = nullptr;
    stream->scratch_bytes = 0;
    if (stream->scratch_captured) {
      stream->captured.push_back(outgrown);  // graphs run on
    } else if (outgrown) {
      platform::release(outgrown, stream->handle);
    }
    stream->scratch_captured = false;
    stream->scratch = platform::allocate(int64_t(bytes), stream->handle);
    stream->scratch_bytes = bytes;
  }
  if (platform::capturing(stream->handle)) stream->scratch_captured = true;
  return stream->scratch;
}

void require_shared(size_t bytes) {
  size_t limit = platform::shared_limit();
  if (bytes > limit) {
    throw Error(STARLING_INVALID_ARGUMENT, "its kernel needs " + std::to_string(bytes) +
                                               " bytes of shared memory in a block; this device has " +
                                               std::to_string(limit));
  }
}

// Memory that was freed while the stream was captured.
static void free_kept(starling_stream* stream) {
  for (void* memory : stream->freed) platform::release(memory, stream->handle);
  stream->freed.clear();
}

}  // namespace gpu

extern "C" {

int32_t starling_abi_version(void) { return STARLING_ABI_VERSION; }

const char* starling_backend(void) { return platform::backend(); }

const char* starling_error(void) { return gpu::last_error.c_str(); }

int starling_probe(char* text, int32_t size) {
  return gpu::guarded([&] {
    std::string line = platform::probe();
    gpu::require(size >= 1, "probe: no room for the text");
    size_t n = std::min(line.size(), size_t(size) - 1);
    std::memcpy(text, line.data(), n);
    text[n] = 0;
  });
}

int starling_card_count(int32_t* out) {
  return gpu::guarded([&] { *out = platform::card_count(); });
}

int starling_card_describe(starling_card* out, int32_t index) {
  return gpu::guarded([&] {
    int cards = platform::card_count();
    if (index < 0 || index >= cards) {
      throw gpu::Error(STARLING_INVALID_ARGUMENT,
                       "card " + std::to_string(index) + " of " + std::to_string(cards) + ", counted from 0");
    }
    *out = platform::card(index);
  });
}

int starling_allocate(void** out, int64_t bytes, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(bytes >= 0, "allocate: a negative size");
    gpu::refuse_in_capture(stream, "memory is allocated");
    *out = platform::allocate(bytes, stream->handle);
    platform::zero(*out, bytes, stream->handle);
  });
}

int starling_zero(void* memory, int64_t bytes, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(bytes >= 0, "zero: a negative size");
    platform::zero(memory, bytes, stream->handle);
  });
}

int starling_slot_claim(void* memory, int64_t bytes) {
  return gpu::guarded([&] {
    gpu::require(memory && bytes >= 0, "slot_claim: no memory, or fewer than no bytes");
    platform::claim_slot(memory, bytes);
  });
}
int starling_slot_release(void* memory) {
  return gpu::guarded([&] { platform::release_slot(memory); });
}

int starling_free(void* memory, starling_stream* stream) {
  return gpu::guarded([&] {
    if (!memory) return;
    if (!stream) return platform::release_unused(memory);
    stream->freed.push_back(memory);
    if (!platform::capturing(stream->handle)) gpu::free_kept(stream);
  });
}

int starling_upload(void* dst, int64_t dst_stride_bytes, const void* src, int64_t src_stride_bytes, int64_t width,
                    int64_t rows, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(width <= dst_stride_bytes || rows <= 1, "upload: rows of dst overlap");
    gpu::refuse_in_capture(stream, "bytes of the host are uploaded");
    platform::upload(dst, dst_stride_bytes, src, src_stride_bytes, width, rows, stream->staging, stream->handle);
  });
}

int starling_download(void* dst, int64_t dst_stride_bytes, const void* src, int64_t src_stride_bytes, int64_t width,
                      int64_t rows, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(width <= dst_stride_bytes || rows <= 1, "download: rows of dst overlap");
    gpu::refuse_in_capture(stream, "bytes are downloaded");
    platform::download(dst, dst_stride_bytes, src, src_stride_bytes, width, rows, stream->handle);
  });
}

int starling_stream_create(starling_stream** out, void* cuda_stream) {
  return gpu::guarded([&] {
    auto stream = std::make_unique<starling_stream>();
    stream->owned = cuda_stream == nullptr;
    stream->handle = stream->owned ? platform::create_stream() : platform::adopt_stream(cuda_stream);
    try {
      gpu::refuse_in_capture(stream.get(), "a stream is opened on it");
      int64_t bytes = gpu::STREAM_TICKETS * sizeof(unsigned);
      stream->tickets = static_cast<unsigned*>(platform::allocate(bytes, stream->handle));
      platform::zero(stream->tickets, bytes, stream->handle);
    } catch (...) {
      if (stream->owned) platform::destroy_stream(stream->handle);
      throw;
    }
    *out = stream.release();
  });
}

int starling_stream_handle(void** out, starling_stream* stream) {
  *out = platform::cuda_stream(stream->handle);
  return STARLING_OK;
}

int starling_stream_destroy(starling_stream* stream) {
  return gpu::guarded([&] {
    if (!stream) return;
    if (stream->capturing) platform::capture_drop(stream->handle);
    stream->capturing = false;
    gpu::refuse_in_capture(stream, "the stream is destroyed");  // the caller's, by the caller
    std::unique_ptr<starling_stream> owner(stream);
    gpu::free_kept(stream);
    platform::drain(stream->handle);
    platform::destroy_staging(stream->staging);
    for (void* memory : stream->captured) platform::release_unused(memory);
    platform::release_unused(stream->scratch);
    platform::release_unused(stream->tickets);
    if (stream->owned) platform::destroy_stream(stream->handle);
  });
}

int starling_stream_wait(starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::refuse_in_capture(stream, "its work is waited for");
    platform::wait(stream->handle);
  });
}

int starling_event_create(starling_event** out) {
  return gpu::guarded([&] { *out = new starling_event{platform::create_event()}; });
}

int starling_event_destroy(starling_event* event) {
  return gpu::guarded([&] {
    if (event) platform::destroy_event(event->event);
    delete event;
  });
}

int starling_event_record(starling_event* event, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::refuse_in_capture(stream, "an event is recorded");
    platform::record(event->event, stream->handle);
  });
}

int starling_event_elapsed(double* milliseconds, starling_event* from, starling_event* to) {
  return gpu::guarded([&] { *milliseconds = platform::elapsed(from->event, to->event); });
}

int starling_capture_begin(starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(!platform::capturing(stream->handle), "capture_begin: a capture has begun already");
    platform::capture_begin(stream->handle);
    stream->capturing = true;
    stream->refused.clear();
  });
}

int starling_capture_end(starling_graph** out, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(stream->capturing, "capture_end: no capture has begun");
    platform::Graph* graph = nullptr;
    try {
      graph = platform::capture_end(stream->handle);
    } catch (...) {
      stream->capturing = platform::capturing(stream->handle);  // it goes on if it is another thread's
      throw;
    }
    stream->capturing = false;
    gpu::free_kept(stream);
    if (!stream->refused.empty()) {
      platform::destroy_graph(graph);
      throw gpu::Error(STARLING_INVALID_ARGUMENT, "capture_end: there is no graph, since in the capture " + stream->refused);
    }
    *out = new starling_graph{graph, stream};
  });
}

int starling_graph_launch(starling_graph* graph, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(graph->stream == stream, "graph_launch: the graph was captured on another stream, whose scratch it has");
#if defined(__CUDACC__)
    platform::launch(graph->graph, stream->handle);
#else
    try {
      platform::launch(graph->graph, stream->handle);
    } catch (...) {
      std::fill_n(stream->tickets, gpu::STREAM_TICKETS, 0u);  // as gpu::launch does
      throw;
    }
#endif
  });
}

int starling_graph_destroy(starling_graph* graph) {
  return gpu::guarded([&] {
    if (graph) platform::destroy_graph(graph->graph);
    delete graph;
  });
}

}  // extern "C"
