// What a decode step is made of: statistics that travel with rows through gemv, and the attention half of a layer in one
// launch, which has the bits of the operators it is made of.
#include <algorithm>

#include "attention_case.h"

using namespace check;

namespace {

constexpr int PART = 16;  // columns of y in a part of its statistics, for up to 16 rows

Tensor parts_of(int rows, int width) { return filled(STARLING_F32, rows, 2 * ((width + PART - 1) / PART), NAN); }

// Statistics of what y holds, against their definition.
void check_parts(const std::string& what, const Tensor& y, const Tensor& parts) {
  for (int r = 0; r < y.rows; r++) {
    for (int first = 0; first < y.width; first += PART) {
      int n = std::min(PART, y.width - first);
      double mean = 0, squares = 0, size = 0;
      for (int c = 0; c < n; c++) mean += double(y.at(r, first + c)) / n;
      for (int c = 0; c < n; c++) {
        squares += (y.at(r, first + c) - mean) * (y.at(r, first + c) - mean);
        size = std::max(size, std::fabs(double(y.at(r, first + c))));
      }
      // A sum of up to 16 and a division; then squares of differences that err by as much, added up.
      near(what + ": a mean", mean, parts.at(r, first / PART * 2), 8 * EPS * size);
      near(what + ": squares", squares, parts.at(r, first / PART * 2 + 1), 32 * EPS * (squares + 16 * EPS * size * size));
    }
  }
}

// What a product leaves of x, in parts of `columns`.
Tensor known_of(const Tensor& x, const std::vector<int32_t>& sources, int columns) {
  int parts = (x.width + columns - 1) / columns;
  Tensor known(STARLING_F32, int(sources.size()), 2 * parts);
  for (size_t r = 0; r < sources.size(); r++) {
    for (int p = 0; p < parts; p++) {
      int n = std::min(columns, x.width - p * columns);
      double mean = 0, squares = 0;
      for (int c = 0; c < n; c++) mean += double(x.at(sources[r], p * columns + c)) / n;
      for (int c = 0; c < n; c++) {
        double off = x.at(sources[r], p * columns + c) - mean;
        squares += off * off;
      }
      known.at(int(r), 2 * p) = float(mean);
      known.at(int(r), 2 * p + 1) = float(squares);
    }
  }
  known.send();
  return known;
}

struct Product {
  int rows, in, out;
};
std::vector<Product> products() {
  if (small) return {{1, 264, 40}, {3, 70, 17}, {7, 100, 33}};
  return {{1, 264, 40}, {1, 4100, 130}, {1, 5, 3}, {2, 4096, 33}, {4, 2100, 7}, {5, 300, 49}, {16, 1100, 64}};
}

}  // namespace

TEST(gemv_leaves_the_statistics_of_what_it_stores) {
  for (int dtype : all_dtypes()) {
    for (Product s : products()) {
      for (int y_dtype : {dtype, int(STARLING_F32)}) {
        for (int activation : {STARLING_NONE, STARLING_SILU_MUL}) {
          Tensor x = gaussian(dtype, s.rows, s.in), w = gaussian(dtype, activation ? 2 * s.out : s.out, s.in, 0.1);
          Tensor residual(y_dtype, s.rows, s.out);  // a mean that is large beside what is left
          for (float& v : residual.values) v = 100 + float(rng() % 8);
          residual.send();
          Tensor y = filled(y_dtype, s.rows, s.out, NAN), alone = filled(y_dtype, s.rows, s.out, NAN);
          Tensor parts = parts_of(s.rows, s.out);
          ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .residual = residual, .statistics = parts,
                  .activation = activation));
          ok(CALL(gemm, .y = alone, .x = x, .w = w.weight(), .residual = residual, .activation = activation));
          for (Tensor* t : {&y, &alone, &parts}) t->receive();
          check_parts(name_of(dtype), y, parts);
          same_bits("with statistics and without", alone, y);
        }
      }
    }
  }
}

