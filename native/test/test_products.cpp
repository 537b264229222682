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

namespace {

// Statistics in parts of `columns` against those of the values that y holds.
void check_statistics(const std::string& name, const Tensor& statistics, const Tensor& y, int columns) {
  for (int r = 0; r < y.rows; r++) {
    for (int p = 0; p * columns < y.width; p++) {
      int n = std::min(columns, y.width - p * columns);
      double mean = 0, size = 0, squares = 0;
      for (int i = 0; i < n; i++) {
        mean += y.at(r, p * columns + i) / double(n);
        size += std::fabs(y.at(r, p * columns + i)) / n;
      }
      for (int i = 0; i < n; i++) squares += std::pow(y.at(r, p * columns + i) - mean, 2);
      // A sum of n values errs by n·2^−24 of their sizes; the mean's error moves every difference.
      double error = (n + 2) * EPS * size;
      near(name + " mean", mean, statistics.at(r, 2 * p), error);
      near(name + " squares", squares, statistics.at(r, 2 * p + 1),
           (n + 4) * EPS * squares + 2 * error * std::sqrt(n * squares) + n * error * error + 1e-30);
    }
  }
}

// Statistics of x in parts of `columns`, as another product would have left them.
Tensor statistics_of(const Tensor& x, int columns) {
  int parts = (x.width + columns - 1) / columns;
  Tensor s(STARLING_F32, x.rows, 2 * parts);
  for (int r = 0; r < x.rows; r++) {
    for (int p = 0; p < parts; p++) {
      int n = std::min(columns, x.width - p * columns);
      double mean = 0, squares = 0;
      for (int i = 0; i < n; i++) mean += x.at(r, p * columns + i) / double(n);
      for (int i = 0; i < n; i++) squares += std::pow(x.at(r, p * columns + i) - mean, 2);
      s.at(r, 2 * p) = float(mean);
      s.at(r, 2 * p + 1) = float(squares);
    }
  }
  s.send();
  return s;
}

Tensor gathered(const Tensor& x, const Ints& rows) {
  Tensor out(x.dtype, int(rows.values.size()), x.width);
  for (int r = 0; r < out.rows; r++) {
    for (int i = 0; i < x.width; i++) out.at(r, i) = x.at(rows.values[r], i);
  }
  out.send();
  return out;
}

}  // namespace

TEST(row_statistics_follow_their_definition) {
  for (int dtype : all_dtypes()) {
    for (int width : {1, 63, 100, 1030}) {
      Tensor x = gaussian(dtype, 6, width), s = filled(STARLING_F32, 6, 2, NAN);
      for (int i = 0; i < width; i++) x.at(2, i) += 500;
      x.send();
      ok(CALL(row_statistics, .statistics = s, .x = x));
      s.receive();
      check_statistics("row_statistics", s, x, width);
    }
  }
}

TEST(gemm_leaves_statistics_of_what_it_stores) {
  std::vector<Shape> of = {{70, 40, 130}, {17, 100, 9}};
  if (!small) of.insert(of.end(), {{130, 70, 64}, {129, 33, 200}, {40, 64, 65}});
  for (Shape s : of) {
    for (int dtype : all_dtypes()) {
      for (int activation : {STARLING_NONE, STARLING_SILU_MUL, STARLING_GELU}) {
        int w_rows = activation == STARLING_SILU_MUL ? 2 * s.out : s.out;
        Tensor x = gaussian(dtype, s.rows, s.in), w = gaussian(dtype, w_rows, s.in),
               bias = gaussian(STARLING_F32, 1, w_rows);
        int y_dtype = activation == STARLING_GELU ? STARLING_F32 : dtype, parts = (s.out + 63) / 64;
        Tensor y = filled(y_dtype, s.rows, s.out, NAN), statistics = filled(STARLING_F32, s.rows, 2 * parts, NAN);
        ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .bias = bias.vector(), .statistics = statistics,
                .activation = activation));
        y.receive();
        statistics.receive();
        check_statistics("gemm " + std::to_string(s.out) + " " + name_of(dtype), statistics, y, 64);
      }
    }
  }
}

