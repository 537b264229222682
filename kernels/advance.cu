// advance: the segments of a step (lengths, positions, numbers of the step) move on, on the device.
//
// Math      of a segment with rows > 0: length += rows, each position += rows, step += 1.
// Shapes    segments i32 [S, 16], of all layers in one launch.
// Launch    ⌈S/128⌉ blocks of 128 threads.
// Cost      44 bytes per segment. Bound by launch latency.
// Limits    none.
#include "gpu/args.h"
#include "gpu/prims.h"
#include "gpu/segments.h"

KERNEL(128)
advance_kernel(int32_t* table, int64_t stride, int count) {
  int i = int(blockIdx.x) * 128 + int(threadIdx.x);
  if (i >= count) return;
  int32_t* n = table + i * stride;
  int rows = load(n + SEGMENT_ROWS);
  if (rows == 0) return;
  store(n + SEGMENT_LENGTH, load(n + SEGMENT_LENGTH) + rows);
  for (int axis = 0; axis < 3; axis++) store(n + SEGMENT_POSITION + axis, load(n + SEGMENT_POSITION + axis) + rows);
  store(n + SEGMENT_STEP, load(n + SEGMENT_STEP) + 1);
}

extern "C" int starling_advance(const starling_advance_args* args, starling_stream* stream) {
  return gpu::guarded("advance", args, [&](const starling_advance_args& a) {
    int count = a.segments.rows;
    auto* table = gpu::matrix<int32_t>("segments", a.segments, count, SEGMENT_WIDTH);
    gpu::launch<advance_kernel>(dim3(gpu::ceil_div(count, 128)), dim3(128), 0, stream, table, a.segments.stride, count);
  });
}
