// What launchers ask of starling_attention_inputs and of segments.
#pragma once
#include "args.h"
#include "segments.h"

// Returns the number of key heads.
inline int require_heads(const starling_attention_inputs& in) {
  gpu::require(in.heads >= 1, "heads must be at least 1");
  gpu::require(in.kv_heads >= 1 && in.heads % in.kv_heads == 0, "the key heads do not divide the query heads");
  return in.kv_heads;
}

// The segments of a call of `rows` rows over keys in `key_rows`.
inline SegmentTable segment_table(const starling_segments& s, int rows, int key_rows, int hidden_bytes) {
  if (!s.table.data) {
    gpu::require(key_rows >= rows, "the cache has no room for the rows of the call");
    return {nullptr, 0, 1, rows, rows, rows, key_rows, hidden_bytes};
  }
  gpu::require(s.rows >= 0 && s.keys >= s.rows, "a segment has fewer keys than rows");
  gpu::require(s.table.rows <= 65535, "more than 65535 segments");
  return {gpu::matrix<int32_t>("segments", s.table, s.table.rows, SEGMENT_WIDTH),
          s.table.stride,
          s.table.rows,
          s.rows,
          s.keys,
          rows,
          key_rows,
          hidden_bytes};
}
inline SegmentTable segment_table(const starling_attention_inputs& in) {
  gpu::require(!in.hidden.data || in.segments.table.data || in.hidden.rows >= in.q.rows, "hidden is shorter than the keys");
  return segment_table(in.segments, in.q.rows, in.k.rows, in.hidden.data ? in.hidden.rows : 0);
}
