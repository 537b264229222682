// attention, attention_decode and attention_colsum against their definition in double.
#include <algorithm>

#include "attention_case.h"

using namespace check;

namespace {

std::vector<Case> cases() {
  std::vector<Case> list = {
      // rows, past, heads, key heads, d, causal, hidden
      {1, 0, 1, 1, 32, true, false},    {1, 300, 4, 2, 64, true, true},  {3, 260, 2, 1, 128, true, false},
      {4, 5, 2, 2, 64, false, true},    {5, 70, 4, 2, 32, true, true},   {63, 0, 2, 2, 64, false, false},
      {64, 0, 1, 1, 128, true, false},  {65, 130, 2, 1, 32, true, true}, {200, 0, 1, 1, 64, false, true},
      {130, 0, 2, 2, 80, false, false}, {70, 66, 2, 1, 80, true, true},  {2, 300, 4, 2, 80, true, true},
  };
  if (small)
    return {list[1],
            list[4],
            {70, 9, 1, 1, 80, true, true},
            {1, 300, 2, 1, 80, true, true},
            {70, 75, 1, 1, 32, true, true},
            {70, 9, 1, 1, 32, true, false},
            {70, 5, 1, 1, 32, false, false}};
  list.push_back({577, 0, 2, 2, 64, false, false});
  list.push_back({300, 340, 4, 2, 128, true, true});
  return list;
}

// Scores are of unit variance: q and k Gaussian, scale 1/sqrt(d). Probabilities err by what the largest score (about 5)
// loses in f32 or, in 16-bit types, by their own rounding; they weigh values of about 1, and the output is rounded once.
double out_bound(int dtype) { return dtype == STARLING_F32 ? 400 * EPS : 4 * eps_of(dtype); }

}  // namespace

TEST(attention_follows_its_definition) {
  for (int dtype : all_dtypes()) {
    for (const Case& c : cases()) {
      Inputs in(c, dtype);
      Reference expected = attend(c, in);
      Tensor out = filled(dtype, c.rows, c.heads * c.d, NAN), lse = filled(STARLING_F32, c.heads, c.rows, NAN);
      in.attention(out, &lse);
      std::string name = c.name() + " " + name_of(dtype);
      for (int i = 0; i < c.rows; i++) {
        for (int j = 0; j < out.width; j++) {
          double e = expected.out[size_t(i) * out.width + j];
          near(name + " out", e, out.at(i, j), out_bound(dtype) * std::max(1.0, std::fabs(e)));
        }
        for (int h = 0; h < c.heads; h++) near(name + " lse", expected.lse[h * c.rows + i], lse.at(h, i), 200 * EPS);
      }
      Tensor again = filled(dtype, c.rows, c.heads * c.d, NAN);
      in.attention(again, nullptr);
      same_bits(name + " without lse, and a second time", out, again);
    }
  }
}

TEST(column_sums_follow_their_definition_and_keep_their_mass) {
  for (int dtype : all_dtypes()) {
    for (const Case& c : cases()) {
      Inputs in(c, dtype);
      Reference expected = attend(c, in);
      Tensor out = filled(dtype, c.rows, c.heads * c.d, NAN), lse = filled(STARLING_F32, c.heads, c.rows, NAN);
      in.attention(out, &lse);
      int keys = c.past + c.rows;
      struct Span {
        int from, to;
      };
      for (Span span : {Span{0, c.rows}, Span{0, 1}, Span{c.rows / 3, c.rows}, Span{c.rows - 1, c.rows}}) {
        Tensor sums = filled(STARLING_F32, c.heads, keys, NAN);
        in.colsum(sums, lse, span.from, span.to, 0);
        std::string name =
            c.name() + " " + name_of(dtype) + " rows " + std::to_string(span.from) + " to " + std::to_string(span.to);
        for (int h = 0; h < c.heads; h++) {
          double mass = 0, expected_mass = 0;
          for (int j = 0; j < keys; j++) {
            double e = 0;
            for (int i = span.from; i < span.to; i++) e += expected.p(c, h, i, j);
            near(name, e, sums.at(h, j), 400 * EPS * (span.to - span.from));
            mass += sums.at(h, j);
          }
          for (int i = span.from; i < span.to; i++) expected_mass += std::isfinite(expected.lse[h * c.rows + i]);
          near(name + " mass", expected_mass, mass, 400 * EPS * (span.to - span.from));
        }
        // Listed candidates give the same bits as consecutive ones, from any first key.
        int n = keys - keys / 4;
        Ints index(n);
        for (int j = 0; j < n; j++) index.values[j] = j;
        index.send();
        Tensor listed = filled(STARLING_F32, c.heads, n, NAN), some = filled(STARLING_F32, c.heads, n, NAN);
        in.colsum(listed, lse, span.from, span.to, keys / 4, index);
        in.colsum(some, lse, span.from, span.to, keys / 4);
        for (int h = 0; h < c.heads; h++) {
          for (int j = 0; j < n; j++) {
            near(name + " listed", sums.at(h, keys / 4 + j), listed.at(h, j), 50 * EPS * (span.to - span.from));
            near(name + " from a later key", sums.at(h, keys / 4 + j), some.at(h, j), 50 * EPS * (span.to - span.from));
          }
        }
      }
    }
  }
}

