// token_select, colsum_select, row_map, hide_rows, gather_rows, compact_rows: indices, so everything is exact.
#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "attention_case.h"
#if defined(STARLING_EMULATED)
#include <cstdio>

#include "starling_bench.h"
#endif

using namespace check;

namespace {

std::vector<int32_t> best(const std::vector<float>& score, int k) {
  std::vector<int32_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    bool fa = std::isfinite(score[a]), fb = std::isfinite(score[b]);
    return fa != fb ? fa : fa && score[a] > score[b];
  });
  order.resize(k);
  std::sort(order.begin(), order.end());
  return order;
}

void token_select(Ints& keep, Tensor& score, Ints& non_finite, const Tensor& sums, int rows) {
  ok(CALL(token_select, .keep = keep, .score = score.vector(), .non_finite = non_finite, .sums = sums, .rows = rows));
  keep.receive();
  score.receive();
  non_finite.receive();
}

void check_select(const std::vector<float>& sums, int heads, int k, int rows, int sources = 1) {
  int n = int(sums.size()) / heads / sources;
  Tensor in(STARLING_F32, heads, n * sources);
  in.values = sums;
  in.send();
  Tensor score = filled(STARLING_F32, 1, n, NAN);
  Ints keep(k), non_finite(1, 0);
  token_select(keep, score, non_finite, in, rows);
  std::vector<float> expected(n);
  bool finite = true;
  for (int j = 0; j < n; j++) {
    float sum = 0;
    for (int s = 0; s < sources; s++) {
      float column = 0;
      for (int h = 0; h < heads; h++) column += in.at(h, j * sources + s);
      sum += column;
    }
    expected[j] = sum / (float(heads) * float(rows) * float(sources));
    finite &= bool(std::isfinite(expected[j]));
  }
  for (int j = 0; j < n; j++) {
    if (memcmp(&expected[j], &score.values[j], 4) && !(std::isnan(expected[j]) && std::isnan(score.values[j])))
      fail("score");
  }
  equal("keep of " + std::to_string(k) + " of " + std::to_string(n), best(expected, k), keep.values);
  equal("non_finite", finite ? 0 : 1, int(non_finite.values[0]));
}

// One of several cuts, in words and for the device.
struct Cut {
  int at, count;
  std::vector<int32_t> keep, candidates;  // no candidates: all rows
  bool listed = false;
};

int candidate(const Cut& c, int j) { return c.at + (c.listed ? c.candidates[j] : j); }

// Keeps device memory for as long as the cuts are used.
struct CutList {
  explicit CutList(const std::vector<Cut>& all) {
    for (const Cut& c : all) {
      lists.push_back(std::make_unique<Ints>(c.keep));
      starling_cut cut{*lists.back(), {}, c.at, c.count};
      if (c.listed) {
        lists.push_back(std::make_unique<Ints>(c.candidates));
        cut.candidates = *lists.back();
      }
      cuts.push_back(cut);
    }
  }
  std::vector<std::unique_ptr<Ints>> lists;
  std::vector<starling_cut> cuts;
};

// Rows of whole numbers in a list: [axes, n].
starling_tensor rows_of(const Ints& list, int axes, int n, int stride) {
  return {list.data, stride, axes, n, STARLING_I32, 0};
}