TEST(gemv_norms_by_statistics_that_are_known) {
  for (int dtype : all_dtypes()) {
    for (Product s : products()) {
      for (bool layer : {false, true}) {
        for (int columns : {16, 64, 1 << 20}) {
          Tensor x = gaussian(dtype, s.rows, s.in), w = gaussian(dtype, s.out, s.in, 1 / std::sqrt(double(s.in)));
          Tensor nw = gaussian(dtype, 1, s.in), nb = gaussian(dtype, 1, s.in);
          for (float& v : x.values) v += 3;
          x.send();
          std::vector<int32_t> all(s.rows);
          for (int r = 0; r < s.rows; r++) all[r] = r;
          Tensor known = known_of(x, all, std::min(columns, s.in));
          Tensor y = filled(STARLING_F32, s.rows, s.out, NAN), expected = filled(STARLING_F32, s.rows, s.out, NAN);
          starling_tensor none{};
          ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .norm_weight = nw.vector(), .norm_bias = layer ? nb.vector() : none,
                  .norm_statistics = known, .eps = 1e-5f));
          ok(CALL(gemm, .y = expected, .x = x, .w = w.weight(), .norm_weight = nw.vector(),
                  .norm_bias = layer ? nb.vector() : none, .eps = 1e-5f));
          y.receive();
          expected.receive();
          for (int r = 0; r < s.rows; r++) {
            for (int c = 0; c < s.out; c++) {
              double size = 0;  // elements that round the other way move a product by a unit of the type
              for (int i = 0; i < s.in; i++) size += std::fabs(4 * w.at(c, i) * (std::fabs(nw.at(0, i)) + 1));
              near("by statistics", expected.at(r, c), y.at(r, c),
                   dtype == STARLING_F32 ? 64 * EPS * size : 2 * eps_of(dtype) * size / std::sqrt(double(s.in)) + EPS);
            }
          }
          // They are what is used: twice the squares give about 1/√2 of the result.
          for (int r = 0; r < s.rows; r++) {
            for (int p = 0; p < known.width; p += 2) {
              known.at(r, p + 1) *= 4;
              if (!layer) known.at(r, p) *= 2;
            }
          }
          known.send();
          if (layer || s.in < 16) continue;
          Tensor half = filled(STARLING_F32, s.rows, s.out, NAN);
          ok(CALL(gemm, .y = half, .x = x, .w = w.weight(), .norm_weight = nw.vector(), .norm_statistics = known,
                  .eps = 1e-5f));
          half.receive();
          for (int r = 0; r < s.rows; r++) {
            near("half", expected.at(r, 0) / 2, half.at(r, 0), 8 * eps_of(dtype) * (std::fabs(expected.at(r, 0)) + 4));
          }
        }
      }
    }
  }
}

TEST(gemv_takes_rows_by_their_sources) {
  for (int dtype : all_dtypes()) {
    for (int norm : {0, 1, 2}) {
      Tensor x = gaussian(dtype, 9, 120), w = gaussian(dtype, 50, 120), residual = gaussian(dtype, 9, 50);
      Tensor nw = gaussian(dtype, 1, 120), nb = gaussian(dtype, 1, 120);
      std::vector<int32_t> sources = {8, 2, 2, 0, 5};
      for (int i = 0; i < 120; i++) x.at(1, i) = NAN;  // of nobody
      x.send();
      Ints rows(sources);
      starling_tensor none{};
      Tensor y = filled(dtype, 5, 50, NAN), all = filled(dtype, 9, 50, NAN);
      Tensor parts = parts_of(5, 50), all_parts = parts_of(9, 50);
      ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .norm_weight = norm ? nw.vector() : none,
              .norm_bias = norm == 2 ? nb.vector() : none, .residual = residual, .rows = rows, .statistics = parts,
              .eps = 1e-5f));
      ok(CALL(gemm, .y = all, .x = x, .w = w.weight(), .norm_weight = norm ? nw.vector() : none,
              .norm_bias = norm == 2 ? nb.vector() : none, .residual = residual, .statistics = all_parts, .eps = 1e-5f));
      for (Tensor* t : {&y, &all, &parts, &all_parts}) t->receive();
      for (int r = 0; r < 5; r++) {
        for (int c = 0; c < 50; c++) equal("a row by its source", all.at(sources[r], c), y.at(r, c));
        for (int c = 0; c < parts.width; c++) equal("its statistics", all_parts.at(sources[r], c), parts.at(r, c));
      }
    }
  }
}

