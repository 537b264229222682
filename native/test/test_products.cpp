// gemm, gemv and activation.
#include <algorithm>

#include "check.h"

using namespace check;

namespace {

double silu(double x) { return x / (1 + std::exp(-x)); }
double activate(double x, int activation) {
  if (activation == STARLING_QUICK_GELU) return x / (1 + std::exp(-1.702 * x));
  if (activation == STARLING_GELU) return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
  return x;
}

// Rows of x after the norm, rounded to the type.
std::vector<double> normed(const Tensor& x, const Tensor* weight, const Tensor* bias, double eps) {
  std::vector<double> out(x.values.begin(), x.values.end());
  if (!weight) return out;
  Tensor scratch(x.dtype, x.rows, x.width);
  for (int r = 0; r < x.rows; r++) {
    double mean = 0, var = 0;
    for (int i = 0; i < x.width && bias; i++) mean += x.at(r, i) / double(x.width);
    for (int i = 0; i < x.width; i++) var += (x.at(r, i) - mean) * (x.at(r, i) - mean) / x.width;
    for (int i = 0; i < x.width; i++) {
      scratch.at(r, i) = float((x.at(r, i) - mean) / std::sqrt(var + eps) * weight->at(0, i) + (bias ? bias->at(0, i) : 0));
    }
  }
  scratch.send();
  return {scratch.values.begin(), scratch.values.end()};
}

struct Shape {
  int rows, in, out;
};
std::vector<Shape> shapes() {
  if (small) return {{1, 100, 9}, {5, 40, 20}, {70, 100, 70}};
  return {{1, 64, 64},  {1, 4100, 17}, {2, 63, 65},    {4, 588, 33},   {5, 300, 7},  {16, 65, 130},
          {17, 64, 64}, {64, 257, 63}, {65, 129, 129}, {130, 588, 70}, {128, 1, 256}};
}

void check_gemm(Shape s, int dtype, int y_dtype, int activation, int norm, bool with_bias, bool with_residual) {
  int w_rows = activation == STARLING_SILU_MUL ? 2 * s.out : s.out;
  Tensor x = gaussian(dtype, s.rows, s.in), w = gaussian(dtype, w_rows, s.in, 1 / std::sqrt(double(s.in)));
  Tensor bias = gaussian(STARLING_F32, 1, w_rows), residual = gaussian(y_dtype, s.rows, s.out);
  Tensor nw = gaussian(dtype, 1, s.in), nb = gaussian(dtype, 1, s.in), y = filled(y_dtype, s.rows, s.out, NAN);
  starling_tensor none{};
  ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .bias = with_bias ? bias.vector() : none,
          .norm_weight = norm ? nw.vector() : none, .norm_bias = norm == 2 ? nb.vector() : none,
          .residual = with_residual ? residual : none, .activation = activation, .eps = 1e-5f));
  y.receive();
  std::vector<double> a = normed(x, norm ? &nw : nullptr, norm == 2 ? &nb : nullptr, 1e-5);
  std::string name = std::to_string(s.rows) + "×" + std::to_string(s.in) + "×" + std::to_string(s.out) + " " +
                     name_of(dtype) + " to " + name_of(y_dtype) + " activation " + std::to_string(activation) + " norm " +
                     std::to_string(norm);
  for (int r = 0; r < s.rows; r++) {
    for (int c = 0; c < s.out; c++) {
      auto column = [&](int n) {
        double sum = with_bias ? bias.at(0, n) : 0, size = std::fabs(sum);
        for (int i = 0; i < s.in; i++) {
          sum += a[size_t(r) * s.in + i] * w.at(n, i);
          size += std::fabs(a[size_t(r) * s.in + i] * w.at(n, i));
        }
        return std::pair(sum, size);
      };
      auto [sum, size] = column(c);
      double value = activation == STARLING_SILU_MUL ? silu(sum) : activate(sum, activation), spread = size;
      if (activation == STARLING_SILU_MUL) {
        auto [up, up_size] = column(s.out + c);
        value *= up;
        spread = size * (std::fabs(up) + 1) + up_size * (std::fabs(silu(sum)) + 1);
      }
      if (with_residual) value += residual.at(r, c);
      // A sum of n products in f32 errs by at most n·2^−24 of their sizes, in any order. A norm's own rounding may fall on
      // the other side of a tie, which moves each product by one unit of the type. Activation and residual add a few roundings
      // of values near 1.
      double bound = EPS * (s.in + 16) * spread + (norm ? 2 * eps_of(dtype) * spread / std::sqrt(double(s.in)) * 2 : 0) +
                     eps_of(y_dtype) * std::fabs(value) + 16 * EPS;
      near(name, value, y.at(r, c), bound);
    }
  }
}

}  // namespace

