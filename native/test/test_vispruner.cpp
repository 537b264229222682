// vispruner_dedup against its bookkeeping, on features whose cosines are exact.
#include <algorithm>
#include <numeric>

#include "check.h"

using namespace check;

namespace {

std::vector<int32_t> expected(const std::vector<float>& score, const Tensor& f, int k, int important) {
  int n = f.rows;
  std::vector<int> list(n);
  std::iota(list.begin(), list.end(), 0);
  std::stable_sort(list.begin(), list.end(), [&](int a, int b) { return score[a] > score[b]; });
  std::vector<int32_t> keep(list.begin(), list.begin() + important);
  std::vector<int> rest(list.begin() + important, list.end());
  auto cosine = [&](int a, int b) {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < f.width; i++) {
      ab += double(f.at(a, i)) * f.at(b, i);
      aa += double(f.at(a, i)) * f.at(a, i);
      bb += double(f.at(b, i)) * f.at(b, i);
    }
    return float(ab / std::sqrt(aa * bb));
  };
  size_t diverse = size_t(k - important);
  while (diverse > 0 && rest.size() > diverse) {
    std::vector<int> evens, odds, order;
    for (size_t i = 0; i < rest.size(); i++) (i % 2 ? odds : evens).push_back(rest[i]);
    std::vector<float> nearest;
    for (int a : evens) {
      float best = -INFINITY;
      for (int b : odds) best = std::max(best, cosine(a, b));
      nearest.push_back(best);
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

}  // namespace

TEST(vispruner_follows_its_bookkeeping) {
  for (int n : small ? std::vector<int>{36} : std::vector<int>{2, 36, 101, 300}) {
    for (int dtype : all_dtypes()) {
      // Signs over 256 channels: every cosine is a multiple of 1/128, exact on both sides, with many ties.
      Tensor f(dtype, n, 256);
      for (float& v : f.values) v = rng() % 2 ? 1.f : -1.f;
      f.send();
      Tensor score = gaussian(STARLING_F32, 1, n);
      for (int i = 0; i < n; i += 5) score.at(0, i) = 0.5f;
      score.send();
      for (int k : {1, n / 5 + 1, n / 2, n}) {
        for (int important : {0, k / 2, k}) {
          Ints keep(k), fault(1, 0);
          ok(CALL(vispruner_dedup, .keep = keep, .fault = fault, .score = score.vector(), .features = f,
                  .important = important));
          keep.receive();
          fault.receive();
          equal("keep " + std::to_string(k) + " of " + std::to_string(n), expected(score.values, f, k, important), keep.values);
          equal("fault", 0, int(fault.values[0]));
        }
      }
    }
  }
}

TEST(vispruner_reports_features_that_are_not_finite) {
  Tensor f = gaussian(STARLING_BF16, 20, 8), score = gaussian(STARLING_F32, 1, 20);
  f.at(7, 3) = NAN;
  f.send();
  Ints keep(10), fault(1, 0);
  ok(CALL(vispruner_dedup, .keep = keep, .fault = fault, .score = score.vector(), .features = f, .important = 5));
  fault.receive();
  equal("fault", 1, int(fault.values[0]));
}
