// What gemm and gemv do with a finished sum.
#pragma once
#include "activation.h"

struct Epilogue {
  void* y;
  const float* bias;
  const void* residual;
  int64_t y_stride, residual_stride;
  int32_t out, activation, y_f32, reserved;
};

// sum: x·w of a column; up: that of column out + column, with SILU_MUL.
template <class T, bool GATED>
DEVICE void epilogue(float sum, float up, int row, int column, const Epilogue& p) {
  float value = sum + (p.bias ? load(p.bias + column) : 0.f);
  if constexpr (GATED) {
    value = silu(value) * (up + (p.bias ? load(p.bias + p.out + column) : 0.f));
  } else {
    value = activate(value, p.activation);
  }
  int64_t at = row * p.y_stride + column, residual_at = row * p.residual_stride + column;
  if (p.y_f32) {
    if (p.residual) value += load(static_cast<const float*>(p.residual) + residual_at);
    store(static_cast<float*>(p.y) + at, value);
  } else {
    if (p.residual) value += to_float(load(static_cast<const T*>(p.residual) + residual_at));
    store(static_cast<T*>(p.y) + at, from_float<T>(value));
  }
}
