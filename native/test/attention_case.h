// Inputs of an attention, and its definition in double.
#pragma once
#include "check.h"
#include "segment_case.h"

struct Case {
  int rows, past, heads, kv_heads, d;
  bool causal, hidden;
  std::string name() const {
    return std::to_string(rows) + " rows behind " + std::to_string(past) + ", " + std::to_string(heads) + "/" +
           std::to_string(kv_heads) + " heads of " + std::to_string(d) + (causal ? " causal" : "") +
           (hidden ? " hidden" : "");
  }
};

struct Inputs {
  static constexpr int BEHIND = 3;  // cache rows behind the keys: NaN, and never to be seen
  Case c;
  int dtype, capacity;
  float scale;
  check::Tensor q, k, v;
  Table table;
  std::vector<uint8_t> hidden;
  check::Bytes hidden_bytes;

  Inputs(const Case& c, int dtype)
      : c(c),
        dtype(dtype),
        capacity(c.past + c.rows + BEHIND),
        scale(float(1 / std::sqrt(double(c.d)))),
        q(check::gaussian(dtype, c.rows, c.heads * c.d)),
        k(check::gaussian(dtype, capacity, c.kv_heads * c.d)),
        v(check::gaussian(dtype, capacity, c.kv_heads * c.d)),
        table({segment(0, c.rows, 0, capacity).behind(c.past).hides(c.hidden ? 0 : -1)}),
        hidden(c.hidden ? pattern(capacity) : std::vector<uint8_t>(capacity, 0)),
        hidden_bytes(hidden) {
    for (check::Tensor* t : {&k, &v}) {
      for (int row = c.past + c.rows; row < capacity; row++) {
        for (int i = 0; i < t->width; i++) t->at(row, i) = NAN;
      }
      t->send();
    }
  }
  static std::vector<uint8_t> pattern(int n) {
    std::vector<uint8_t> h(n);
    for (int i = 1; i < n; i += 3) h[i] = 1;
    return h;
  }
  void hide(int key) {
    c.hidden = true;
    table.hide(0, 0);
    hidden[key] = 1;
    int64_t n = int64_t(hidden.size());
    check::ok(starling_upload(hidden_bytes.data, n, hidden.data(), n, n, 1, check::stream));
  }
  starling_attention_inputs inputs() const {
    starling_attention_inputs in{q, k, v, table.segments(), {}, c.heads, c.kv_heads, c.d, c.causal, scale};
    if (c.hidden) in.hidden = hidden_bytes;
    return in;
  }

  void attention(check::Tensor& out, check::Tensor* lse) {
    starling_tensor none{};
    check::ok(CALL_ON(check::stream, attention, .out = out, .lse = lse ? *lse : none, .in = inputs()));
    out.receive();
    if (lse) lse->receive();
  }
  // sums.width candidates.
  void colsum(check::Tensor& sums, const check::Tensor& lse, int from, int to, int key_at, starling_tensor index = {}) {
    check::ok(CALL_ON(check::stream, attention_colsum, .sums = sums, .in = inputs(), .lse = lse, .index = index,
                      .row_from = from, .row_to = to, .key_at = key_at));
    sums.receive();
  }
};

struct Reference {
  std::vector<double> out, lse, probabilities;  // [T][H·d], [H][T], [H][T][S]
  double p(const Case& c, int h, int i, int j) const {
    return probabilities[(size_t(h) * c.rows + i) * (c.past + c.rows) + j];
  }
};

inline Reference attend(const Case& c, const Inputs& in) {
  int keys = c.past + c.rows, width = c.heads * c.d;
  Reference r{std::vector<double>(size_t(c.rows) * width), std::vector<double>(size_t(c.heads) * c.rows),
              std::vector<double>(size_t(c.heads) * c.rows * keys)};
  for (int h = 0; h < c.heads; h++) {
    int kh = h / (c.heads / c.kv_heads);
    for (int i = 0; i < c.rows; i++) {
      double* p = &r.probabilities[(size_t(h) * c.rows + i) * keys];
      double top = -INFINITY, sum = 0;
      for (int j = 0; j < keys; j++) {
        bool seen = !(c.causal && j > c.past + i) && !(c.hidden && in.hidden[j]);
        double s = 0;
        for (int x = 0; x < c.d; x++) s += double(in.q.at(i, h * c.d + x)) * in.k.at(j, kh * c.d + x);
        p[j] = seen ? s * double(in.scale) : -INFINITY;
        top = std::max(top, p[j]);
      }
      for (int j = 0; j < keys; j++) {
        p[j] = top == -INFINITY ? 0 : std::exp(p[j] - top);
        sum += p[j];
      }
      r.lse[size_t(h) * c.rows + i] = sum == 0 ? INFINITY : (top + std::log(sum)) / std::log(2.0);
      for (int j = 0; j < keys; j++) {
        if (p[j] == 0) continue;
        p[j] /= sum;
        for (int x = 0; x < c.d; x++) r.out[size_t(i) * width + h * c.d + x] += p[j] * in.v.at(j, kh * c.d + x);
      }
    }
  }
  return r;
}