void check_cuts(const std::vector<Cut>& cuts, int row_count, int axes) {
  std::vector<int> fate(row_count, 0);  // 0 fixed, 1 dropped, 2 kept
  for (const Cut& c : cuts) {
    for (int j = 0; j < int(c.listed ? c.candidates.size() : size_t(c.count)); j++) fate[candidate(c, j)] = 1;
    for (int j : c.keep) fate[candidate(c, j)] = 2;
  }
  std::vector<int32_t> stay, fixed, kept;
  for (int i = 0; i < row_count; i++) {
    if (fate[i] != 1) stay.push_back(i);
    if (fate[i] == 0) fixed.push_back(i);
    if (fate[i] == 2) kept.push_back(i);
  }
  std::vector<int32_t> apart = fixed;
  apart.insert(apart.end(), kept.begin(), kept.end());
  int n = int(stay.size()), in_stride = row_count + 3, out_stride = n + 5, after_stride = row_count + 1;
  std::vector<int32_t> positions(size_t(axes) * in_stride, -1);
  for (int a = 0; a < axes; a++) {
    for (int i = 0; i < row_count; i++) positions[a * in_stride + i] = 10000 * a + 2 * i + 1;
  }
  Ints in(positions);
  CutList list(cuts);
  for (int rule : {STARLING_CONTIGUOUS, STARLING_KEEP}) {
    Ints rows(n), sources(n), out(axes * out_stride), after(axes * after_stride);
    starling_tensor before_cut = rows_of(in, axes, row_count, in_stride);
    ok(CALL(row_map, .rows = rows, .positions_out = rows_of(out, axes, n, out_stride), .sources = sources,
            .positions_in = before_cut, .cuts = list.cuts.data(), .cut_count = int(cuts.size()), .rule = rule));
    rows.receive();
    sources.receive();
    out.receive();
    equal("rows", stay, rows.values);
    for (int i = 0; i < n; i++) equal("source", stay[i], apart.at(sources.values[i]));
    for (int a = 0; a < axes; a++) {
      for (int i = 0; i < out_stride; i++) {
        int expected = i >= n ? -7 : rule == STARLING_KEEP ? positions[a * in_stride + stay[i]] : i;
        equal("position", expected, int(out.values[a * out_stride + i]));
      }
    }
    std::vector<uint8_t> before(row_count + 3, 0);
    before[fixed.empty() ? 0 : fixed.back()] = 1;
    Bytes hidden(before);
    ok(CALL(hide_rows, .hidden = hidden, .positions_out = rows_of(after, axes, row_count, after_stride),
            .positions_in = before_cut, .cuts = list.cuts.data(), .cut_count = int(cuts.size()), .rule = rule));
    hidden.receive();
    after.receive();
    int rank = 0;
    for (int i = 0; i < row_count; i++) {
      bool visible = fate[i] != 1 && !before[i];
      equal("hidden", visible ? 0 : 1, int(hidden.values[i]));
      for (int a = 0; a < axes; a++) {
        int kept_position = positions[a * in_stride + i];
        equal("position", rule == STARLING_KEEP || !visible ? kept_position : rank, int(after.values[a * after_stride + i]));
      }
      rank += visible;
    }
    for (int i = row_count; i < row_count + 3; i++) equal("behind the rows", 0, int(hidden.values[i]));
  }
}

std::vector<int32_t> counting(int n) {
  std::vector<int32_t> list(n);
  std::iota(list.begin(), list.end(), 0);
  return list;
}

}  // namespace

TEST(token_select_takes_the_best_ties_lowest) {
  std::vector<int> sizes =
      small ? std::vector<int>{1, 65, 600} : std::vector<int>{1, 33, 63, 64, 65, 576, 577, 2880, 4096, 4097, 16384};
  for (int n : sizes) {
    std::normal_distribution<float> normal;
    std::vector<float> different(n), equal_(n, 0.25f), few(n), near_(n), nan_laced(n);
    for (int i = 0; i < n; i++) {
      different[i] = normal(rng);
      few[i] = float(int(rng() % 4)) - 1.5f;
      near_[i] = 1.f / 577 + float(rng() % 8) * 0x1p-33f;
      nan_laced[i] = i % 5 == 0 ? NAN : i % 7 == 0 ? INFINITY : i % 11 == 0 ? -0.f : i % 13 == 0 ? 0.f : normal(rng);
    }
    for (const auto& s : {different, equal_, few, near_, nan_laced}) {
      for (int k : {1, n / 3 + 1, std::max(1, n - 1), n}) check_select(s, 1, k, 1);
    }
    std::vector<float> heads(size_t(n) * 3);
    for (float& v : heads) v = std::fabs(normal(rng));
    check_select(heads, 3, n / 2 + 1, 7);
  }
}

