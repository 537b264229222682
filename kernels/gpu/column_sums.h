// The arguments that attention_colsum and colsum_select share, checked.
#pragma once
#include "attention_inputs.h"
#include "colsum.h"

template <class T>
ColumnSums<T> column_sums(const starling_attention_inputs& in, const starling_tensor& lse, const starling_tensor& index,
                          int32_t row_from, int32_t row_to, int32_t key_at, int32_t n) {
  int rows = in.q.rows, kv_heads = require_heads(in);
  SegmentTable segments = segment_table(in);
  gpu::require(segments.count == 1, "column sums are of one segment");
  gpu::require(row_from >= 0 && row_to >= row_from && row_to <= segments.rows,
               "the span of rows runs backwards or beyond q");
  gpu::require(key_at >= 0 && n >= 0 && (index.data || key_at + n <= segments.keys), "keys beyond the segment's");
  return ColumnSums<T>{gpu::matrix16<T>("q", in.q, rows, int64_t(in.heads) * in.head_size),
                       gpu::matrix16<T>("k", in.k, in.k.rows, int64_t(kv_heads) * in.head_size),
                       gpu::matrix<float>("lse", lse, in.heads, rows),
                       segments,
                       gpu::optional_vector<uint8_t>("hidden", in.hidden, in.hidden.rows),
                       gpu::optional_vector<int32_t>("index", index, n),
                       in.q.stride,
                       in.k.stride,
                       lse.stride,
                       row_from,
                       row_to,
                       key_at,
                       n,
                       in.heads / kv_heads,
                       in.causal,
                       in.scale * LOG2_E,
                       0};
}