TEST(a_row_of_gemv_has_the_same_bits_in_any_company) {
  for (int dtype : all_dtypes()) {
    for (bool layer : {false, true}) {
      for (int in : small ? std::vector<int>{300} : std::vector<int>{300, 4099}) {
        for (int activation : {STARLING_NONE, STARLING_SILU_MUL}) {
          int out = 35;
          Tensor x = gaussian(dtype, 16, in), w = gaussian(dtype, activation ? 2 * out : out, in, 1 / std::sqrt(double(in)));
          Tensor nw = gaussian(dtype, 1, in), nb = gaussian(dtype, 1, in), all = filled(dtype, 16, out, NAN);
          starling_tensor none{};
          auto run = [&](const Tensor& y) {
            ok(CALL(gemm, .y = y, .x = {x.data, x.stride, y.rows, in, dtype, 0}, .w = w.weight(), .norm_weight = nw.vector(),
                    .norm_bias = layer ? nb.vector() : none, .activation = activation, .eps = 1e-5f));
          };
          run(all);
          all.receive();
          for (int rows : {1, 3, 5}) {
            Tensor some = filled(dtype, rows, out, NAN);
            run(some);
            some.receive();
            for (int r = 0; r < rows; r++) {
              for (int c = 0; c < out; c++) equal("a row", all.at(r, c), some.at(r, c));
            }
          }
        }
      }
    }
  }
}

TEST(gemv_of_many_columns_takes_several_turns) {
  int out = 16 * 2 * 396 + 40;  // three turns; whole numbers
  for (int in : {24, 40}) {
    Tensor x = whole(STARLING_BF16, 1, in), w = whole(STARLING_BF16, out, in), y = filled(STARLING_F32, 1, out, NAN);
    Tensor parts = parts_of(1, out);
    ok(CALL(gemm, .y = y, .x = x, .w = w.weight(), .statistics = parts));
    y.receive();
    parts.receive();
    for (int c = 0; c < out; c++) {
      double sum = 0;
      for (int i = 0; i < in; i++) sum += double(x.at(0, i)) * w.at(c, i);
      equal("a column", float(sum), y.at(0, c));
    }
    check_parts("turns", y, parts);
  }
}

TEST(attention_over_more_splits_than_threads) {
  for (int dtype : {int(STARLING_F32), int(STARLING_BF16)}) {
    Case c{1, 8400, 1, 1, 32, true, true};
    Inputs in(c, dtype);
    Reference expected = attend(c, in);
    Tensor out = filled(dtype, 1, 32, NAN), lse = filled(STARLING_F32, 1, 1, NAN);
    in.attention(out, &lse);
    // Means of thousands of values: small, with errors as in attention_follows_its_definition.
    for (int j = 0; j < 32; j++) near("out", expected.out[j], out.at(0, j), 400 * EPS + eps_of(dtype) * 0.2);
    near("lse", expected.lse[0], lse.at(0, 0), 400 * EPS);
  }
}

// ---- the attention half of a step ----