TEST(token_select_adds_the_sources_of_a_candidate) {
  std::normal_distribution<float> normal;
  for (int n : small ? std::vector<int>{33} : std::vector<int>{1, 33, 700}) {
    for (int sources : {2, 3, 4, 9}) {
      std::vector<float> sums(size_t(n) * sources * 5);
      for (float& v : sums) v = std::fabs(normal(rng));
      check_select(sums, 5, n / 3 + 1, 7, sources);
      sums[sums.size() - 1] = NAN;  // the last head's last source of the last candidate
      check_select(sums, 5, n, 7, sources);
      check_select(sums, 5, std::max(1, n - 1), 7, sources);
    }
  }
}

// A quarter of the smallest number below zero is −0, and no worse than 0.
TEST(token_select_takes_minus_zero_for_zero) {
  float least = -0x1p-149f;
  for (int k : {1, 2, 3}) {
    check_select({least, 0, -1}, 1, k, 4);
    check_select({0, least, -1}, 1, k, 4);
    check_select({-1, least, 0}, 1, k, 4);
    check_select({-1, least, 0}, 1, k, 1);  // with one row it is below zero indeed
  }
}

TEST(colsum_select_is_its_two_parts_to_the_bit) {
  std::vector<Case> cases = {{130, 0, 3, 3, 64, true, false}, {80, 20, 4, 2, 32, false, true}};
  if (!small) cases.push_back({577, 0, 4, 4, 64, false, false});
  for (int dtype : all_dtypes()) {
    for (const Case& c : cases) {
      Inputs in(c, dtype);
      Tensor out = filled(dtype, c.rows, c.heads * c.d, NAN), lse = filled(STARLING_F32, c.heads, c.rows, NAN);
      in.attention(out, &lse);
      for (int sources : {1, 3, 4}) {  // three do not divide a tile of 64 keys
        int n = (c.rows - 9) / sources, keys = n * sources, kept = n / 10 + 1;
        Tensor sums = filled(STARLING_F32, c.heads, keys, NAN);
        Tensor score1 = filled(STARLING_F32, 1, n, NAN), score2 = filled(STARLING_F32, 1, n, NAN);
        Ints keep1(kept), keep2(kept), fault(1, 0);
        for (int repeat = 0; repeat < 2; repeat++) {  // the tickets are zero again
          in.colsum(sums, lse, 5, c.rows, 1);
          token_select(keep1, score1, fault, sums, c.rows - 5);
          ok(CALL(colsum_select, .keep = keep2, .score = score2.vector(), .non_finite = fault, .in = in.inputs(), .lse = lse,
                  .row_from = 5, .row_to = c.rows, .key_at = 1, .sources = sources == 1 ? 0 : sources));
          keep2.receive();
          score2.receive();
          fault.receive();
          equal("keep", keep1.values, keep2.values);
          same_bits("score", score1, score2);
          equal("fault", 0, int(fault.values[0]));
        }
      }
    }
  }
}

