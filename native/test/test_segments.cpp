// Segments: each has the bits that a call of its own gives it, whoever stands beside it, and what a table says wrongly is
// reported. Slots: a pool's parts are somebody's or nobody's.
#include <memory>

#include "segment_case.h"

using namespace check;

namespace {

// A view of some rows, of other columns' worth left alone.
starling_tensor rows_of(const Tensor& t, int from, int count) {
  starling_tensor view = t;
  view.data = static_cast<char*>(t.data) + from * t.stride * (t.dtype == STARLING_F32 ? 4 : 2);
  view.rows = count;
  return view;
}

// Ragged segments of up to `most` rows, the third idle, the last first in k and v; between them rows of nobody.
struct Ragged {
  int call_rows = 2, key_rows = 1, hidden_bytes = 3;
  std::vector<Numbers> list;
  Ragged(int count, int most) {
    for (int s = 0; s < count; s++) {
      int rows = s == 0   ? most
                 : s == 2 ? 0
                          : 1 + int(rng() % most),
          length = s % 4 == 1 ? 0 : int(rng() % (small ? 70 : 300));
      int capacity = length + rows + int(rng() % 4), p = int(rng() % 50);
      list.push_back(segment(call_rows, rows, 0, capacity)
                         .behind(length)
                         .hides(s % 3 == 0 ? hidden_bytes : -1)
                         .standing(p, p + 3, 2 * p)
                         .drawing(s, s % 2 ? 0.9f : 0.f, (4 * s + 1) % 5, 0.95f, uint64_t(1) << 40 | s));
      call_rows += rows + int(rng() % 3);
      hidden_bytes += capacity + 1;
    }
    for (int s = count - 1; s >= 0; s--) {
      list[s].n[2] = key_rows;
      key_rows += list[s].n[3] + s % 3;
    }
    call_rows += 2;
    key_rows += 2;
  }
  bool of_somebody(int row, int first, int count) const {  // by the columns that say so
    for (const Numbers& s : list) {
      int from = s.n[first], n = count == 1 ? s.n[1] : s.n[4] + s.n[1];
      if (s.n[1] > 0 && row >= from && row < from + n) return true;
    }
    return false;
  }
};

// NaN where nobody's rows are.
Tensor rows(const Ragged& r, int dtype, int count, int width, int first, int which) {
  Tensor t = gaussian(dtype, count, width);
  for (int row = 0; row < count; row++) {
    if (r.of_somebody(row, first, which)) continue;
    for (int i = 0; i < width; i++) t.at(row, i) = NAN;
  }
  t.send();
  return t;
}

std::vector<int> counts() { return small ? std::vector<int>{3} : std::vector<int>{1, 3, 16}; }

}  // namespace

