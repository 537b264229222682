// How gemm.cu reaches gemv.cu.
#pragma once
#include "epilogue.h"
#include "launch.h"
#include "statistics.h"

constexpr int GEMV_ROWS = 16;

// rows ≤ GEMV_ROWS; arguments as starling_gemm.
template <class T>
void gemv(const T* x, const T* w, const T* norm_weight, const T* norm_bias, int64_t x_stride, int64_t w_stride, int rows,
          int in, float eps, const Epilogue& p, const ProductRows& around, starling_stream* stream);