namespace {

struct Step {
  int dtype, heads, kv_heads, d, width, axes;
  std::vector<int> rows, past;  // of the segments
  bool hidden, bias, f32;
};

struct Half {
  Step s;
  int calls = 0, keys = 2, half;
  std::vector<Numbers> list;
  Half(const Step& s) : s(s), half(s.d / 2 - (s.d == 32 ? 4 : 0)) {
    for (size_t i = 0; i < s.rows.size(); i++) {
      int capacity = s.past[i] + s.rows[i] + 2;
      list.push_back(segment(calls, s.rows[i], keys, capacity)
                         .behind(s.past[i])
                         .hides(s.hidden && i % 2 == 0 ? keys : -1)
                         .standing(s.past[i] / 2, s.past[i] / 3, 7));
      calls += s.rows[i];
      keys += capacity + 1;
    }
  }
};

void check_step(const Step& step) {
  Half h(step);
  const Step& s = step;
  int H = s.heads, G = s.kv_heads, d = s.d, T = h.calls, y_dtype = s.f32 ? int(STARLING_F32) : s.dtype;
  std::string name = std::to_string(T) + " rows of " + std::to_string(H) + "/" + std::to_string(G) + " heads of " +
                     std::to_string(d) + " " + name_of(s.dtype);
  Table table(h.list);
  Tensor qkv = gaussian(s.dtype, T, (H + 2 * G) * d), w = gaussian(s.dtype, s.width, H * d, 1 / std::sqrt(double(H * d)));
  Tensor cos = gaussian(STARLING_F32, 400, h.half), sin = gaussian(STARLING_F32, 400, h.half);
  Tensor bias = gaussian(STARLING_F32, 1, s.width), residual = gaussian(y_dtype, T, s.width);
  Tensor k = gaussian(s.dtype, h.keys, G * d), v = gaussian(s.dtype, h.keys, G * d);
  for (const Numbers& n : h.list) {  // what no key has been written to
    for (int row = n.n[2] + n.n[4]; row < n.n[2] + n.n[3]; row++) {
      for (int c = 0; c < G * d; c++) k.at(row, c) = v.at(row, c) = NAN;
    }
  }
  k.send();
  v.send();
  Tensor own_k(s.dtype, h.keys, G * d), own_v(s.dtype, h.keys, G * d);
  own_k.values = k.values;
  own_v.values = v.values;
  own_k.send();
  own_v.send();
  std::vector<uint8_t> marks(h.keys);
  for (int i = 0; i < h.keys; i++) marks[i] = i % 5 == 3;
  Bytes hidden(marks);
  starling_tensor none{};
  float scale = float(1 / std::sqrt(double(d)));
  int first = s.axes == 3 ? h.half / 4 : 0, second = s.axes == 3 ? h.half / 3 : 0;

  Tensor q = filled(s.dtype, T, H * d, 7), out = filled(s.dtype, T, H * d, 7), own_out = filled(s.dtype, T, H * d, 7);
  Tensor y = filled(y_dtype, T, s.width, NAN), own_y = filled(y_dtype, T, s.width, NAN);
  Tensor parts = parts_of(T, s.width), own_parts = parts_of(T, s.width);
  starling_attention_inputs in{q, k, v, table.segments(), s.hidden ? hidden : none, H, G, d, 1, scale};
  ok(CALL(rope, .q = q, .k = k, .v = v, .qkv = qkv, .segments = table.segments(), .cos = cos, .sin = sin, .heads = H,
          .kv_heads = G, .head_size = d, .axes = s.axes, .section_first = first, .section_second = second));
  ok(CALL(attention, .out = out, .in = in));
  ok(CALL(gemm, .y = y, .x = out, .w = w.weight(), .bias = s.bias ? bias.vector() : none, .residual = residual,
          .statistics = parts));
  starling_segments more = table.segments();
  more.keys += 150;  // the same bits
  auto run = [&](bool with_statistics) {
    ok(CALL(step_attention, .y = own_y, .statistics = with_statistics ? own_parts : none, .out = own_out, .k = own_k,
            .v = own_v, .qkv = qkv, .segments = with_statistics ? table.segments() : more,
            .hidden = s.hidden ? hidden : none, .cos = cos, .sin = sin, .w = w.weight(),
            .bias = s.bias ? bias.vector() : none, .residual = residual, .heads = H, .kv_heads = G, .head_size = d,
            .axes = s.axes, .section_first = first, .section_second = second, .scale = scale));
    own_y.receive();
    own_out.receive();
  };
  run(true);
  for (Tensor* t : {&out, &y, &k, &v, &own_k, &own_v, &parts, &own_parts}) t->receive();
  same_bits(name + " out", out, own_out);
  same_bits(name + " y", y, own_y);
  same_bits(name + " statistics", parts, own_parts);
  for (int row = 0; row < h.keys; row++) {  // NaN where nobody has written
    for (int c = 0; c < G * d; c++) {
      auto same = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
      if (!same(k.at(row, c), own_k.at(row, c))) fail(name + ": a key differs");
      if (!same(v.at(row, c), own_v.at(row, c))) fail(name + ": a value differs");
    }
  }
  for (float& x : own_y.values) x = NAN;
  own_y.send();
  run(false);  // again: the counters are 0, and what the cache has there is not looked at
  same_bits(name + " y a second time", y, own_y);
}

}  // namespace

