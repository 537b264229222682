// cosines and drop_duplicates against their definitions, on features whose cosines are exact.
#include <algorithm>
#include <numeric>

#include "check.h"
#if defined(STARLING_EMULATED)
#include <cstdio>

#include "starling_bench.h"
#endif

using namespace check;

namespace {

// One that is not finite is the lowest.
float rank(float x) { return std::isfinite(x) ? x : -INFINITY; }

std::vector<int32_t> expected(const std::vector<float>& score, const Tensor& cosines, int k, int best) {
  int n = cosines.rows;
  std::vector<int> list(n);
  std::iota(list.begin(), list.end(), 0);
  std::stable_sort(list.begin(), list.end(), [&](int a, int b) { return rank(score[a]) > rank(score[b]); });
  std::vector<int32_t> keep(list.begin(), list.begin() + best);
  std::vector<int> rest(list.begin() + best, list.end());
  size_t diverse = size_t(k - best);
  while (diverse > 0 && rest.size() > diverse) {
    std::vector<int> evens, odds, order;
    for (size_t i = 0; i < rest.size(); i++) (i % 2 ? odds : evens).push_back(rest[i]);
    std::vector<float> nearest;
    for (int a : evens) {
      float top = -INFINITY;
      for (int b : odds) top = std::max(top, rank(cosines.at(a, b)));
      nearest.push_back(top);
    }
    order.resize(evens.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return nearest[a] > nearest[b]; });
    size_t drop = std::min({size_t(8), rest.size() - diverse, evens.size()});
    rest.clear();
    for (size_t i = drop; i < order.size(); i++) rest.push_back(evens[order[i]]);
    rest.insert(rest.end(), odds.begin(), odds.end());
  }
  keep.insert(keep.end(), rest.begin(), rest.begin() + diverse);
  std::sort(keep.begin(), keep.end());
  return keep;
}

void cosines(Tensor& out, Ints& non_finite, const Tensor& x) {
  ok(CALL(cosines, .out = out, .non_finite = non_finite, .x = x));
  out.receive();
  non_finite.receive();
}

std::vector<int32_t> drop_duplicates(const Tensor& score, const Tensor& cosines, int k, int best) {
  Ints keep(k);
  ok(CALL(drop_duplicates, .keep = keep, .score = score.vector(), .cosines = cosines, .best = best));
  keep.receive();
  return keep.values;
}

}  // namespace

TEST(cosines_follow_their_definition) {
  for (int n : small ? std::vector<int>{7} : std::vector<int>{1, 2, 65, 130}) {
    for (int dtype : all_dtypes()) {
      Tensor x = gaussian(dtype, n, 96), out = filled(STARLING_F32, n, n, NAN);
      Ints non_finite(1, 0);
      cosines(out, non_finite, x);
      equal("non_finite", 0, int(non_finite.values[0]));
      for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++) {
          double ab = 0, aa = 0, bb = 0;
          for (int i = 0; i < x.width; i++) {
            ab += double(x.at(a, i)) * x.at(b, i);
            aa += double(x.at(a, i)) * x.at(a, i);
            bb += double(x.at(b, i)) * x.at(b, i);
          }
          near("cosine", ab / std::sqrt(aa * bb), out.at(a, b), 96 * EPS);
        }
      }
    }
  }
}

TEST(duplicates_are_dropped_by_their_bookkeeping) {
  for (int n : small ? std::vector<int>{36} : std::vector<int>{2, 36, 101, 300}) {
    for (int dtype : all_dtypes()) {
      // Signs over 256 channels: every cosine is a multiple of 1/128, exact on both sides, with many ties.
      Tensor f(dtype, n, 256);
      for (float& v : f.values) v = rng() % 2 ? 1.f : -1.f;
      f.send();
      Tensor score = gaussian(STARLING_F32, 1, n), alike = filled(STARLING_F32, n, n, NAN);
      for (int i = 0; i < n; i += 5) score.at(0, i) = 0.5f;
      score.send();
      Ints non_finite(1, 0);
      cosines(alike, non_finite, f);
      equal("non_finite", 0, int(non_finite.values[0]));
      for (int k : {1, n / 5 + 1, n / 2, n}) {
        for (int best : {0, k / 2, k}) {
          equal("keep " + std::to_string(k) + " of " + std::to_string(n), expected(score.values, alike, k, best),
                drop_duplicates(score, alike, k, best));
        }
      }
    }
  }
}