TEST(gemm_normalizes_by_statistics) {
  Shape s = small ? Shape{40, 140, 70} : Shape{150, 300, 140};
  for (int dtype : all_dtypes()) {
    for (int activation : {STARLING_NONE, STARLING_SILU_MUL}) {
      for (int norm : {1, 2}) {
        int w_rows = activation == STARLING_SILU_MUL ? 2 * s.out : s.out;
        Tensor x = gaussian(dtype, s.rows, s.in), w = gaussian(dtype, w_rows, s.in, 1 / std::sqrt(double(s.in)));
        Tensor nw = gaussian(dtype, 1, s.in), nb = gaussian(dtype, 1, s.in);
        if (norm == 2) {
          for (float& v : x.values) v += 30;  // sums of squares would lose the variance
          x.send();
        }
        std::vector<double> a = normed(x, &nw, norm == 2 ? &nb : nullptr, 1e-5);
        Tensor none = filled(dtype, s.rows, s.out, NAN), one = filled(dtype, s.rows, s.out, NAN);
        auto call = [&](const Tensor& y, starling_tensor known) {
          ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .norm_weight = nw.vector(),
                  .norm_bias = norm == 2 ? nb.vector() : starling_tensor{}, .norm_statistics = known,
                  .activation = activation, .eps = 1e-5f));
        };
        call(none, {});
        Tensor statistics = filled(STARLING_F32, s.rows, 2, NAN);
        ok(CALL(row_statistics, .statistics = statistics, .x = x));
        call(one, statistics);
        none.receive();
        one.receive();
        same_bits("with statistics and without", none, one);
        for (int columns : {16, 64, 512}) {
          Tensor known = statistics_of(x, columns), y = filled(dtype, s.rows, s.out, NAN);
          call(y, known);
          y.receive();
          for (int r = 0; r < s.rows; r++) {
            for (int c = 0; c < s.out; c++) {
              auto column = [&](int n) {
                double sum = 0, size = 0;
                for (int i = 0; i < s.in; i++) {
                  sum += a[size_t(r) * s.in + i] * w.at(n, i);
                  size += std::fabs(a[size_t(r) * s.in + i] * w.at(n, i));
                }
                return std::pair(sum, size);
              };
              auto [value, spread] = column(c);
              if (activation == STARLING_SILU_MUL) {
                auto [up, up_size] = column(s.out + c);
                spread = spread * (std::fabs(up) + 1) + up_size * (std::fabs(silu(value)) + 1);
                value = silu(value) * up;
              }
              // As gemm_follows_its_definition; the mean of 30 costs a few bits more.
              double bound = EPS * (s.in + 16) * spread * (norm == 2 ? 8 : 1) +
                             4 * eps_of(dtype) * spread / std::sqrt(s.in) + eps_of(dtype) * std::fabs(value) + 16 * EPS;
              near("normalized in parts of " + std::to_string(columns), value, y.at(r, c), bound);
            }
          }
        }
      }
    }
  }
}

TEST(gemm_takes_rows_from_their_sources) {
  int n = 90, in = 100, out = 72;
  for (int dtype : all_dtypes()) {
    for (int form = 0; form < 6; form++) {
      bool gated = form >= 3;
      int norm = form % 3;
      Tensor x = gaussian(dtype, n, in), w = gaussian(dtype, gated ? 2 * out : out, in), residual = gaussian(dtype, n, out);
      Tensor nw = gaussian(dtype, 1, in), nb = gaussian(dtype, 1, in);
      std::vector<int32_t> chosen;
      for (int i = 0; i < n; i += i % 3 ? 1 : 2) chosen.push_back((i * 7 + 5) % n);
      Ints rows(chosen);
      int count = int(chosen.size());
      Tensor few = gathered(x, rows), few_residual = gathered(residual, rows), known = statistics_of(few, 64);
      auto run = [&](const Tensor& y, const Tensor& statistics, starling_tensor from, starling_tensor added,
                     starling_tensor sources, bool with_known) {
        ok(CALL(gemm, .y = y, .x = from, .w = w.weight(), .norm_weight = norm ? nw.vector() : starling_tensor{},
                .norm_bias = norm == 2 ? nb.vector() : starling_tensor{},
                .norm_statistics = with_known ? known : starling_tensor{}, .residual = added, .rows = sources,
                .statistics = statistics, .activation = gated ? STARLING_SILU_MUL : STARLING_NONE, .eps = 1e-5f));
      };
      for (bool with_known : {false, true}) {
        if (with_known && !norm) continue;
        Tensor expected = filled(dtype, count, out, NAN), y = filled(dtype, count, out, NAN);
        Tensor s = filled(STARLING_F32, count, 4, NAN), t = filled(STARLING_F32, count, 4, NAN);
        run(expected, s, few, few_residual, {}, with_known);
        run(y, t, x, residual, rows, with_known);
        for (Tensor* of : {&expected, &y, &s, &t}) of->receive();
        same_bits("rows from sources", expected, y);
        same_bits("their statistics", s, t);
      }
    }
  }
}