TEST(a_step_of_attention_has_the_bits_of_its_operators) {
  std::vector<Step> steps = {
      // dtype, heads, key heads, d, width, axes; rows, past; hidden, bias, f32
      {0, 2, 1, 32, 40, 1, {1}, {0}, false, false, false},
      {0, 4, 2, 64, 33, 3, {1, 0, 2}, {70, 9, 0}, true, true, false},
      {0, 2, 2, 80, 20, 1, {4}, {62}, false, false, true},
      {0, 2, 1, 128, 48, 1, {3, 1}, {130, 64}, true, false, false},
  };
  if (!small) {
    steps.push_back({0, 4, 4, 32, 70, 3, {4, 4, 0, 4, 4}, {61, 5, 3, 127, 300}, true, true, false});
    steps.push_back({0, 8, 2, 128, 100, 1, {1}, {250}, false, false, false});
    steps.push_back({0, 2, 2, 64, 64, 1, {1, 1, 1, 1, 1, 1, 1}, {64, 63, 65, 128, 0, 1, 200}, false, true, true});
  }
  for (int dtype : all_dtypes()) {
    for (Step s : steps) {
      s.dtype = dtype;
      check_step(s);
    }
  }
}

TEST(a_step_of_attention_follows_positions_of_the_caller) {
  constexpr int H = 2, G = 1, D = 32, W = 24, ROWS = 3, HALF = 16;
  Tensor qkv = gaussian(STARLING_F32, ROWS, (H + 2 * G) * D), w = gaussian(STARLING_F32, W, H * D);
  Tensor cos = gaussian(STARLING_F32, 50, HALF), sin = gaussian(STARLING_F32, 50, HALF);
  Ints at({4, 9, 2, 30, 31, 7, 11, 1, 49});
  starling_tensor axes{at.data, ROWS, 3, ROWS, STARLING_I32, 0}, none{};
  Tensor q = filled(STARLING_F32, ROWS, H * D, NAN), k = filled(STARLING_F32, ROWS, G * D, NAN);
  Tensor v = filled(STARLING_F32, ROWS, G * D, NAN), out = filled(STARLING_F32, ROWS, H * D, NAN);
  Tensor y = filled(STARLING_F32, ROWS, W, NAN);
  ok(CALL(rope, .q = q, .k = k, .v = v, .qkv = qkv, .positions = axes, .cos = cos, .sin = sin, .heads = H, .kv_heads = G,
          .head_size = D, .axes = 3, .section_first = 5, .section_second = 4));
  // Without a table the operators let a row see all rows of the call before it, by `causal`; here too.
  Table table({segment(0, ROWS, 0, ROWS)});
  starling_attention_inputs in{q, k, v, table.segments(), none, H, G, D, 1, 0.2f};
  ok(CALL(attention, .out = out, .in = in));
  ok(CALL(gemm, .y = y, .x = out, .w = w.weight()));
  y.receive();
  k.receive();
  for (bool with_table : {true, false}) {
    Tensor own_k = filled(STARLING_F32, ROWS, G * D, NAN), own_v = filled(STARLING_F32, ROWS, G * D, NAN);
    Tensor own_out = filled(STARLING_F32, ROWS, H * D, NAN), own_y = filled(STARLING_F32, ROWS, W, NAN);
    ok(CALL(step_attention, .y = own_y, .out = own_out, .k = own_k, .v = own_v, .qkv = qkv, .positions = axes,
            .segments = with_table ? table.segments() : starling_segments{}, .cos = cos, .sin = sin, .w = w.weight(),
            .heads = H, .kv_heads = G, .head_size = D, .axes = 3, .section_first = 5, .section_second = 4, .scale = 0.2f));
    own_y.receive();
    own_k.receive();
    same_bits("y", y, own_y);
    same_bits("keys", k, own_k);
  }
}