// Candidates that have more others near them than a list holds, all at even places or gone after a while: lists must be
// made anew.
TEST(duplicates_beyond_a_list_are_found) {
  int n = small ? 120 : 400;
  Tensor score = gaussian(STARLING_F32, 1, n), alike = filled(STARLING_F32, n, n, NAN);
  for (int i = 0; i < n; i++) score.at(0, i) = float(n - i);
  score.send();
  for (int group : small ? std::vector<int>{2, n} : std::vector<int>{2, n / 2, n}) {
    for (int i = 0; i < n; i++) {
      // In the first round the even ones are the nearest, in the second others of its group.
      for (int j = 0; j < n; j++) {
        bool near = i / group == j / group;
        alike.at(i, j) = (group == 2 ? j % 2 == 0 : near) ? 0.75f + float(rng() % 64) / 512 : float(rng() % 64) / 512;
      }
    }
    alike.send();
    for (int k : {4, n / 4, n - 9}) {
      for (int best = k / 8 * 2; best < k / 8 * 2 + (small ? 1 : 2); best++) {
        equal("keep", expected(score.values, alike, k, best), drop_duplicates(score, alike, k, best));
      }
    }
  }
}

#if defined(STARLING_EMULATED) && !defined(HOST_TSAN)
// Sectors of 32 bytes that are read, against one for each pair of an even and an odd place of each round.
TEST(duplicates_are_found_without_gathering_pairs) {
  for (int n : small ? std::vector<int>{200} : std::vector<int>{576, 2880}) {
    int k = n == 2880 ? 640 : n * 2 / 9, best = k / 2;
    Tensor score = gaussian(STARLING_F32, 1, n), alike(STARLING_F32, n, n);
    for (int i = 0; i < n; i++) {  // groups of nine, so that the nearest ones go first
      for (int j = 0; j <= i; j++) {
        alike.at(i, j) = alike.at(j, i) =
            i == j ? 1.f : (i * 7 % (n / 9 + 1) == j * 7 % (n / 9 + 1) ? 0.7f : 0.f) + float(rng() % 4096) / 16384;
      }
    }
    alike.send();
    double pairs = 0;
    for (int length = n - best; length > k - best; length -= std::min(8, length - (k - best))) {
      pairs += double((length + 1) / 2) * double(length / 2);
    }
    starling_host_reset_counters();
    std::vector<int32_t> kept = drop_duplicates(score, alike, k, best);
    uint64_t work[8];
    starling_host_counters(work);
    double sectors = double(work[2]) / 32;  // all reads are of consecutive lanes
    printf("%d candidates, %d stay: %.2f million pairs, %.2f million sectors: 1/%.0f\n", n, k, pairs / 1e6, sectors / 1e6,
           pairs / sectors);
    equal("keep", expected(score.values, alike, k, best), kept);
    if (!(sectors <= pairs / (n == 2880 ? 20 : 4))) fail("too many sectors are read");
  }
}
#endif

TEST(duplicates_that_are_not_finite_are_the_lowest) {
  Tensor score = gaussian(STARLING_F32, 1, 41), alike = gaussian(STARLING_F32, 41, 41);
  for (size_t i = 0; i < alike.values.size(); i += 7) alike.values[i] = i % 3 ? INFINITY : NAN;
  for (int j = 0; j < 41; j++) alike.at(13, j) = j % 2 ? NAN : -INFINITY;
  alike.send();
  score.at(0, 5) = NAN;
  score.at(0, 6) = INFINITY;
  score.at(0, 7) = -INFINITY;
  score.send();
  for (int k : {3, 20, 40}) equal("keep", expected(score.values, alike, k, k / 3), drop_duplicates(score, alike, k, k / 3));
}

TEST(cosines_report_what_is_not_finite) {
  for (float wrong : {NAN, INFINITY, 0.f}) {
    Tensor x = gaussian(STARLING_BF16, 20, 8), out = filled(STARLING_F32, 20, 20, NAN);
    for (int i = 0; i < 8; i++) x.at(7, i) = wrong;
    x.send();
    Ints non_finite(1, 0);
    cosines(out, non_finite, x);
    equal("non_finite", 1, int(non_finite.values[0]));
    for (int a = 0; a < 20; a++) {
      for (int b = 0; b < 20; b++) equal("finite", a != 7 && b != 7, bool(std::isfinite(out.at(a, b))));
    }
  }
}
