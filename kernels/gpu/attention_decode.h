// How attention.cu reaches attention_decode.cu.
#pragma once
#include "attention_inputs.h"

constexpr int DECODE_ROWS = 4;

// At most DECODE_ROWS rows a segment; arguments as starling_attention, group = query heads of one key head.
template <class T, int D>
void attention_decode(T* out, float* lse, const T* q, const T* k, const T* v, const SegmentTable& segments,
                      const uint8_t* hidden, int64_t out_stride, int64_t lse_stride, int64_t q_stride, int64_t k_stride,
                      int64_t v_stride, int heads, int group, int causal, float scale_log2, starling_stream* stream);