TEST(segments_attend_as_in_a_call_of_their_own) {
  constexpr int H = 4, G = 2, D = 32;
  for (int dtype : all_dtypes()) {
    for (int count : counts()) {
      for (int most : small ? std::vector<int>{4, 66} : std::vector<int>{1, 4, 5, 130}) {
        for (bool causal : {true, false}) {
          Ragged r(count, most);
          Table table(r.list);
          Tensor q = rows(r, dtype, r.call_rows, H * D, 0, 1), k = rows(r, dtype, r.key_rows, G * D, 2, 4);
          Tensor v = rows(r, dtype, r.key_rows, G * D, 2, 4);
          std::vector<uint8_t> marks(r.hidden_bytes);
          for (size_t i = 0; i < marks.size(); i++) marks[i] = i % 4 == 2;
          Bytes hidden(marks);
          Tensor out = filled(dtype, r.call_rows, H * D, 7), lse = filled(STARLING_F32, H, r.call_rows, 7);
          starling_attention_inputs in{q, k, v, table.segments(), hidden, H, G, D, causal, 0.18f};
          ok(CALL(attention, .out = out, .lse = lse, .in = in));
          out.receive();
          lse.receive();
          for (int row = 0; row < r.call_rows; row++) {
            if (!r.of_somebody(row, 0, 1)) equal("a row of nobody", 7.f, out.at(row, 5));
          }
          for (int s = 0; s < count; s++) {
            const int32_t* n = r.list[s].n;
            if (n[1] == 0) continue;
            // Alone: its rows, its keys, its bytes, and none of the others'.
            Table one({segment(0, n[1], 0, n[3]).behind(n[4]).hides(n[5] < 0 ? -1 : 0)});
            starling_segments alone{one.tensor(), most, 2 * table.keys() + 300};  // more keys: the same bits
            starling_tensor bytes = hidden;
            if (n[5] >= 0) bytes = {hidden.data + n[5], 1, n[3], 1, STARLING_U8, 0};
            Tensor own = filled(dtype, n[1], H * D, NAN), own_lse = filled(STARLING_F32, H, n[1], NAN);
            starling_attention_inputs its{rows_of(q, n[0], n[1]),
                                          rows_of(k, n[2], n[3]),
                                          rows_of(v, n[2], n[3]),
                                          alone,
                                          bytes,
                                          H,
                                          G,
                                          D,
                                          causal,
                                          0.18f};
            ok(CALL(attention, .out = own, .lse = own_lse, .in = its));
            own.receive();
            own_lse.receive();
            for (int i = 0; i < n[1]; i++) {
              for (int x = 0; x < H * D; x++) equal("out", own.at(i, x), out.at(n[0] + i, x));
              for (int h = 0; h < H; h++) equal("lse", own_lse.at(h, i), lse.at(h, n[0] + i));
            }
            if (causal) continue;
            // Column sums of one among the others.
            int keys = n[4] + n[1], from = n[1] / 3;
            Tensor sums = filled(STARLING_F32, H, keys, NAN), expected = filled(STARLING_F32, H, keys, NAN);
            in.segments = table.only(s);
            ok(CALL(attention_colsum, .sums = sums, .in = in, .lse = lse, .row_from = from, .row_to = n[1]));
            ok(CALL(attention_colsum, .sums = expected, .in = its, .lse = own_lse, .row_from = from, .row_to = n[1]));
            in.segments = table.segments();
            sums.receive();
            expected.receive();
            same_bits("sums", expected, sums);
          }
        }
      }
    }
  }
}

TEST(segments_turn_and_append_as_in_a_call_of_their_own) {
  constexpr int H = 4, G = 2, D = 32, HALF = 12;
  for (int dtype : all_dtypes()) {
    for (int count : counts()) {
      Ragged r(count, 20);
      Table table(r.list);
      Tensor qkv = rows(r, dtype, r.call_rows, (H + 2 * G) * D, 0, 1), cos = gaussian(STARLING_F32, 200, HALF);
      Tensor sin = gaussian(STARLING_F32, 200, HALF);
      Tensor q = filled(dtype, r.call_rows, H * D, 7), k = filled(dtype, r.key_rows, G * D, 7);
      Tensor v = filled(dtype, r.key_rows, G * D, 7);
      ok(CALL(rope, .q = q, .k = k, .v = v, .qkv = qkv, .segments = table.segments(), .cos = cos, .sin = sin, .heads = H,
              .kv_heads = G, .head_size = D, .axes = 3, .section_first = 3, .section_second = 5));
      for (Tensor* t : {&q, &k, &v}) t->receive();
      std::vector<bool> written(size_t(r.key_rows), false);
      for (const Numbers& s : r.list) {
        const int32_t* n = s.n;
        if (n[1] == 0) continue;
        // The same by positions of the caller, on three axes.
        std::vector<int32_t> positions;
        for (int axis = 0; axis < 3; axis++) {
          for (int i = 0; i < n[1]; i++) positions.push_back(n[6 + axis] + i);
        }
        Ints at(positions);
        starling_tensor axes{at.data, n[1], 3, n[1], STARLING_I32, 0};
        Tensor own_q = filled(dtype, n[1], H * D, 7), own_k = filled(dtype, n[1], G * D, 7),
               own_v = filled(dtype, n[1], G * D, 7);
        ok(CALL(rope, .q = own_q, .k = own_k, .v = own_v, .qkv = rows_of(qkv, n[0], n[1]), .positions = axes, .cos = cos,
                .sin = sin, .heads = H, .kv_heads = G, .head_size = D, .axes = 3, .section_first = 3, .section_second = 5));
        for (Tensor* t : {&own_q, &own_k, &own_v}) t->receive();
        for (int i = 0; i < n[1]; i++) {
          for (int x = 0; x < H * D; x++) equal("q", own_q.at(i, x), q.at(n[0] + i, x));
          for (int x = 0; x < G * D; x++) equal("k", own_k.at(i, x), k.at(n[2] + n[4] + i, x));
          for (int x = 0; x < G * D; x++) equal("v", own_v.at(i, x), v.at(n[2] + n[4] + i, x));
          written[n[2] + n[4] + i] = true;
          // By its definition, the channel that the second and the third axis begin with.
          for (int c : {0, 3, 8}) {
            int p = n[6 + (c < 3 ? 0 : c < 8 ? 1 : 2)] + i;
            double a = qkv.at(n[0] + i, c), b = qkv.at(n[0] + i, HALF + c);
            near("q's channel", a * cos.at(p, c) - b * sin.at(p, c), q.at(n[0] + i, c),
                 4 * eps_of(dtype) * (std::abs(a * cos.at(p, c)) + std::abs(b * sin.at(p, c))) + 1e-7);
          }
        }
      }
      for (int row = 0; row < r.key_rows; row++) {
        if (!written[row]) equal("a key of nobody", 7.f, k.at(row, 3));
      }
    }
  }
}

