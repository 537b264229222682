// Rotary embedding of a head, a pair of channels at a time, as rope.cu does it.
#pragma once
#include "prims.h"
#include "segments.h"

constexpr int SPLIT_ROWS = 4;  // the most rows of a segment in a decode step

template <class T>
struct Turning {
  const T* qkv;
  const int32_t* positions;  // or none: those of the segments
  const float *cos, *sin;
  int64_t qkv_stride, axis_stride, cos_stride, sin_stride;
  int32_t heads, kv_heads, half, first_end, second_end, table_rows;
};

// Unit c of a head of row i of a segment: c < half turns channels c and half + c, others copy channel half + c.
template <class T>
DEVICE void turn(T* to, const T* qkv_row, int head, int i, int c, int head_size, const Segment& segment,
                 const Turning<T>& t) {
  const T* from = qkv_row + head * head_size;
  if (c < t.half) {
    int axis = c < t.first_end ? 0 : c < t.second_end ? 1 : 2;
    int p = t.positions ? load(t.positions + axis * t.axis_stride + segment.row + i)
                        : load(segment.numbers + SEGMENT_POSITION + axis) + i;
    int64_t position = checked(p, t.table_rows, "a position");
    float a = to_float(load(from + c)), b = to_float(load(from + t.half + c));
    float x = load(t.cos + position * t.cos_stride + c), y = load(t.sin + position * t.sin_stride + c);
    to[c] = from_float<T>(a * x - b * y);
    to[t.half + c] = from_float<T>(b * x + a * y);
  } else {
    to[t.half + c] = load(from + t.half + c);
  }
}
