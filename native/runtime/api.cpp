// The C interface except for the operators: library, memory, streams, events.
#include <cstring>
#include <memory>

#include "platform.h"

struct starling_event {
  platform::Event* event;
};
struct starling_graph {
  platform::Graph* graph;
};

namespace gpu {

static thread_local std::string last_error;

int failed(int status, const char* sentence) {
  last_error = sentence;
  return status;
}

void* scratch(starling_stream* stream, size_t bytes) {
  if (bytes > stream->scratch_bytes) {
    platform::wait(stream->handle);
    platform::release(stream->scratch);
    stream->scratch = nullptr;
    stream->scratch_bytes = 0;
    stream->scratch = platform::allocate(int64_t(bytes));
    stream->scratch_bytes = bytes;
  }
  return stream->scratch;
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

int starling_allocate(void** out, int64_t bytes) {
  return gpu::guarded([&] {
    gpu::require(bytes >= 0, "allocate: a negative size");
    *out = platform::allocate(bytes);
  });
}

int starling_free(void* memory) {
  return gpu::guarded([&] { platform::release(memory); });
}

int starling_upload(void* dst, int64_t dst_stride_bytes, const void* src, int64_t src_stride_bytes, int64_t width,
                    int64_t rows, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(width <= dst_stride_bytes || rows <= 1, "upload: rows of dst overlap");
    platform::copy(dst, dst_stride_bytes, src, src_stride_bytes, width, rows, platform::Direction::TO_DEVICE,
                   stream->handle);
  });
}

int starling_download(void* dst, int64_t dst_stride_bytes, const void* src, int64_t src_stride_bytes, int64_t width,
                      int64_t rows, starling_stream* stream) {
  return gpu::guarded([&] {
    gpu::require(width <= dst_stride_bytes || rows <= 1, "download: rows of dst overlap");
    platform::copy(dst, dst_stride_bytes, src, src_stride_bytes, width, rows, platform::Direction::TO_HOST,
                   stream->handle);
  });
}

int starling_stream_create(starling_stream** out, void* cuda_stream) {
  return gpu::guarded([&] {
    auto stream = std::make_unique<starling_stream>();
    stream->tickets = static_cast<unsigned*>(platform::allocate(gpu::STREAM_TICKETS * sizeof(unsigned)));
    stream->owned = cuda_stream == nullptr;
    stream->handle = stream->owned ? platform::create_stream() : static_cast<gpu::Stream>(cuda_stream);
    *out = stream.release();
  });
}

int starling_stream_handle(void** out, starling_stream* stream) {
  *out = stream->handle;
  return STARLING_OK;
}

int starling_stream_destroy(starling_stream* stream) {
  return gpu::guarded([&] {
    if (!stream) return;
    std::unique_ptr<starling_stream> owner(stream);
    platform::drain(stream->handle);
    platform::release(stream->scratch);
    platform::release(stream->tickets);
    if (stream->owned) platform::destroy_stream(stream->handle);
  });
}

int starling_stream_wait(starling_stream* stream) {
  return gpu::guarded([&] { platform::wait(stream->handle); });
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
  return gpu::guarded([&] { platform::record(event->event, stream->handle); });
}

int starling_event_elapsed(double* milliseconds, starling_event* from, starling_event* to) {
  return gpu::guarded([&] { *milliseconds = platform::elapsed(from->event, to->event); });
}

int starling_capture_begin(starling_stream* stream) {
  return gpu::guarded([&] { platform::capture_begin(stream->handle); });
}

int starling_capture_end(starling_graph** out, starling_stream* stream) {
  return gpu::guarded([&] { *out = new starling_graph{platform::capture_end(stream->handle)}; });
}

int starling_graph_launch(starling_graph* graph, starling_stream* stream) {
  return gpu::guarded([&] { platform::launch(graph->graph, stream->handle); });
}

int starling_graph_destroy(starling_graph* graph) {
  return gpu::guarded([&] {
    if (graph) platform::destroy_graph(graph->graph);
    delete graph;
  });
}

}  // extern "C"
