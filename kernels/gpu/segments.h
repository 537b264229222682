// Segments: which rows of a call belong together, where their keys lie and how many there are, read from device memory.
#pragma once
#include "gpu.h"

// Columns of a table, as starling.h lists them.
enum {
  SEGMENT_ROW = 0,
  SEGMENT_ROWS = 1,
  SEGMENT_AT = 2,
  SEGMENT_CAPACITY = 3,
  SEGMENT_LENGTH = 4,
  SEGMENT_HIDDEN = 5,
  SEGMENT_POSITION = 6,
  SEGMENT_STEP = 9,
  SEGMENT_TEMPERATURE = 10,
  SEGMENT_TOP_K = 11,
  SEGMENT_TOP_P = 12,
  SEGMENT_SEED = 13,
  SEGMENT_PENALTY = 15,
  SEGMENT_WIDTH = 16
};

// The table of a call. Without one (table NULL) all rows of the call are a segment, and its keys begin k and v.
struct SegmentTable {
  const int32_t* table;
  int64_t stride;
  int32_t count;
  int32_t rows, keys;           // the most that a segment has
  int32_t call_rows, key_rows;  // of q; of k and v
  int32_t hidden_bytes;
};

struct Segment {
  const int32_t* numbers;  // of the table
  int row, rows;           // its rows in the call
  int at, length, keys;    // its keys in k and v: length before this call, and all
  int hidden;              // first of its bytes, −1 for none
};

// The host layer holds every number against what it is a number of; a GPU trusts them.
DEVICE Segment segment_of(const SegmentTable& s, int i) {
  if (!s.table) return Segment{nullptr, 0, s.call_rows, 0, 0, s.call_rows, s.hidden_bytes ? 0 : -1};
  const int32_t* n = s.table + i * s.stride;
  Segment x{n, 0, load(n + SEGMENT_ROWS), 0, 0, 0, -1};
  if (x.rows == 0) return x;  // idle: nothing else is looked at
  checked(x.rows, s.rows + 1, "the number of a segment's rows");
  x.row = load(n + SEGMENT_ROW);
  checked(x.row, s.call_rows - x.rows + 1, "the first row of a segment");
  int capacity = load(n + SEGMENT_CAPACITY);
  x.at = load(n + SEGMENT_AT);
  x.length = load(n + SEGMENT_LENGTH);
  x.keys = x.length + x.rows;
  checked(capacity, s.key_rows + 1, "the capacity of a segment");
  checked(x.at, s.key_rows - capacity + 1, "the first key of a segment");
  checked(x.length, capacity - x.rows + 1, "the length of a segment");
  checked(x.keys, s.keys + 1, "the number of a segment's keys");
  if (s.hidden_bytes) {
    x.hidden = load(n + SEGMENT_HIDDEN);
    if (x.hidden != -1) checked(x.hidden, s.hidden_bytes - capacity + 1, "the first hidden byte of a segment");
  }
  return x;
}

// Where the keys of a segment begin. A pool has slots: the segment lies in one of them.
template <class T>
DEVICE T* keys_of(T* k, int64_t stride, const Segment& s, const char* what SITE_LAST) {
  T* first = k + s.at * stride;
#if !defined(__CUDACC__)
  if (s.numbers && s.rows) {  // in every thread: another one may be the first to read
    host::check_slot(first, (size_t(s.numbers[SEGMENT_CAPACITY] - 1) * size_t(stride) + 1) * sizeof(T), what, at);
  }
#endif
  return first;
}
