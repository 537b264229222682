// What images of any size ask: windows of a tower with heads of 80 as segments of one call, scores of cells of four rows that
// stand in another order, positions on three axes with a model's sections, and thousands of candidates.
#include <algorithm>
#include <numeric>

#include "segment_case.h"

using namespace check;

namespace {

constexpr int D = 80, CELL = 4, SIDE = 4;  // rows of a cell; cells along a side of a window
const float SCALE = float(1 / std::sqrt(80.0));

// The rows of a tower: window by window, in each cell by cell, windows cut at the right and lower border.
struct Grid {
  int cells;
  std::vector<Numbers> windows;
  std::vector<int32_t> rows;  // the four rows of every cell, cells in raster order
  Grid(int down, int across) : cells(down * across), rows(size_t(cells) * CELL) {
    int row = 0;
    for (int top = 0; top < down; top += SIDE) {
      for (int left = 0; left < across; left += SIDE) {
        int first = row;
        for (int y = top; y < std::min(top + SIDE, down); y++) {
          for (int x = left; x < std::min(left + SIDE, across); x++) {
            for (int s = 0; s < CELL; s++) rows[(y * across + x) * CELL + s] = row++;
          }
        }
        windows.push_back(segment(first, row - first, first, row - first));
      }
    }
  }
};

// The probabilities that row i of a run of `n` rows from `first` on gives to these rows, in double.
std::vector<double> shares(const Tensor& q, const Tensor& k, int head, int first, int n, int i) {
  std::vector<double> p(n);
  double top = -INFINITY, sum = 0;
  for (int j = 0; j < n; j++) {
    for (int x = head * D; x < (head + 1) * D; x++) p[j] += double(q.at(first + i, x)) * k.at(first + j, x);
    p[j] *= double(SCALE);
    top = std::max(top, p[j]);
  }
  for (double& x : p) {
    x = std::exp(x - top);
    sum += x;
  }
  for (double& x : p) x /= sum;
  return p;
}

void check_window(const Numbers& w, int head, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out) {
  int first = w.n[0], n = w.n[1];
  for (int i = 0; i < n; i++) {
    std::vector<double> p = shares(q, k, head, first, n, i);
    for (int x = head * D; x < (head + 1) * D; x++) {
      double e = 0;
      for (int j = 0; j < n; j++) e += p[j] * v.at(first + j, x);
      double bound = q.dtype == STARLING_F32 ? 400 * EPS : 4 * eps_of(q.dtype);
      near("a window of " + std::to_string(n), e, out.at(first + i, x), bound * std::max(1.0, std::fabs(e)));
    }
  }
}

}  // namespace

// An image of 34 x 46 patches has 30 windows, of 64, 48, 16 and 12 rows; one of 10 x 14 has one of each.
TEST(windows_of_a_tower_see_themselves_alone) {
  Grid grid = small ? Grid(5, 7) : Grid(17, 23);
  std::vector<int> sizes;
  for (const Numbers& w : grid.windows) sizes.push_back(w.n[1]);
  for (int size : {64, 48, 16, 12}) {
    if (!std::count(sizes.begin(), sizes.end(), size)) fail("no window of " + std::to_string(size));
  }
  int heads = small ? 2 : 16, rows = grid.cells * CELL;
  Table table(grid.windows);
  for (int dtype : small ? std::vector<int>{STARLING_F32, STARLING_BF16} : std::vector<int>{STARLING_BF16}) {
    Tensor q = gaussian(dtype, rows, heads * D), k = gaussian(dtype, rows, heads * D), v = gaussian(dtype, rows, heads * D);
    Tensor out = filled(dtype, rows, heads * D, NAN);
    starling_attention_inputs in{q, k, v, table.segments(), {}, heads, heads, D, 0, SCALE};
    ok(CALL(attention, .out = out, .in = in));
    out.receive();
    for (const Numbers& w : grid.windows) {
      for (int head = 0; head < heads; head++) check_window(w, head, q, k, v, out);
    }
  }
}

// A block that sees the whole image: what the four rows of a cell receive is one score, cells in raster order.
TEST(a_cell_is_scored_by_its_four_rows_wherever_they_stand) {
  constexpr int HEADS = 2;
  Grid grid(5, 7);
  int rows = grid.cells * CELL, kept = grid.cells / 3;
  Ints index(grid.rows);
  for (int dtype : all_dtypes()) {
    Tensor q = gaussian(dtype, rows, HEADS * D), k = gaussian(dtype, rows, HEADS * D), v = gaussian(dtype, rows, HEADS * D);
    Tensor out = filled(dtype, rows, HEADS * D, NAN), lse = filled(STARLING_F32, HEADS, rows, NAN);
    starling_attention_inputs in{q, k, v, {}, {}, HEADS, HEADS, D, 0, SCALE};
    ok(CALL(attention, .out = out, .lse = lse, .in = in));
    Tensor score = filled(STARLING_F32, 1, grid.cells, NAN);
    Ints keep(kept), fault(1, 0);
    ok(CALL(colsum_select, .keep = keep, .score = score.vector(), .non_finite = fault, .in = in, .lse = lse, .index = index,
            .row_to = rows, .sources = CELL));
    keep.receive();
    score.receive();
    std::vector<double> received(size_t(rows), 0.0);
    for (int head = 0; head < HEADS; head++) {
      for (int i = 0; i < rows; i++) {
        std::vector<double> p = shares(q, k, head, 0, rows, i);
        for (int j = 0; j < rows; j++) received[j] += p[j] / (double(HEADS) * rows * CELL);
      }
    }
    for (int c = 0; c < grid.cells; c++) {
      double e = 0;
      for (int s = 0; s < CELL; s++) e += received[grid.rows[c * CELL + s]];
      near("the score of a cell", e, score.at(0, c), 400 * EPS);
    }
    std::vector<int32_t> best(grid.cells);
    std::iota(best.begin(), best.end(), 0);
    std::stable_sort(best.begin(), best.end(), [&](int a, int b) { return score.at(0, a) > score.at(0, b); });
    best.resize(kept);
    std::sort(best.begin(), best.end());
    equal("keep", best, keep.values);
  }
}