TEST(a_row_of_column_sums_does_not_depend_on_other_keys) {
  Case c{130, 0, 2, 2, 64, false, false};
  Inputs in(c, STARLING_BF16);
  Tensor out = filled(STARLING_BF16, c.rows, c.heads * c.d, NAN), lse = filled(STARLING_F32, c.heads, c.rows, NAN);
  in.attention(out, &lse);
  Tensor all = filled(STARLING_F32, c.heads, 130, NAN), some = filled(STARLING_F32, c.heads, 64, NAN);
  in.colsum(all, lse, 1, 130, 0);
  in.colsum(some, lse, 1, 130, 64);
  for (int h = 0; h < 2; h++) {
    for (int j = 0; j < 64; j++) equal("sums", all.at(h, 64 + j), some.at(h, j));
  }
}

TEST(a_row_that_sees_no_key_gives_zero_and_infinity) {
  for (int rows : {2, 7}) {
    Case c{rows, 0, 1, 1, 32, true, false};
    Inputs in(c, STARLING_F32);
    in.hide(0);
    Tensor out = filled(STARLING_F32, rows, 32, NAN), lse = filled(STARLING_F32, 1, rows, NAN);
    in.attention(out, &lse);
    equal("lse", INFINITY, lse.at(0, 0));
    for (int j = 0; j < 32; j++) equal("out", 0.f, out.at(0, j));
    Tensor sums = filled(STARLING_F32, 1, rows, NAN);
    in.colsum(sums, lse, 0, 1, 0);
    for (int j = 0; j < rows; j++) equal("sums", 0.f, sums.at(0, j));
  }
}

TEST(huge_scores_do_not_overflow_and_nan_sticks) {
  for (int rows : {3, 70}) {
    Case c{rows, 0, 1, 1, 32, false, false};
    Inputs in(c, STARLING_F32);
    in.scale = 1e4f;
    Tensor out = filled(STARLING_F32, rows, 32, NAN), lse = filled(STARLING_F32, 1, rows, NAN);
    in.attention(out, &lse);
    for (float v : out.values) {
      if (!(std::fabs(v) < 10)) fail("a mean of values is beyond them");
    }
    in.q.at(1, 5) = NAN;
    in.q.send();
    in.scale = 0.2f;
    in.attention(out, &lse);
    for (int j = 0; j < 32; j++) {
      equal("NaN in its own row", true, bool(std::isnan(out.at(1, j))));
      equal("NaN in another row", false, bool(std::isnan(out.at(0, j)) || std::isnan(out.at(2, j))));
    }
  }
}

TEST(equal_scores_give_equal_shares) {
  Case c{66, 0, 1, 1, 32, false, false};
  Inputs in(c, STARLING_BF16);
  for (float& v : in.q.values) v = 0;
  in.q.send();
  Tensor out = filled(STARLING_BF16, 66, 32, NAN), lse = filled(STARLING_F32, 1, 66, NAN);
  in.attention(out, &lse);
  Tensor sums = filled(STARLING_F32, 1, 66, NAN);
  in.colsum(sums, lse, 0, 66, 0);
  for (int j = 0; j < 66; j++) near("sums", 1, sums.at(0, j), 200 * EPS);
}
