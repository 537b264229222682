// The arguments that attention_colsum and colsum_select share, checked.
#pragma once
#include "colsum.h"
#include "launch.h"

template <class T>
Received<T> received(const void* q, int64_t q_stride, const void* k, int64_t k_stride, const float* lse,
                     int64_t lse_stride, const int32_t* length, const uint8_t* hidden, const int32_t* index,
                     int32_t row_from, int32_t row_to, int32_t key_at, int32_t n, int32_t capacity, int32_t heads,
                     int32_t kv_heads, int32_t causal, float scale) {
  gpu::require(row_from >= 0 && row_to >= row_from, "attention_colsum: the span of rows runs backwards");
  gpu::require(key_at >= 0 && n >= 0 && (index || key_at + n <= capacity), "attention_colsum: keys beyond the capacity");
  gpu::require(kv_heads >= 1 && heads % kv_heads == 0, "attention_colsum: the key heads do not divide the query heads");
  auto *q_ = static_cast<const T*>(q), *k_ = static_cast<const T*>(k);
  gpu::require_rows16(q_, q_stride, "q");
  gpu::require_rows16(k_, k_stride, "k");
  return Received<T>{q_,       k_,     lse,    length, hidden,   index,            q_stride, k_stride,      lse_stride,
                     row_from, row_to, key_at, n,      capacity, heads / kv_heads, causal,   scale * LOG2_E};
}
