// Segment tables, as starling.h lays them out.
#pragma once
#include <algorithm>
#include <cstring>

#include "check.h"

struct Numbers {
  int32_t n[16];
  Numbers behind(int length) const { return with(4, length); }
  Numbers hides(int first) const { return with(5, first); }
  Numbers standing(int a, int b, int c) const { return with(6, a).with(7, b).with(8, c); }
  Numbers drawing(int step, float temperature, int top_k, float top_p, uint64_t seed) const {
    return with(9, step)
        .with(10, bits(temperature))
        .with(11, top_k)
        .with(12, bits(top_p))
        .with(13, int32_t(uint32_t(seed)))
        .with(14, int32_t(seed >> 32));
  }
  Numbers penalizing(float penalty) const { return with(15, bits(penalty)); }
  Numbers with(int column, int32_t value) const {
    Numbers other = *this;
    other.n[column] = value;
    return other;
  }
  static int32_t bits(float f) {
    int32_t b;
    memcpy(&b, &f, 4);
    return b;
  }
};

inline Numbers segment(int row, int rows, int at, int capacity) { return {{row, rows, at, capacity, 0, -1}}; }

struct Table {
  std::vector<Numbers> list;
  check::Ints numbers;

  explicit Table(const std::vector<Numbers>& list) : list(list), numbers(flat(list)) {}
  static std::vector<int32_t> flat(const std::vector<Numbers>& list) {
    std::vector<int32_t> all;
    for (const Numbers& s : list) all.insert(all.end(), s.n, s.n + 16);
    return all;
  }
  void set(int s, int column, int32_t value) {
    list[s].n[column] = value;
    numbers.values = flat(list);
    numbers.send();
  }
  void hide(int s, int first) { set(s, 5, first); }
  starling_tensor tensor(int s = 0, int count = -1) const {
    return {numbers.data + 16 * s, 16, count < 0 ? int32_t(list.size()) : count, 16, STARLING_I32, 0};
  }
  int rows() const {
    int most = 0;
    for (const Numbers& s : list) most = std::max(most, int(s.n[1]));
    return most;
  }
  int keys() const {
    int most = 0;
    for (const Numbers& s : list) most = std::max(most, int(s.n[4] + s.n[1]));
    return most;
  }
  // All of them; one of them in the same call.
  starling_segments segments() const { return {tensor(), rows(), keys()}; }
  starling_segments only(int s) const { return {tensor(s, 1), rows(), keys()}; }
};
