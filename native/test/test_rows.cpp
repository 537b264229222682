// norms, patchify, embed, rope, combine_rows, and what stands around another library's attention.
#include "check.h"
#include "segment_case.h"

using namespace check;

TEST(norms_follow_their_definitions) {
  std::vector<int> widths =
      small ? std::vector<int>{7, 300, 4099} : std::vector<int>{1, 7, 63, 64, 577, 1024, 2050, 4096, 4099};
  for (int dtype : all_dtypes()) {
    for (int d : widths) {
      Tensor x = gaussian(dtype, 5, d), w = gaussian(dtype, 1, d), b = gaussian(dtype, 1, d);
      for (int i = 0; i < d; i++) x.at(4, i) += 100;  // a large mean
      x.send();
      Tensor layer = filled(dtype, 5, d, NAN), rms = filled(dtype, 5, d, NAN);
      ok(CALL(layernorm, .out = layer, .x = x, .weight = w.vector(), .bias = b.vector(), .eps = 1e-5f));
      ok(CALL(rmsnorm, .out = rms, .x = x, .weight = w.vector(), .eps = 1e-6f));
      layer.receive();
      rms.receive();
      for (int r = 0; r < 5; r++) {
        double mean = 0, var = 0, square = 0;
        for (int i = 0; i < d; i++) mean += x.at(r, i) / double(d);
        for (int i = 0; i < d; i++) {
          var += (x.at(r, i) - mean) * (x.at(r, i) - mean) / d;
          square += double(x.at(r, i)) * x.at(r, i) / d;
        }
        // The mean errs by up to about √d·2^−24 of itself, and that against a deviation of about 1.
        double loss = EPS * (std::sqrt(double(d)) + 32) * (1 + std::fabs(mean)) * (d == 1 ? 400 : 4);
        for (int i = 0; i < d; i++) {
          double l = (x.at(r, i) - mean) / std::sqrt(var + 1e-5f) * w.at(0, i) + b.at(0, i);
          double m = x.at(r, i) / std::sqrt(square + 1e-6f) * w.at(0, i);
          near("layernorm", l, layer.at(r, i), loss * (std::fabs(w.at(0, i)) + 1) + eps_of(dtype) * std::fabs(l));
          near("rmsnorm", m, rms.at(r, i), loss * std::fabs(m) + eps_of(dtype) * std::fabs(m) + EPS);
        }
      }
      Tensor beside(dtype, 5, d, 1);  // its rows do not start at multiples of 16 bytes
      for (float& v : beside.values) v = NAN;
      beside.send();
      ok(CALL(layernorm, .out = beside, .x = x, .weight = w.vector(), .bias = b.vector(), .eps = 1e-5f));
      beside.receive();
      same_bits("of rows that are not aligned", layer, beside);
      ok(CALL(rmsnorm, .out = x, .x = x, .weight = w.vector(), .eps = 1e-6f));
      x.receive();
      same_bits("in place", rms, x);
    }
  }
}

TEST(patchify_cuts_row_by_row) {
  for (int dtype : all_dtypes()) {
    Tensor pixels = gaussian(STARLING_F32, 3, 13 * 11), out = filled(dtype, 6, 3 * 4 * 4, NAN);
    ok(CALL(patchify, .out = out, .pixels = pixels, .height = 13, .width = 11, .patch = 4));
    out.receive();
    for (int n = 0; n < 6; n++) {
      for (int i = 0; i < 48; i++) {
        int c = i / 16, y = n / 2 * 4 + i / 4 % 4, x = n % 2 * 4 + i % 4;
        float e = pixels.at(c, y * 11 + x);
        near("patch", e, out.at(n, i), eps_of(dtype) * std::fabs(e) + EPS);
      }
    }
  }
}