TEST(gemm_follows_its_definition) {
  for (Shape s : shapes()) {
    for (int dtype : all_dtypes()) {
      check_gemm(s, dtype, dtype, STARLING_NONE, 0, false, false);
      check_gemm(s, dtype, STARLING_F32, STARLING_NONE, 0, false, true);
      check_gemm(s, dtype, dtype, STARLING_SILU_MUL, 1, false, false);
      check_gemm(s, dtype, dtype, STARLING_SILU_MUL, 0, true, true);
      check_gemm(s, dtype, dtype, STARLING_QUICK_GELU, 2, true, false);
      check_gemm(s, dtype, dtype, STARLING_GELU, 0, true, true);
    }
  }
}

TEST(gemm_of_whole_numbers_is_exact) {
  for (Shape s : shapes()) {
    for (int dtype : all_dtypes()) {
      Tensor x = whole(dtype, s.rows, s.in), w = whole(dtype, s.out, s.in), y = filled(STARLING_F32, s.rows, s.out, NAN);
      ok(CALL(gemm, .y = y, .x = x, .w = w.weight()));
      y.receive();
      for (int r = 0; r < s.rows; r++) {
        for (int c = 0; c < s.out; c++) {
          double sum = 0;
          for (int i = 0; i < s.in; i++) sum += double(x.at(r, i)) * w.at(c, i);
          equal("whole numbers", float(sum), y.at(r, c));
        }
      }
    }
  }
}

TEST(a_row_of_gemm_does_not_depend_on_the_others) {
  for (int dtype : all_dtypes()) {
    Tensor x = gaussian(dtype, 100, 120), w = gaussian(dtype, 90, 120), y = filled(dtype, 100, 90, NAN);
    auto run = [&](const Tensor& to, void* from) {
      ok(CALL(gemm, .y = to, .x = {from, x.stride, to.rows, 120, dtype, 0}, .w = w.weight()));
    };
    run(y, x.data);
    y.receive();
    Tensor some = filled(dtype, 20, 90, NAN);
    size_t e = dtype == STARLING_F32 ? 4 : 2;
    run(some, x.as<char>() + 33 * x.stride * e);
    some.receive();
    for (int r = 0; r < 20; r++) {
      for (int c = 0; c < 90; c++) equal("row", y.at(33 + r, c), some.at(r, c));
    }
  }
}

TEST(gemm_writes_over_its_residual) {
  for (int rows : {3, 40}) {
    Tensor x = whole(STARLING_BF16, rows, 64), w = whole(STARLING_BF16, 64, 64), y = whole(STARLING_F32, rows, 64);
    std::vector<float> before = y.values;
    ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .residual = y));
    y.receive();
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < 64; c++) {
        double sum = before[size_t(r) * 64 + c];
        for (int i = 0; i < 64; i++) sum += double(x.at(r, i)) * w.at(c, i);
        equal("sum", float(sum), y.at(r, c));
      }
    }
  }
}

TEST(nan_stays_in_its_row_of_gemm) {
  for (int rows : {4, 40}) {
    Tensor x = gaussian(STARLING_F16, rows, 64), w = gaussian(STARLING_F16, 70, 64), y = filled(STARLING_F16, rows, 70, 0);
    x.at(3, 5) = NAN;
    x.send();
    ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .activation = STARLING_QUICK_GELU));
    y.receive();
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < 70; c++) equal("NaN", r == 3, bool(std::isnan(y.at(r, c))));
    }
  }
}

TEST(activation_follows_its_definition) {
  for (int dtype : all_dtypes()) {
    for (int activation : {STARLING_NONE, STARLING_QUICK_GELU, STARLING_GELU, STARLING_SILU_MUL}) {
      int width = 300, in = activation == STARLING_SILU_MUL ? 600 : 300;
      Tensor x = gaussian(dtype, 5, in, 3), bias = gaussian(STARLING_F32, 1, in), residual = gaussian(dtype, 5, width);
      Tensor out = filled(dtype, 5, width, NAN);
      ok(CALL(activation, .out = out, .x = x, .bias = bias.vector(), .residual = residual, .activation = activation));
      out.receive();
      for (int r = 0; r < 5; r++) {
        for (int c = 0; c < width; c++) {
          double v = double(x.at(r, c)) + bias.at(0, c);
          v = activation == STARLING_SILU_MUL ? silu(v) * (double(x.at(r, width + c)) + bias.at(0, width + c))
                                              : activate(v, activation);
          // A dozen f32 roundings of what is added, whose size is that of the arguments at least, then one of the result.
          double size = std::fabs(v) + std::fabs(residual.at(r, c)) + 16;
          v += residual.at(r, c);
          near("activation", v, out.at(r, c), 16 * EPS * size + eps_of(dtype) * std::fabs(v));
        }
      }
    }
  }
}