TEST(segments_draw_by_their_own_numbers_and_move_on) {
  for (int count : counts()) {
    Ragged r(count, 2);
    Table table(r.list);
    int vocabulary = small ? 70 : 3000;
    Tensor logits = gaussian(STARLING_F32, count, vocabulary);
    std::vector<int32_t> faults(count);
    faults[0] = 1;
    Ints fault(faults), ids(count, -7);
    ok(CALL(sample, .ids = ids, .logits = logits, .segments = table.tensor(), .non_finite = fault));
    ids.receive();
    for (int s = 0; s < count; s++) {
      Ints id(1, -7);
      starling_tensor its{fault.data + s, 1, 1, 1, STARLING_I32, 0};
      ok(CALL(sample, .ids = id, .logits = rows_of(logits, s, 1), .segments = table.tensor(s, 1), .non_finite = its));
      id.receive();
      equal("id", id.values[0], ids.values[s]);
      equal("whether it drew", r.list[s].n[1] == 0, id.values[0] == -7);
      if (s == 0) equal("a fault", -1, id.values[0]);
    }
    ok(CALL(advance, .segments = table.tensor()));
    ok(CALL(advance, .segments = table.tensor(0, 1)));
    table.numbers.receive();
    for (int s = 0; s < count; s++) {
      int calls = s == 0 ? 2 : 1, moved = r.list[s].n[1] * calls;
      for (int c = 0; c < 16; c++) {
        int by = c == 4 || (c >= 6 && c <= 8) ? moved : c == 9 && moved ? calls : 0;
        equal("a number", r.list[s].n[c] + by, table.numbers.values[16 * s + c]);
      }
    }
  }
}

#if defined(STARLING_EMULATED)
namespace {
void reported(const std::string& part, int status) {
  std::string why = starling_error();
  equal("status of " + part, int(STARLING_KERNEL_FAULT), status);
  if (why.find(part) == std::string::npos) fail("'" + why + "' does not say '" + part + "'");
}
}  // namespace

