// sample: the order, the masses and the draw against the definition, and frequencies against probabilities.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "check.h"
#include "segment_case.h"
#if defined(STARLING_EMULATED)
#include <cstdio>

#include "starling_bench.h"
#endif

using namespace check;

namespace {

int draw(const std::vector<float>& logits, float temperature, int top_k, float top_p, uint64_t seed, int step,
         int fault = 0) {
  Tensor row(STARLING_F32, 1, int(logits.size()));
  row.values = logits;
  row.send();
  Ints id(1), broken(1, fault);
  Table table({segment(0, 1, 0, 1).drawing(step, temperature, top_k, top_p, seed)});
  ok(CALL(sample, .ids = id, .logits = row, .segments = table.tensor(), .non_finite = broken));
  id.receive();
  return id.values[0];
}

// Philox4x32-10 as its paper writes it.
void philox(uint64_t key, uint64_t low, uint32_t out[4]) {
  uint32_t k[2] = {uint32_t(key), uint32_t(key >> 32)}, c[4] = {uint32_t(low), uint32_t(low >> 32), 0, 0};
  for (int r = 0; r < 10; r++) {
    uint64_t p0 = uint64_t(0xD2511F53) * c[0], p1 = uint64_t(0xCD9E8D57) * c[2];
    uint32_t n[4] = {uint32_t(p1 >> 32) ^ c[1] ^ k[0], uint32_t(p1), uint32_t(p0 >> 32) ^ c[3] ^ k[1], uint32_t(p0)};
    memcpy(c, n, 16);
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  memcpy(out, c, 16);
}

int expected(const std::vector<float>& logits, float temperature, int top_k, float top_p, uint64_t seed, int step) {
  int n = int(logits.size());
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
  if (temperature == 0) return order[0];
  if (top_k > 0 && top_k < n) order.resize(top_k);
  std::vector<uint64_t> mass;
  uint64_t total = 0, nucleus = 0, seen = 0;
  for (int v : order) {
    mass.push_back(uint64_t(std::exp((double(logits[v]) - logits[order[0]]) / double(temperature)) * 0x1p32));
    total += mass.back();
  }
  uint64_t need = std::max<uint64_t>(1, uint64_t(std::ceil(double(top_p) * double(total))));
  size_t kept = 0;
  while (nucleus < need) nucleus += mass[kept++];
  uint32_t w[4];
  philox(seed, uint64_t(step), w);
  uint64_t target = uint64_t((__uint128_t(nucleus) * (uint64_t(w[1]) << 32 | w[0])) >> 64);
  for (size_t i = 0; i < kept; i++) {
    seen += mass[i];
    if (target < seen) return order[i];
  }
  return -2;
}

}  // namespace

TEST(greedy_takes_the_lowest_of_the_best) {
  equal("tie", 1, draw({1, 3, 2, 3}, 0, 0, 1, 0, 0));
  equal("all equal", 0, draw(std::vector<float>(70, -2.f), 0, 0, 1, 0, 0));
  equal("negative", 2, draw({-5, -3, -1, -9}, 0, 0, 1, 0, 0));
  std::vector<float> many(small ? 1100 : 32000);
  for (float& v : many) v = float(int(rng() % 1000));
  many[many.size() - 1] = 1000;
  equal("the last", int(many.size() - 1), draw(many, 0, 0, 1, 0, 0));
  many[17] = 1000;
  equal("the first of two", 17, draw(many, 0, 0, 1, 0, 0));
}

TEST(what_is_not_finite_gives_minus_one) {
  for (float temperature : {0.f, 1.f}) {
    equal("NaN", -1, draw({1, NAN}, temperature, 0, 1, 0, 0));
    equal("+inf", -1, draw({1, INFINITY}, temperature, 0, 1, 0, 0));
    equal("-inf", -1, draw({1, -INFINITY}, temperature, 0, 1, 0, 0));
    equal("fault", -1, draw({1, 2}, temperature, 0, 1, 0, 0, 1));
  }
}

TEST(a_draw_follows_its_definition) {
  std::normal_distribution<float> normal;
  for (int n : small ? std::vector<int>{700} : std::vector<int>{1, 2, 100, 1024, 1025, 5000}) {
    std::vector<float> logits(n), tied(n);
    for (float& v : logits) v = 3 * normal(rng);
    for (float& v : tied) v = float(int(rng() % 4));
    for (const auto& l : {logits, tied}) {
      for (int step = 0; step < (small ? 1 : 6); step++) {
        struct Way {
          float temperature;
          int top_k;
          float top_p;
        };
        for (Way w : {Way{1, 0, 1}, {0.8f, 0, 0.9f}, {0.3f, 40, 1}, {2, 7, 0.5f}, {5, 1, 1}, {1, 0, 1e-6f}}) {
          equal("token", expected(l, w.temperature, w.top_k, w.top_p, 5 + (uint64_t(n) << 35), step),
                draw(l, w.temperature, w.top_k, w.top_p, 5 + (uint64_t(n) << 35), step));
        }
      }
    }
  }
}

// Segments draw side by side, each with a penalty and bits of its own, which gain the token that it draws and no other.
TEST(what_was_there_before_is_penalized) {
  std::normal_distribution<float> normal;
  int n = small ? 700 : 1500, words = (n + 31) / 32;
  struct Way {
    float penalty, temperature;
    int rows;
  };
  std::vector<Way> ways = {{1.5f, 0, 1}, {1.5f, 1, 1}, {0, 1, 1}, {0.4f, 0.7f, 1}, {3, 1, 0}, {1e9f, 0, 1}, {2, 0, 1}};
  int count = int(ways.size());
  for (bool ties : {false, true}) {
    Tensor logits(STARLING_F32, count, n);
    for (float& v : logits.values) v = ties ? float(int(rng() % 5)) - 2 : 3 * normal(rng);
    logits.at(count - 1, 7) = NAN;
    logits.send();
    std::vector<int32_t> before(size_t(count) * (words + 1));
    for (int32_t& word : before) word = int32_t(rng());
    Ints seen(before), ids(count, -7), fault(count, 0);
    std::vector<Numbers> list;
    for (const Way& w : ways)
      list.push_back(segment(0, w.rows, 0, 1).drawing(3, w.temperature, 0, 1, 11).penalizing(w.penalty));
    Table table(list);
    starling_tensor bits{seen.data, words + 1, count, words, STARLING_I32, 0};
    ok(CALL(sample, .ids = ids, .seen = bits, .logits = logits, .segments = table.tensor(), .non_finite = fault));
    ids.receive();
    seen.receive();
    for (int s = 0; s < count; s++) {
      std::vector<float> penalized(n);
      for (int v = 0; v < n; v++) {
        float x = logits.at(s, v);
        bool there = ways[s].penalty != 0 && before[s * (words + 1) + v / 32] >> v % 32 & 1;
        penalized[v] = !there ? x : x < 0 ? x * ways[s].penalty : x / ways[s].penalty;
      }
      int token = ways[s].rows == 0 ? -7 : s == count - 1 ? -1 : expected(penalized, ways[s].temperature, 0, 1, 11, 3);
      equal("token of " + std::to_string(s), token, int(ids.values[s]));
      if (token >= 0) before[s * (words + 1) + token / 32] |= int32_t(1u << token % 32);
    }
    equal("what is seen", before, seen.values);
  }
}

// A top-p whose share of all mass ends a fraction above the first tokens': one rounded down would keep a token less. Looked
// for among one likeliest token and five of one smaller mass.
TEST(top_p_reaches_its_share_and_not_one_unit_less) {
  int told = 0;
  for (int i = 1; i < 100000 && told == 0; i++) {
    float behind = -float(i) / 65536;
    uint64_t other = uint64_t(std::exp(double(behind)) * 0x1p32), total = (uint64_t(1) << 32) + 5 * other;
    for (int kept = 2; kept <= 5 && told == 0; kept++) {
      uint64_t edge = (uint64_t(1) << 32) + uint64_t(kept - 1) * other;
      float near = float(double(edge) / double(total));
      for (float p : {std::nextafter(near, 0.f), near, std::nextafter(near, 1.f)}) {
        double reach = double(p) * double(total);
        if (!(reach > double(edge) && uint64_t(reach) == edge)) continue;
        std::vector<float> logits = {behind, behind, 0, behind, behind, behind};
        for (int step = 0; step < 12; step++) {
          equal("token", expected(logits, 1, 0, p, 3, step), draw(logits, 1, 0, p, 3, step));
          told += expected(logits, 1, 0, p, 3, step) != expected(logits, 1, 0, float(double(p) - 1e-6), 3, step);
        }
      }
    }
  }
  if (told == 0) fail("no draw that rounding down would change was found");
}

// Masses from 2^32 down to one and to none: the rank of the token that is drawn is known from the position alone. Keys of
// both signs, of one exponent, and next to one another.
TEST(tokens_of_hardly_any_or_no_mass_are_drawn_by_their_share) {
  int n = small ? 300 : 3001;
  for (float temperature : {1e-3f, 0.25f, 1.f, 40.f}) {
    for (float top : {2.f, 0.f, -7.f, 1e6f, 1e-30f}) {
      std::vector<float> logits(n);
      for (int i = 0; i < n; i++) logits[(i * 7) % n] = top - temperature * float(i % 251) / 10;  // 25 temperatures below
      for (int step = 0; step < (small ? 1 : 5); step++) {
        equal("token", expected(logits, temperature, 0, 1, 9, step), draw(logits, temperature, 0, 1, 9, step));
        equal("token of the best", expected(logits, temperature, n - 3, 0.999999f, 9, step),
              draw(logits, temperature, n - 3, 0.999999f, 9, step));
      }
    }
  }
  // A step whose number falls among the tokens of mass 3 behind one of 2^32.
  std::vector<float> behind(2001, -21.f);
  behind[1234] = 0;
  uint64_t total = (uint64_t(1) << 32) + 2000 * uint64_t(std::exp(-21.0) * 0x1p32), position = 0;
  int step = -1;
  while (position < uint64_t(1) << 32) {
    uint32_t w[4];
    philox(9, uint64_t(++step), w);
    position = uint64_t((__uint128_t(total) * (uint64_t(w[1]) << 32 | w[0])) >> 64);
  }
  int token = expected(behind, 1, 0, 1, 9, step);
  equal("it is not the likeliest", false, token == 1234);
  equal("token far behind", token, draw(behind, 1, 0, 1, 9, step));
}

#if defined(STARLING_EMULATED) && !defined(HOST_TSAN)
// Bytes that a draw reads, in vocabularies of four bytes a token.
TEST(reads_of_the_logits) {
  int n = small ? 2000 : 32000;
  std::normal_distribution<float> normal;
  std::vector<float> logits(n);
  for (float& v : logits) v = 3 * normal(rng);
  struct Way {
    float temperature;
    int top_k;
    float top_p;
    double most;
  };
  for (Way w : {Way{0, 0, 1, 1}, {1, 0, 1, 6}, {1, 0, 0.9f, 8}, {1, 50, 0.9f, 10}}) {
    starling_host_reset_counters();
    draw(logits, w.temperature, w.top_k, w.top_p, 5, 1);
    uint64_t work[8];
    starling_host_counters(work);
    double reads = double(work[2]) / (4.0 * n);
    printf("temperature %g, top-k %d, top-p %g: %.2f reads of the logits\n", w.temperature, w.top_k, w.top_p, reads);
    if (!(reads < w.most + 0.3 + 30000. / n)) fail("more reads of the logits than " + std::to_string(w.most));
  }
}
#endif

TEST(frequencies_are_the_probabilities) {
  if (small) return;
  std::vector<float> logits = {1, 3, 2, 3};
  std::vector<int> counts(4);
  int n = 400;
  for (int step = 0; step < n; step++) counts[draw(logits, 1, 0, 1, 5, step)]++;
  double total = std::exp(1.0) + 2 * std::exp(3.0) + std::exp(2.0);
  for (int v = 0; v < 4; v++) {
    double p = std::exp(double(logits[v])) / total;
    near("count", n * p, counts[v], 4 * std::sqrt(n * p * (1 - p)));  // four standard deviations
  }
}