// The tower's heads turn by row and column, 20 frequencies each; the decoder's by time, row and column, 16, 24 and 24.
TEST(positions_on_three_axes_turn_their_sections) {
  struct Model {
    int d, first, second, third;
  };
  constexpr int HEADS = 3, KEY_HEADS = 1, ROWS = 5, POSITIONS = 40;
  for (Model m : {Model{80, 20, 20, 0}, {128, 16, 24, 24}}) {
    int half = m.first + m.second + m.third;
    equal("half a head", m.d / 2, half);
    for (int dtype : all_dtypes()) {
      Tensor qkv = gaussian(dtype, ROWS, (HEADS + 2 * KEY_HEADS) * m.d), q = filled(dtype, ROWS, HEADS * m.d, NAN);
      Tensor k = filled(dtype, ROWS, KEY_HEADS * m.d, NAN), v = filled(dtype, ROWS, KEY_HEADS * m.d, NAN);
      Tensor cos = gaussian(STARLING_F32, POSITIONS, half), sin = gaussian(STARLING_F32, POSITIONS, half);
      std::vector<int32_t> numbers;
      for (int i = 0; i < 3 * ROWS; i++) numbers.push_back(int(rng() % POSITIONS));
      Ints at(numbers);
      starling_tensor positions{at.data, ROWS, 3, ROWS, STARLING_I32, 0};
      ok(CALL(rope, .q = q, .k = k, .v = v, .qkv = qkv, .positions = positions, .cos = cos, .sin = sin, .heads = HEADS,
              .kv_heads = KEY_HEADS, .head_size = m.d, .axes = 3, .section_first = m.first, .section_second = m.second));
      for (Tensor* t : {&q, &k, &v}) t->receive();
      for (int t = 0; t < ROWS; t++) {
        for (int h = 0; h < HEADS + KEY_HEADS; h++) {
          const Tensor& to = h < HEADS ? q : k;
          int from = h * m.d, into = h < HEADS ? from : from - HEADS * m.d;
          for (int c = 0; c < half; c++) {
            int p = numbers[(c < m.first ? 0 : c < m.first + m.second ? 1 : 2) * ROWS + t];
            double a = qkv.at(t, from + c), b = qkv.at(t, from + half + c), x = cos.at(p, c), y = sin.at(p, c);
            double bound = 4 * eps_of(dtype) * (std::fabs(a) + std::fabs(b)) * (std::fabs(x) + std::fabs(y)) + 1e-7;
            near("the lower half", a * x - b * y, to.at(t, into + c), bound);
            near("the upper half", b * x + a * y, to.at(t, into + half + c), bound);
          }
        }
        for (int c = 0; c < m.d; c++) equal("a value", qkv.at(t, (HEADS + KEY_HEADS) * m.d + c), v.at(t, c));
      }
    }
  }
}

// Cells of an image of up to 16,384, each of four rows: the scores rise and fall, so the best lie beyond the 4,096th too.
TEST(the_best_of_thousands_of_cells_lie_anywhere) {
  constexpr int HEADS = 2;
  for (int n : small ? std::vector<int>{4097, 5000} : std::vector<int>{4097, 16384}) {
    Tensor sums(STARLING_F32, HEADS, n * CELL), score = filled(STARLING_F32, 1, n, NAN);
    for (int j = 0; j < n * CELL; j++) {
      for (int h = 0; h < HEADS; h++) sums.at(h, j) = float(j / CELL * 37 % n);  // whole numbers: exact, and no two the same
    }
    sums.send();
    int kept = n / 10;
    Ints keep(kept), fault(1, 0);
    ok(CALL(token_select, .keep = keep, .score = score.vector(), .non_finite = fault, .sums = sums, .rows = 1));
    keep.receive();
    std::vector<int32_t> expected;
    for (int j = 0; j < n; j++) {
      if (j * 37 % n >= n - kept) expected.push_back(j);
    }
    equal("cells beyond the 4096th", true, expected.back() > 4095);
    equal("keep", expected, keep.values);
  }
}