TEST(a_number_of_a_table_that_cannot_be_is_reported) {
  Tensor q = gaussian(STARLING_F32, 8, 64), kv = gaussian(STARLING_F32, 40, 64), out = filled(STARLING_F32, 8, 64, NAN);
  Tensor qkv = gaussian(STARLING_F32, 8, 192), cos = gaussian(STARLING_F32, 9, 16), k2 = gaussian(STARLING_F32, 40, 64);
  Bytes hidden(std::vector<uint8_t>(20, 0));
  struct Wrong {
    int column, value;
    const char* part;
  };
  for (Wrong w : {Wrong{0, 5, "the first row of a segment is 5; it must be at least 0 and below 5"},
                  {0, -1, "the first row of a segment is -1"},
                  {1, 5, "the number of a segment's rows is 5; it must be at least 0 and below 5"},
                  {1, -4, "the number of a segment's rows is -4"},
                  {2, 31, "the first key of a segment is 31; it must be at least 0 and below 31"},
                  {3, 41, "the capacity of a segment is 41; it must be at least 0 and below 41"},
                  {4, 7, "the length of a segment is 7; it must be at least 0 and below 7"},
                  {5, 11, "the first hidden byte of a segment is 11; it must be at least 0 and below 11"},
                  {5, -2, "the first hidden byte of a segment is -2"}}) {
    Table table({segment(0, 4, 0, 10).with(w.column, w.value)});
    starling_segments segments{table.tensor(), 4, 20};
    starling_attention_inputs in{q, kv, k2, segments, hidden, 2, 2, 32, 1, 0.1f};
    reported(w.part, CALL(attention, .out = out, .in = in));
    in.segments.rows = 8;  // the other kernel
    if (w.column != 1 || w.value < 0) reported(w.part, CALL(attention, .out = out, .in = in));
    if (w.column == 5) continue;
    Tensor k = gaussian(STARLING_F32, 40, 64), v = gaussian(STARLING_F32, 40, 64);
    reported(w.part, CALL(rope, .q = out, .k = k, .v = v, .qkv = qkv, .segments = segments, .cos = cos, .sin = cos,
                          .heads = 2, .kv_heads = 2, .head_size = 32));
  }
  Table late({segment(0, 4, 0, 20).behind(16)});
  starling_attention_inputs in{q, kv, k2, {late.tensor(), 4, 19}, {}, 2, 2, 32, 1, 0.1f};
  reported("the number of a segment's keys is 20; it must be at least 0 and below 20",
           CALL(attention, .out = out, .in = in));
  Table far({segment(0, 4, 0, 20).standing(0, 6, 0)});
  Tensor k = gaussian(STARLING_F32, 40, 64), v = gaussian(STARLING_F32, 40, 64);
  starling_segments segments = far.segments();
  reported("a position is 9; it must be at least 0 and below 9",
           CALL(rope, .q = out, .k = k, .v = v, .qkv = qkv, .segments = segments, .cos = cos, .sin = cos, .heads = 2,
                .kv_heads = 2, .head_size = 32, .axes = 3, .section_first = 4, .section_second = 4));
}

TEST(a_segment_beside_its_slot_is_reported) {
  Tensor q = gaussian(STARLING_F32, 1, 64), out = filled(STARLING_F32, 1, 64, NAN);
  Tensor k = gaussian(STARLING_F32, 40, 64, 1, 0), v = gaussian(STARLING_F32, 40, 64, 1, 0);
  auto row = [](const Tensor& t, int i) { return static_cast<char*>(t.data) + i * t.stride * 4; };
  for (const Tensor* t : {&k, &v}) {
    ok(starling_slot_claim(row(*t, 10), 10 * t->stride * 4));
    ok(starling_slot_claim(row(*t, 20), 5 * t->stride * 4));
  }
  auto attend = [&](int at, int capacity, int length) {
    Table table({segment(0, 1, at, capacity).behind(length)});
    starling_attention_inputs in{q, k, v, table.segments(), {}, 2, 2, 32, 1, 0.1f};
    return CALL(attention, .out = out, .in = in);
  };
  ok(attend(10, 10, 9));
  ok(attend(20, 5, 0));
  const char* part = "of a segment do not lie in one slot of their pool";
  reported(part, attend(9, 10, 0));
  reported(part, attend(11, 10, 0));  // into the next slot
  reported(part, attend(10, 11, 0));
  reported(part, attend(25, 5, 0));
  reported(part, attend(30, 5, 0));
  reported(part, attend(0, 5, 0));
  ok(starling_slot_release(row(k, 20)));
  reported(part, attend(20, 5, 0));
  auto refused = [](const char* why, int status) {
    equal("status", int(STARLING_INVALID_ARGUMENT), status);
    equal("sentence", std::string(why), std::string(starling_error()));
  };
  refused("slot_claim: the slot overlaps another", starling_slot_claim(row(k, 19), 100));
  refused("slot_claim: the slot overlaps another", starling_slot_claim(row(k, 5), 6 * k.stride * 4));
  refused("slot_claim: the slot does not lie in one allocation", starling_slot_claim(row(k, 39), 3 * k.stride * 4));
  refused("slot_claim: no memory, or fewer than no bytes", starling_slot_claim(nullptr, 4));
  refused("slot_release: no slot begins here", starling_slot_release(row(k, 11)));
  ok(starling_slot_claim(row(k, 20), 5 * k.stride * 4));
  ok(attend(20, 5, 4));
}
#endif