// The rows that stay after this call's selection and an earlier one, as row_map would list them.
TEST(colsum_select_maps_rows_as_row_map_does) {
  for (int dtype : all_dtypes()) {
    Case c{90, 0, 2, 2, dtype == STARLING_BF16 ? 32 : 128, false, false};
    Inputs in(c, dtype);
    Tensor out = filled(dtype, c.rows, c.heads * c.d, NAN), lse = filled(STARLING_F32, c.heads, c.rows, NAN);
    in.attention(out, &lse);
    for (bool listed : {false, true}) {
      int n = 70, kept = 23, all = 333, stay = all - n + kept - 6 + 2, stride = all + 3;
      std::vector<int32_t> candidates, positions(2 * stride, -1);
      for (int i = 0; i < n; i++) candidates.push_back(3 * i + i % 2);
      for (int a = 0; a < 2; a++) {
        for (int i = 0; i < all; i++) positions[a * stride + i] = 1000 * a + 3 * i;
      }
      Ints keep1(kept), keep2(kept), fault(1, 0), list(candidates), before(std::vector<int32_t>{1, 4}),
          in_positions(positions);
      Tensor score = filled(STARLING_F32, 1, n, NAN);
      auto cuts = [&](Ints& keep) {
        starling_cut own{keep, listed ? starling_tensor(list) : starling_tensor{}, 7, listed ? 3 * n : n};
        return std::vector<starling_cut>{{before, {}, 300, 6}, own};
      };
      for (int rule : {STARLING_CONTIGUOUS, STARLING_KEEP}) {
        for (bool sources : {false, true}) {
          Ints rows1(stay), rows2(stay), out1(2 * stay), out2(2 * stay), sources1(stay), sources2(stay);
          starling_tensor none{};
          std::vector<starling_cut> one = cuts(keep1), two = cuts(keep2);
          ok(CALL(colsum_select, .keep = keep1, .score = score.vector(), .non_finite = fault, .in = in.inputs(), .lse = lse,
                  .row_to = c.rows, .key_at = 1));
          ok(CALL(row_map, .rows = rows1, .positions_out = rows_of(out1, 2, stay, stay),
                  .sources = sources ? starling_tensor(sources1) : none,
                  .positions_in = rows_of(in_positions, 2, all, stride), .cuts = one.data(), .cut_count = 2, .rule = rule));
          ok(CALL(colsum_select, .keep = keep2, .score = score.vector(), .non_finite = fault, .in = in.inputs(), .lse = lse,
                  .row_to = c.rows, .key_at = 1, .rule = rule, .rows = rows2, .positions_out = rows_of(out2, 2, stay, stay),
                  .row_sources = sources ? starling_tensor(sources2) : none,
                  .positions_in = rows_of(in_positions, 2, all, stride), .cuts = two.data(), .cut_count = 2));
          for (Ints* i : {&keep1, &keep2, &rows1, &rows2, &out1, &out2, &sources1, &sources2}) i->receive();
          equal("keep", keep1.values, keep2.values);
          equal("rows", rows1.values, rows2.values);
          equal("positions", out1.values, out2.values);
          equal("sources", sources1.values, sources2.values);
          equal("the last row", all - 1, int(rows2.values[stay - 1]));
        }
      }
    }
  }
}

// The most candidates there may be, with the largest tiles: their keys take the tiles' place.
TEST(colsum_select_takes_many_candidates) {
  int n = small ? 700 : 16384;
  Case c{8, n, 1, 1, 128, false, false};
  for (int dtype : all_dtypes()) {
    Inputs in(c, dtype);
    Tensor out = filled(dtype, c.rows, c.d, NAN), lse = filled(STARLING_F32, 1, c.rows, NAN);
    in.attention(out, &lse);
    Tensor sums = filled(STARLING_F32, 1, n, NAN), score1 = filled(STARLING_F32, 1, n, NAN);
    Tensor score2 = filled(STARLING_F32, 1, n, NAN);
    Ints keep1(n / 3), keep2(n / 3), fault(1, 0);
    in.colsum(sums, lse, 0, c.rows, 3);
    token_select(keep1, score1, fault, sums, c.rows);
    ok(CALL(colsum_select, .keep = keep2, .score = score2.vector(), .non_finite = fault, .in = in.inputs(), .lse = lse,
            .row_to = c.rows, .key_at = 3));
    keep2.receive();
    score2.receive();
    equal("keep", keep1.values, keep2.values);
    equal("keep by the scores", best(score1.values, n / 3), keep2.values);
    same_bits("score", score1, score2);
  }
}

TEST(more_candidates_than_a_block_can_sort_are_refused) {
  Tensor sums = filled(STARLING_F32, 1, 16385, 0), score = filled(STARLING_F32, 1, 16385, NAN);
  Ints keep(1), fault(1, 0);
  equal("status", int(STARLING_INVALID_ARGUMENT),
        CALL(token_select, .keep = keep, .score = score.vector(), .non_finite = fault, .sums = sums, .rows = 1));
  if (!strstr(starling_error(), "n must be 1 to 16384")) fail(starling_error());
}