TEST(embed_takes_rows_and_reports_a_wild_id) {
  for (int dtype : all_dtypes()) {
    Tensor table = gaussian(dtype, 9, 33), out = filled(dtype, 3, 33, NAN);
    Ints ids({8, 0, 3});
    ok(CALL(embed, .out = out, .ids = ids, .table = table));
    out.receive();
    for (int t = 0; t < 3; t++) {
      for (int i = 0; i < 33; i++) equal("row", table.at(ids.values[t], i), out.at(t, i));
    }
  }
#if defined(STARLING_EMULATED)
  Tensor table = gaussian(STARLING_F32, 9, 33), out = filled(STARLING_F32, 3, 33, NAN);
  Ints wild({1, 9, 2});
  equal("status", int(STARLING_KERNEL_FAULT), CALL(embed, .out = out, .ids = wild, .table = table));
  std::string why = starling_error();
  if (why.find("an id is 9; it must be at least 0 and below 9 at embed.cu:") == std::string::npos) fail(why);
#endif
}

TEST(rope_turns_and_appends) {
  struct Shape {
    int rows, past, heads, kv_heads, head_size, half;
  };
  for (Shape s : {Shape{5, 4, 4, 2, 32, 10}, {1, 0, 2, 2, 64, 32}, {70, 3, 2, 1, 128, 64}}) {
    for (int dtype : all_dtypes()) {
      int d = s.head_size, capacity = s.past + s.rows + 2;
      Tensor qkv = gaussian(dtype, s.rows, (s.heads + 2 * s.kv_heads) * d);
      Tensor q = filled(dtype, s.rows, s.heads * d, NAN), k = gaussian(dtype, capacity, s.kv_heads * d);
      Tensor v = gaussian(dtype, capacity, s.kv_heads * d), cos = gaussian(STARLING_F32, 200, s.half);
      Tensor sin = gaussian(STARLING_F32, 200, s.half), k0 = Tensor(dtype, capacity, s.kv_heads * d),
             v0 = Tensor(dtype, capacity, s.kv_heads * d);
      k0.values = k.values;
      v0.values = v.values;
      Ints positions(s.rows);
      Table table({segment(0, s.rows, 0, k.rows).behind(s.past)});
      for (int t = 0; t < s.rows; t++) positions.values[t] = 7 + t + (t > 2 ? 20 : 0);
      positions.send();
      ok(CALL(rope, .q = q, .k = k, .v = v, .qkv = qkv, .positions = positions, .segments = table.segments(), .cos = cos,
              .sin = sin, .heads = s.heads, .kv_heads = s.kv_heads, .head_size = d));
      q.receive();
      k.receive();
      v.receive();
      for (int t = 0; t < s.rows; t++) {
        for (int h = 0; h < s.heads + 2 * s.kv_heads; h++) {
          for (int i = 0; i < d; i++) {
            bool turns = h < s.heads + s.kv_heads && i < 2 * s.half;
            int p = positions.values[t];
            double e = qkv.at(t, h * d + i), other;
            if (turns) {
              int j = i % s.half;
              other = qkv.at(t, h * d + (i < s.half ? i + s.half : i - s.half));
              e = e * cos.at(p, j) + (i < s.half ? -1 : 1) * other * sin.at(p, j);
            }
            float got = h < s.heads                ? q.at(t, h * d + i)
                        : h < s.heads + s.kv_heads ? k.at(s.past + t, (h - s.heads) * d + i)
                                                   : v.at(s.past + t, (h - s.heads - s.kv_heads) * d + i);
            near("rope", e, got, turns ? 64 * EPS + eps_of(dtype) * std::fabs(e) : 0);
          }
        }
      }
      for (int row = 0; row < capacity; row++) {
        if (row >= s.past && row < s.past + s.rows) continue;
        for (int i = 0; i < s.kv_heads * d; i++) {
          equal("another cache row", k0.at(row, i), k.at(row, i));
          equal("another cache row", v0.at(row, i), v.at(row, i));
        }
      }
    }
  }
}

