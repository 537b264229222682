// token_select, colsum_select, row_map, hide_rows, gather_rows, compact_rows: indices, so everything is exact.
#include <algorithm>
#include <cstring>
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

void check_select(const std::vector<float>& sums, int heads, int k, int rows) {
  int n = int(sums.size()) / heads;
  Tensor in(STARLING_F32, heads, n);
  in.values = sums;
  in.send();
  Tensor score = filled(STARLING_F32, 1, n, NAN);
  Ints keep(k), fault(1, 0);
  ok(CALL(token_select, .keep = keep, .score = score.vector(), .fault = fault, .sums = in, .rows = rows));
  keep.receive();
  score.receive();
  fault.receive();
  std::vector<float> expected(n);
  bool finite = true;
  for (int j = 0; j < n; j++) {
    float sum = 0;
    for (int h = 0; h < heads; h++) sum += in.at(h, j);
    expected[j] = sum / (float(heads) * float(rows));
    finite &= bool(std::isfinite(expected[j]));
  }
  for (int j = 0; j < n; j++) {
    if (memcmp(&expected[j], &score.values[j], 4) && !(std::isnan(expected[j]) && std::isnan(score.values[j]))) fail("score");
  }
  equal("keep of " + std::to_string(k) + " of " + std::to_string(n), best(expected, k), keep.values);
  equal("fault", finite ? 0 : 1, int(fault.values[0]));
}

}  // namespace

TEST(token_select_takes_the_best_ties_lowest) {
  std::vector<int> sizes = small ? std::vector<int>{1, 65, 600} : std::vector<int>{1, 33, 63, 64, 65, 576, 577, 2880, 4096};
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
      int n = c.rows - 9, kept = n / 10 + 1;
      Tensor sums = filled(STARLING_F32, c.heads, n, NAN);
      Tensor score1 = filled(STARLING_F32, 1, n, NAN), score2 = filled(STARLING_F32, 1, n, NAN);
      Ints keep1(kept), keep2(kept), fault(1, 0);
      for (int repeat = 0; repeat < 2; repeat++) {  // the tickets are zero again
        in.colsum(sums, lse, 5, c.rows, 1);
        ok(CALL(token_select, .keep = keep1, .score = score1.vector(), .fault = fault, .sums = sums, .rows = c.rows - 5));
        ok(CALL(colsum_select, .keep = keep2, .score = score2.vector(), .fault = fault, .in = in.inputs(), .lse = lse,
                .row_from = 5, .row_to = c.rows, .key_at = 1));
        keep1.receive();
        keep2.receive();
        score1.receive();
        score2.receive();
        fault.receive();
        equal("keep", keep1.values, keep2.values);
        same_bits("score", score1, score2);
        equal("fault", 0, int(fault.values[0]));
      }
    }
  }
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
  ok(CALL(token_select, .keep = keep, .score = score.vector(), .fault = fault, .sums = sums, .rows = 576));
  starling_host_counters(two);
  starling_host_reset_counters();
  ok(CALL(colsum_select, .keep = keep, .score = score.vector(), .fault = fault, .in = all, .lse = lse,
          .row_from = 1, .row_to = 577, .key_at = 1));
  starling_host_counters(one);
  equal("launches of two calls", uint64_t(2), two[0]);
  equal("launches of one", uint64_t(1), one[0]);
  equal("FLOPs", two[4], one[4]);
  // Beside the products: the fused form reads every score once more.
  equal("bytes read", two[2] + 576 * 4, one[2]);
  equal("bytes written", two[3], one[3]);
  printf("colsum + select: %llu launches, %.2f MB read, %.1f KB written; colsum_select: %llu launch, %.2f MB read, %.1f KB written; %.2f GFLOP each\n",
         (unsigned long long)two[0], double(two[2]) / 1e6, double(two[3]) / 1e3, (unsigned long long)one[0],
         double(one[2]) / 1e6, double(one[3]) / 1e3, double(one[4]) / 1e9);
}
#endif

TEST(row_map_and_hide_rows_agree) {
  std::vector<int32_t> positions(700);
  for (int i = 0; i < 700; i++) positions[i] = 2 * i + 1;
  Ints in(positions), keep1({0, 4, 9}), keep2(std::vector<int32_t>{2}), all(300);
  std::iota(all.values.begin(), all.values.end(), 0);
  all.send();
  std::vector<starling_cut> cuts = {{keep1, 3, 10}, {keep2, 13, 5}, {all, 100, 300}};
  std::vector<int32_t> stay;
  for (int i = 0; i < 700; i++) {
    bool dropped = (i >= 3 && i < 13 && i != 3 && i != 7 && i != 12) || (i >= 13 && i < 18 && i != 15);
    if (!dropped) stay.push_back(i);
  }
  for (int rule : {STARLING_CONTIGUOUS, STARLING_KEEP}) {
    int n = int(stay.size());
    Ints rows(n), out(n), after(700);
    ok(CALL(row_map, .rows = rows, .positions_out = out, .positions_in = in, .cuts = cuts.data(), .cut_count = 3,
            .rule = rule));
    rows.receive();
    out.receive();
    equal("rows", stay, rows.values);
    for (int i = 0; i < n; i++) equal("position", rule == STARLING_KEEP ? positions[stay[i]] : i, out.values[i]);
    std::vector<uint8_t> before(703, 0);
    before[50] = 1;
    Bytes hidden(before);
    ok(CALL(hide_rows, .hidden = hidden, .positions_out = after, .positions_in = in, .cuts = cuts.data(), .cut_count = 3,
            .rule = rule));
    hidden.receive();
    after.receive();
    int rank = 0;
    for (int i = 0; i < 700; i++) {
      bool stays = std::binary_search(stay.begin(), stay.end(), i), visible = stays && i != 50;
      equal("hidden", visible ? 0 : 1, int(hidden.values[i]));
      equal("position", rule == STARLING_KEEP || !visible ? positions[i] : rank, after.values[i]);
      rank += visible;
    }
    for (int i = 700; i < 703; i++) equal("behind the rows", 0, int(hidden.values[i]));
  }
}

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