#if defined(STARLING_EMULATED) && !defined(HOST_TSAN)
// Launches and bytes of both forms, counted by the host layer, at the size of stage 1 of LLaVA-1.5.
TEST(one_launch_or_two) {
  if (small) return;
  Case c{577, 0, 16, 16, 64, false, false};
  Inputs in(c, STARLING_BF16);
  Tensor lse = gaussian(STARLING_F32, c.heads, c.rows), sums = filled(STARLING_F32, c.heads, 576, NAN);
  Tensor score = filled(STARLING_F32, 1, 576, NAN);
  Ints keep(288), fault(1, 0);
  uint64_t two[8], one[8];
  starling_host_reset_counters();
  starling_attention_inputs all = in.inputs();
  all.segments = {};
  ok(CALL(attention_colsum, .sums = sums, .in = all, .lse = lse, .row_from = 1, .row_to = 577, .key_at = 1));
  token_select(keep, score, fault, sums, 576);
  starling_host_counters(two);
  starling_host_reset_counters();
  ok(CALL(colsum_select, .keep = keep, .score = score.vector(), .non_finite = fault, .in = all, .lse = lse, .row_from = 1,
          .row_to = 577, .key_at = 1));
  starling_host_counters(one);
  equal("launches of two calls", uint64_t(2), two[0]);
  equal("launches of one", uint64_t(1), one[0]);
  equal("FLOPs", two[4], one[4]);
  // Beside the products: the fused form writes and reads every key's sum over heads once more.
  equal("bytes read", two[2] + 576 * 4, one[2]);
  equal("bytes written", two[3] + 576 * 4, one[3]);
  printf(
      "colsum + select: %llu launches, %.2f MB read, %.1f KB written; colsum_select: %llu launch, %.2f MB read, %.1f KB "
      "written; %.2f GFLOP each\n",
      (unsigned long long)two[0], double(two[2]) / 1e6, double(two[3]) / 1e3, (unsigned long long)one[0],
      double(one[2]) / 1e6, double(one[3]) / 1e3, double(one[4]) / 1e9);
}
#endif

TEST(row_map_and_hide_rows_agree) {
  std::vector<Cut> cuts = {{3, 10, {0, 4, 9}, {}}, {13, 5, {2}, {}}, {100, 300, counting(300), {}}};
  check_cuts(cuts, 700, 1);
  check_cuts(cuts, 700, 3);
  check_cuts({}, 5, 1);
  check_cuts({{0, 600, {}, {}}}, 600, 1);
  check_cuts({{0, 513, {512}, {}}}, 513, 2);
}

TEST(row_map_takes_cuts_between_each_others_candidates) {
  // A A | B B B | newline, line by line, and a third cut that lists what the first leaves.
  std::vector<int32_t> a, b, rest;
  for (int line = 0; line < 40; line++) {
    for (int i : {0, 1}) a.push_back(6 * line + i);
    for (int i : {0, 1, 2}) b.push_back(6 * line + i);
    if (line % 3) rest.push_back(6 * line);
  }
  Cut one{7, 240, {0, 1, 5, 40, 79}, a, true}, two{9, 238, {2, 3, 4, 119}, b, true}, three{12, 235, {0, 7, 25}, rest, true};
  check_cuts({one, two, three}, 300, 1);
  check_cuts({three, one, two}, 300, 3);  // in any order
  check_cuts({{0, 4, {}, {3}, true}, {0, 4, {0, 1}, {1, 2}, true}}, 4, 1);
  std::vector<Cut> many;
  for (int i = 0; i < STARLING_MAX_CUTS; i++) {
    Cut c{i, 600 - STARLING_MAX_CUTS, {}, {}, true};
    for (int j = 0; j < 8; j++) c.candidates.push_back(STARLING_MAX_CUTS * j);
    for (int j = i % 3; j < 8; j += 1 + i % 4) c.keep.push_back(j);
    many.push_back(c);
  }
  check_cuts(many, 600, 1);
}