// Rows that start at multiples of 16 bytes are moved by vectors; they have the bits of those that do not. Sections end inside
// a vector, heads have padding, and the last group of heads is not full.
TEST(rope_by_vectors_gives_the_bits_of_channels) {
  constexpr int ROWS = 5, D = 64, HALF = 24;
  for (int heads : {1, 41}) {
    for (int dtype : all_dtypes()) {
      int width = heads * D, all = (heads + 2) * D;
      Tensor qkv = gaussian(dtype, ROWS, all), cos = gaussian(STARLING_F32, 60, HALF),
             sin = gaussian(STARLING_F32, 60, HALF);
      Tensor odd(dtype, ROWS, all, 3);
      odd.values = qkv.values;
      odd.send();
      std::vector<int32_t> positions(3 * ROWS);
      for (int i = 0; i < 3 * ROWS; i++) positions[i] = i * 17 % 60;
      Ints at(positions);
      starling_tensor axes{at.data, ROWS, 3, ROWS, STARLING_I32, 0};
      std::vector<Tensor> out;
      for (const Tensor* from : {&qkv, &odd}) {
        Tensor q = filled(dtype, ROWS, width, NAN), k = filled(dtype, ROWS, D, NAN), v = filled(dtype, ROWS, D, NAN);
        ok(CALL(rope, .q = q, .k = k, .v = v, .qkv = *from, .positions = axes, .cos = cos, .sin = sin, .heads = heads,
                .kv_heads = 1, .head_size = D, .axes = 3, .section_first = 4, .section_second = 8));
        for (Tensor* t : {&q, &k, &v}) {
          t->receive();
          out.push_back(std::move(*t));
        }
      }
      for (int i = 0; i < 3; i++) same_bits("rope", out[i], out[i + 3]);
      for (int c : {0, 4, 12}) {  // the first of each section
        int p = positions[(c == 0 ? 0 : c == 4 ? 1 : 2) * ROWS + 1];
        double a = qkv.at(1, c), b = qkv.at(1, HALF + c);
        near("q", a * cos.at(p, c) - b * sin.at(p, c), out[0].at(1, c), 64 * EPS + 8 * eps_of(dtype));
      }
    }
  }
}

TEST(combine_rows_weighs) {
  for (int dtype : all_dtypes()) {
    Tensor in = gaussian(dtype, 6, 130), out = filled(dtype, 2, 130, NAN), weight = gaussian(STARLING_F32, 2, 3);
    Ints index({0, 5, 2, 1, 1, 3});
    starling_tensor listed{index.data, 3, 2, 3, STARLING_I32, 0};
    ok(CALL(combine_rows, .out = out, .in = in, .index = listed, .weight = weight));
    out.receive();
    for (int i = 0; i < 2; i++) {
      for (int c = 0; c < 130; c++) {
        double e = 0;
        for (int j = 0; j < 3; j++) e += double(weight.at(i, j)) * in.at(index.values[i * 3 + j], c);
        near("sum", e, out.at(i, c), 32 * EPS + eps_of(dtype) * std::fabs(e));
      }
    }
  }
}

TEST(sequence_lengths_and_natural_logarithms) {
  Ints lengths(2, -1);
  Table table({segment(0, 5, 0, 42).behind(37)});
  ok(CALL(sequence_lengths, .lengths = lengths, .segments = table.segments()));
  lengths.receive();
  equal("queries", 5, int(lengths.values[0]));
  equal("keys", 42, int(lengths.values[1]));

  Tensor lse = gaussian(STARLING_F32, 3, 300);
  std::vector<float> before;
  for (int i = 0; i < 3 * 300; i++) before.push_back(lse.at(i / 300, i % 300));
  ok(CALL(lse_from_natural, .lse = {lse.data, lse.stride, 3, 290, STARLING_F32, 0}));
  lse.receive();
  for (int h = 0; h < 3; h++) {
    for (int t = 0; t < 300; t++) {
      double e = before[h * 300 + t] * (t < 290 ? 1.4426950408889634 : 1.0);
      near("lse", e, lse.at(h, t), 2 * EPS * std::fabs(e));
    }
  }
}
