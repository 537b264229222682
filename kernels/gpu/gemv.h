// How gemm.cu reaches gemv.cu.
#pragma once
#include "epilogue.h"
#include "launch.h"
#include "statistics.h"

constexpr int GEMV_ROWS = 16;
constexpr int GEMV_BLOCKS = 396;  // three on each of 132 multiprocessors

// Blocks for `out` columns, in groups of 16: each has equally many groups, but for the last ones.
inline unsigned gemv_blocks(int out) {
  unsigned groups = gpu::ceil_div(out, 16);
  return gpu::ceil_div(groups, gpu::ceil_div(groups, GEMV_BLOCKS));
}

// rows ≤ GEMV_ROWS; arguments as starling_gemm.
template <class T>
void gemv(const T* x, const T* w, const T* norm_weight, const T* norm_bias, int64_t x_stride, int64_t w_stride, int rows,
          int in, float eps, const Epilogue& p, const ProductRows& around, starling_stream* stream);