namespace {

// A product whose tiles are large has the bits of 200 of its columns alone, whose tiles are small.
void check_tiles(int rows, int out, int dtype, bool norm) {
  const int in = 40;
  Tensor x = gaussian(dtype, rows, in), w = gaussian(dtype, out, in), y = filled(dtype, rows, out, NAN);
  Tensor nw = gaussian(dtype, 1, in), nb = gaussian(dtype, 1, in), bias = gaussian(STARLING_F32, 1, out);
  Tensor statistics = filled(STARLING_F32, rows, 2 * ((out + 63) / 64), NAN);
  auto run = [&](const Tensor& to, const Tensor& of, int column) {
    starling_weight part = w.weight();
    part.data = w.as<char>() + column * w.stride * (dtype == STARLING_F32 ? 4 : 2);
    part.rows = to.width;
    starling_tensor added{bias.as<float>() + column, 1, to.width, 1, STARLING_F32, 0};
    ok(CALL(gemm, .y = to, .x = x, .w = part, .bias = added, .norm_weight = norm ? nw.vector() : starling_tensor{},
            .norm_bias = norm ? nb.vector() : starling_tensor{}, .statistics = of, .activation = STARLING_QUICK_GELU,
            .eps = 1e-5f));
  };
  run(y, statistics, 0);
  y.receive();
  statistics.receive();
  check_statistics("large tiles", statistics, y, 64);
  for (int column : {0, 64 * 101, out / 64 * 64 - 64}) {
    int width = std::min(200, out - column);
    Tensor some = filled(dtype, rows, width, NAN), of = filled(STARLING_F32, rows, 2 * ((width + 63) / 64), NAN);
    run(some, of, column);
    some.receive();
    of.receive();
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < width; c++) equal("y", y.at(r, column + c), some.at(r, c));
      for (int p = 0; p < width / 64 * 2; p++) equal("statistics", statistics.at(r, column / 32 + p), of.at(r, p));
    }
  }
}

}  // namespace

TEST(the_shape_of_a_tile_changes_no_bit_of_gemm) {
  for (int dtype : small ? std::vector<int>{STARLING_BF16} : all_dtypes()) {
    for (bool norm : {false, true}) {
      // 2 · 66 tiles of 192 columns (of f32 128), then 100 or 2 · 66 of 256.
      if (!small || !norm) check_tiles(140, 128 * 98 + 5, dtype, norm);
      if (!small || norm) check_tiles(small ? 20 : 130, small ? 128 * 198 + 5 : 128 * 131 + 5, dtype, norm);
    }
  }
}

TEST(gemm_writes_rows_at_any_stride) {
  for (int dtype : all_dtypes()) {
    for (int padding : {0, 1, 3}) {
      Tensor x = whole(dtype, 40, 64), w = whole(dtype, 77, 64), residual = whole(dtype, 40, 77, padding);
      Tensor y(dtype, 40, 77, padding);
      std::fill(y.values.begin(), y.values.end(), NAN);
      y.send();
      ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .residual = residual));
      y.receive();
      for (int r = 0; r < 40; r++) {
        for (int c = 0; c < 77; c++) {
          double sum = residual.at(r, c);
          for (int i = 0; i < 64; i++) sum += double(x.at(r, i)) * w.at(c, i);
          near("any stride", sum, y.at(r, c), eps_of(dtype) * std::fabs(sum));
        }
      }
    }
  }
}