TEST(a_step_of_attention_refuses_what_it_cannot_do) {
  Tensor x = gaussian(STARLING_F32, 17, 96), y = filled(STARLING_F32, 17, 8, NAN), w = gaussian(STARLING_F32, 8, 32);
  Tensor k = filled(STARLING_F32, 40, 32, NAN), v = filled(STARLING_F32, 40, 32, NAN),
         out = filled(STARLING_F32, 17, 32, NAN);
  Tensor cos = gaussian(STARLING_F32, 50, 16);
  auto refused = [&](const char* why, int rows, starling_segments segments) {
    starling_tensor some = y, from = x, to = out;
    some.rows = from.rows = to.rows = rows;
    int status = CALL(step_attention, .y = some, .out = to, .k = k, .v = v, .qkv = from, .segments = segments, .cos = cos,
                      .sin = cos, .w = w.weight(), .heads = 1, .kv_heads = 1, .head_size = 32, .scale = 1.f);
    equal("status", int(STARLING_INVALID_ARGUMENT), status);
    equal("sentence", std::string("step_attention: ") + why, std::string(starling_error()));
  };
  Table five({segment(0, 5, 0, 20)}), one({segment(0, 1, 0, 20)});
  refused("more than 16 rows", 17, one.segments());
  refused("a segment has more than 4 rows", 5, five.segments());
  refused("neither positions nor segments say where the rows stand", 1, {});
}

#if defined(STARLING_EMULATED)
TEST(a_step_of_attention_ends_when_a_block_fails) {
  Tensor qkv = gaussian(STARLING_F32, 2, 96), y = filled(STARLING_F32, 2, 40, NAN), w = gaussian(STARLING_F32, 40, 32);
  Tensor k = gaussian(STARLING_F32, 40, 32), v = gaussian(STARLING_F32, 40, 32), out = filled(STARLING_F32, 2, 32, NAN);
  Tensor cos = gaussian(STARLING_F32, 50, 16);
  for (int position : {50, 3}) {  // the first is beyond the table; then the same stream works
    Table table({segment(0, 1, 0, 10).standing(1, 0, 0), segment(1, 1, 10, 10).standing(position, 0, 0)});
    int status = CALL(step_attention, .y = y, .out = out, .k = k, .v = v, .qkv = qkv, .segments = table.segments(),
                      .cos = cos, .sin = cos, .w = w.weight(), .heads = 1, .kv_heads = 1, .head_size = 32, .scale = 1.f);
    equal("status", position == 50 ? int(STARLING_KERNEL_FAULT) : 0, status);
    if (status && !strstr(starling_error(), "a position is 50")) fail(starling_error());
  }
}
#endif