#if defined(STARLING_EMULATED)
// Lists are written by other kernels: the host layer reports what a GPU would trust.
TEST(row_map_and_hide_rows_name_a_wrong_entry_of_a_list) {
  struct Wrong {
    std::vector<int32_t> keep, candidates;
    const char* part;
  };
  for (const Wrong& w : {Wrong{{0, 3}, {0, 1, 4}, "a kept candidate is 3; it must be at least 0 and below 3"},
                         {{-1, 2}, {0, 1, 4}, "a kept candidate is -1"},
                         {{0, 1}, {0, 1, 6}, "a candidate's row is 6; it must be at least 0 and below 6"},
                         {{2, 1}, {0, 1, 4}, "the step to the next of a cut's ascending numbers is -2"},
                         {{0, 1}, {0, 4, 4}, "the step to the next of a cut's ascending numbers is -1"}}) {
    CutList list({{2, 6, w.keep, w.candidates, true}});
    Ints in(10, 0), out(9), rows(9), after(10);
    Bytes hidden(std::vector<uint8_t>(10, 0));
    auto fails = [&](int status) {
      equal("status", int(STARLING_KERNEL_FAULT), status);
      if (!strstr(starling_error(), w.part)) fail(std::string(starling_error()) + " does not say " + w.part);
    };
    fails(CALL(row_map, .rows = rows, .positions_out = rows_of(out, 1, 9, 9), .positions_in = rows_of(in, 1, 10, 10),
               .cuts = list.cuts.data(), .cut_count = 1, .rule = STARLING_KEEP));
    fails(CALL(hide_rows, .hidden = hidden, .positions_out = rows_of(after, 1, 10, 10),
               .positions_in = rows_of(in, 1, 10, 10), .cuts = list.cuts.data(), .cut_count = 1, .rule = STARLING_KEEP));
  }
}
#endif

TEST(gather_rows_moves_any_width) {
  struct Shape {
    int dtype, width, padding;
  };
  for (Shape s : {Shape{STARLING_BF16, 64, 8}, {STARLING_F32, 33, 0}, {STARLING_BF16, 7, 0}, {STARLING_F16, 130, 2}}) {
    Tensor a = gaussian(s.dtype, 90, s.width, 1, s.padding), b = gaussian(STARLING_F32, 90, 40);
    Ints rows({0, 2, 3, 40, 89, 89, 1});
    Tensor to_a = filled(s.dtype, 7, s.width, NAN), to_b = filled(STARLING_F32, 7, 40, NAN);
    starling_gather pairs[] = {{to_a, a}, {to_b, b}};
    ok(CALL(gather_rows, .pair_count = 2, .pairs = pairs, .rows = rows));
    to_a.receive();
    to_b.receive();
    for (int i = 0; i < 7; i++) {
      for (int j = 0; j < s.width; j++) equal("a", a.at(rows.values[i], j), to_a.at(i, j));
      for (int j = 0; j < 40; j++) equal("b", b.at(rows.values[i], j), to_b.at(i, j));
    }
  }
}

TEST(compact_rows_moves_in_place) {
  for (int n : {1, 7, 8, 9, 50}) {
    Tensor k = gaussian(STARLING_BF16, 100, 64, 1, 0), v = gaussian(STARLING_BF16, 100, 64, 1, 0);
    std::vector<int32_t> rows(n);
    for (int i = 0; i < n; i++) rows[i] = n == 50 ? 2 * i : i + (i > 2 ? 5 : 0);
    Ints list(rows);
    std::vector<float> before = k.values;
    starling_tensor tensors[] = {k, v};
    ok(CALL(compact_rows, .tensor_count = 2, .tensors = tensors, .rows = list));
    k.receive();
    v.receive();
    for (int i = 0; i < 100; i++) {
      for (int j = 0; j < 64; j++) equal("k", before[size_t(i < n ? rows[i] : i) * 64 + j], k.at(i, j));
    }
  }
}
