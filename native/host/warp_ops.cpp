// What the lanes of a warp do together. The register layouts are those of the PTX manual (mma.m16n8k16: A row g + 8·(r
// mod 2), columns 2t + 8·(r / 2); B row 2t + 8·r, column g; C row g + 8·(i / 2), column 2t + i mod 2, with lane = 4·g +
// t). They have not been compared with a GPU yet.
#include "warp_ops.h"

#include <immintrin.h>

#include <algorithm>

#include "block.h"

namespace host {

static void all_lanes(uint32_t mask, const char* what, Site at) {
  if (mask != ~0u) fail(at, "%s needs all 32 lanes", what);
}

void nothing_op(uint32_t, void* const*, Site) {}

void shuffle_op(uint32_t mask, void* const* operands, Site at) {
  for (uint32_t m = mask; m; m &= m - 1) {
    auto* to = static_cast<Shuffle*>(operands[__builtin_ctz(m)]);
    if (to->source < 0 || to->source > 31 || !(mask >> to->source & 1)) {
      fail(at, "a shuffle reads lane %d, which is not in the mask", to->source);
    }
    to->out = static_cast<Shuffle*>(operands[to->source])->in;
  }
}

void ballot_op(uint32_t mask, void* const* operands, Site) {
  uint32_t votes = 0;
  for (uint32_t m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    votes |= static_cast<Vote*>(operands[lane])->in ? 1u << lane : 0;
  }
  for (uint32_t m = mask; m; m &= m - 1) static_cast<Vote*>(operands[__builtin_ctz(m)])->out = votes;
}

void match_op(uint32_t mask, void* const* operands, Site) {
  for (uint32_t m = mask; m; m &= m - 1) {
    auto* mine = static_cast<Vote*>(operands[__builtin_ctz(m)]);
    mine->out = 0;
    for (uint32_t o = mask; o; o &= o - 1) {
      int lane = __builtin_ctz(o);
      mine->out |= static_cast<Vote*>(operands[lane])->in == mine->in ? 1u << lane : 0;
    }
  }
}

template <class Combine>
static void butterfly(void* const* operands, Combine combine) {
  float v[32], w[32];
  for (int l = 0; l < 32; l++) v[l] = static_cast<Reduction*>(operands[l])->value;
  for (int bits = 16; bits; bits >>= 1) {
    for (int l = 0; l < 32; l++) w[l] = combine(v[l], v[l ^ bits]);
    std::copy(w, w + 32, v);
  }
  for (int l = 0; l < 32; l++) static_cast<Reduction*>(operands[l])->value = v[l];
}

void sum_op(uint32_t mask, void* const* operands, Site at) {
  all_lanes(mask, "warp_sum", at);
  butterfly(operands, [](float a, float b) { return a + b; });
}

void max_op(uint32_t mask, void* const* operands, Site at) {
  all_lanes(mask, "warp_max", at);
  butterfly(operands, [](float a, float b) { return fmaxf(a, b); });
}

void load_matrix_op(uint32_t mask, void* const* operands, Site at) {
  all_lanes(mask, "ldmatrix", at);
  auto row = [&](int lane) { return static_cast<LoadMatrix*>(operands[lane])->row; };
  for (int lane = 0; lane < 32; lane++) {
    auto* to = static_cast<LoadMatrix*>(operands[lane]);
    int g = lane / 4, t = lane % 4;
    for (int m = 0; m < 4; m++) {
      if (!to->transposed) {
        to->out[m] = row(m * 8 + g)[t];
      } else {
        uint16_t low, high;
        std::memcpy(&low, reinterpret_cast<const char*>(row(m * 8 + 2 * t)) + 2 * g, 2);
        std::memcpy(&high, reinterpret_cast<const char*>(row(m * 8 + 2 * t + 1)) + 2 * g, 2);
        to->out[m] = low | uint32_t(high) << 16;
      }
    }
  }
}

static float widen(Element type, uint16_t bits) {
  if (type == Element::BF16) return __uint_as_float(uint32_t(bits) << 16);
  _Float16 h;
  std::memcpy(&h, &bits, 2);
  return float(h);
}
static float low(Element type, uint32_t pair) { return widen(type, uint16_t(pair)); }
static float high(Element type, uint32_t pair) { return widen(type, uint16_t(pair >> 16)); }

void mma_op(uint32_t mask, void* const* operands, Site at) {
  all_lanes(mask, "mma", at);
  auto of = [&](int lane) { return static_cast<Mma*>(operands[lane]); };
  Element type = of(0)->type;
  float a[16][16], b[16][8], c[16][8];
  for (int lane = 0; lane < 32; lane++) {
    int g = lane / 4, t = lane % 4;
    for (int r = 0; r < 4; r++) {
      a[g + 8 * (r % 2)][2 * t + 8 * (r / 2)] = low(type, of(lane)->a[r]);
      a[g + 8 * (r % 2)][2 * t + 8 * (r / 2) + 1] = high(type, of(lane)->a[r]);
    }
  }
  for (int tile = 0; tile < of(0)->tiles; tile++) {
    for (int lane = 0; lane < 32; lane++) {
      int g = lane / 4, t = lane % 4;
      for (int r = 0; r < 2; r++) {
        b[2 * t + 8 * r][g] = low(type, of(lane)->b[2 * tile + r]);
        b[2 * t + 8 * r + 1][g] = high(type, of(lane)->b[2 * tile + r]);
      }
      for (int i = 0; i < 4; i++) c[g + 8 * (i / 2)][2 * t + i % 2] = of(lane)->c[4 * tile + i];
    }
    for (int m = 0; m < 16; m++) {
      for (int k = 0; k < 16; k++) {
        for (int n = 0; n < 8; n++) c[m][n] += a[m][k] * b[k][n];
      }
    }
    for (int lane = 0; lane < 32; lane++) {
      int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; i++) of(lane)->c[4 * tile + i] = c[g + 8 * (i / 2)][2 * t + i % 2];
    }
    count_flops(2 * 16 * 8 * 16);
  }
}

// ---- a whole tile ----

static constexpr int MAX_ROWS = 64, MAX_COLUMNS = 128, MAX_DEPTH = 128;
struct Scratch : Block::Room {
  alignas(64) float a[MAX_ROWS][MAX_DEPTH];
  alignas(64) float b[MAX_DEPTH][MAX_COLUMNS];
  alignas(64) float c[MAX_ROWS][MAX_COLUMNS];
};
static Scratch& scratch_of_this_thread() {
  if (!block->scratch) block->scratch = std::make_unique<Scratch>();
  return *static_cast<Scratch*>(block->scratch.get());
}

static void read_a(Scratch& scratch, const Tile& t, int lane, int mt, int ks) {
  int g = lane / 4, q = 2 * (lane % 4);
  float(*a)[MAX_DEPTH] = scratch.a + 16 * mt;
  int at = (mt * t.ks + ks);
  if (t.type == Element::F32) {  // two accumulator-shaped halves
    const float* r = static_cast<const float*>(t.a) + 8 * at;
    for (int i = 0; i < 8; i++) a[g + 8 * (i / 2 % 2)][16 * ks + 8 * (i / 4) + q + i % 2] = r[i];
  } else {
    const uint32_t* r = static_cast<const uint32_t*>(t.a) + 4 * at;
    for (int i = 0; i < 4; i++) {
      a[g + 8 * (i % 2)][16 * ks + 8 * (i / 2) + q] = low(t.type, r[i]);
      a[g + 8 * (i % 2)][16 * ks + 8 * (i / 2) + q + 1] = high(t.type, r[i]);
    }
  }
}

static void read_b(Scratch& scratch, const Tile& t) {
  int rows = t.k_major ? t.nt * 8 : t.ks * 16, columns = t.k_major ? t.ks * 16 : t.nt * 8;
  for (int r = 0; r < rows; r++) {
    float line[MAX_COLUMNS];
    if (t.type == Element::F32) {
      std::memcpy(line, static_cast<const float*>(t.b) + size_t(r) * t.ld, columns * 4);
    } else if (t.type == Element::BF16) {
      const uint16_t* from = static_cast<const uint16_t*>(t.b) + size_t(r) * t.ld;
      for (int c = 0; c < columns; c++) line[c] = __uint_as_float(uint32_t(from[c]) << 16);
    } else {
      const _Float16* from = static_cast<const _Float16*>(t.b) + size_t(r) * t.ld;
      for (int c = 0; c < columns; c++) line[c] = float(from[c]);
    }
    if (t.k_major) {
      for (int c = 0; c < columns; c++) scratch.b[c][r] = line[c];
    } else {
      std::memcpy(scratch.b[r], line, columns * 4);
    }
  }
}

// Four rows by sixteen columns in registers; every element adds its products in rising k with one rounding each, as mma by
// mma does: a product of two 16-bit floats is exact in f32, and of f32 operands fmaf is what the kernels say.
static void multiply(Scratch& scratch, int rows, int columns, int depth) {
  for (int r = 0; r < rows; r += 4) {
    for (int n = 0; n < columns; n += 16) {
      bool wide = n + 8 < columns;
      __m256 acc[4][2];
      for (int i = 0; i < 4; i++) {
        acc[i][0] = _mm256_load_ps(&scratch.c[r + i][n]);
        acc[i][1] = wide ? _mm256_load_ps(&scratch.c[r + i][n + 8]) : _mm256_setzero_ps();
      }
      for (int k = 0; k < depth; k++) {
        __m256 b0 = _mm256_load_ps(&scratch.b[k][n]);
        __m256 b1 = wide ? _mm256_load_ps(&scratch.b[k][n + 8]) : _mm256_setzero_ps();
        for (int i = 0; i < 4; i++) {
          __m256 a = _mm256_broadcast_ss(&scratch.a[r + i][k]);
          acc[i][0] = _mm256_fmadd_ps(a, b0, acc[i][0]);
          acc[i][1] = _mm256_fmadd_ps(a, b1, acc[i][1]);
        }
      }
      for (int i = 0; i < 4; i++) {
        _mm256_store_ps(&scratch.c[r + i][n], acc[i][0]);
        if (wide) _mm256_store_ps(&scratch.c[r + i][n + 8], acc[i][1]);
      }
    }
  }
}

template <class Move>
static void accumulators(Scratch& scratch, void* const* operands, const Tile& t, Move move) {
  for (int lane = 0; lane < 32; lane++) {
    float* c = static_cast<Tile*>(operands[lane])->c;
    int g = lane / 4, q = 2 * (lane % 4);
    for (int mt = 0; mt < t.mt; mt++) {
      for (int nt = 0; nt < t.nt; nt++, c += 4) {
        for (int i = 0; i < 4; i += 2) move(&scratch.c[16 * mt + g + 8 * (i / 2)][8 * nt + q], c + i);
      }
    }
  }
}

void tile_op(uint32_t mask, void* const* operands, Site at) {
  all_lanes(mask, "tile_mma", at);
  const Tile& t = *static_cast<Tile*>(operands[0]);
  Scratch& scratch = scratch_of_this_thread();
  if (16 * t.mt > MAX_ROWS || 8 * t.nt > MAX_COLUMNS || 16 * t.ks > MAX_DEPTH) fail(at, "tile_mma: the tile is too large");
  for (int lane = 0; lane < 32; lane++) {
    const Tile& o = *static_cast<Tile*>(operands[lane]);
    if (o.b != t.b || o.ld != t.ld) fail(at, "tile_mma: lanes disagree about the tile in shared memory");
    for (int mt = 0; mt < t.mt; mt++) {
      for (int ks = 0; ks < t.ks; ks++) read_a(scratch, o, lane, mt, ks);
    }
  }
  accumulators(scratch, operands, t, [](float* tile, float* c) { std::memcpy(tile, c, 8); });
  read_b(scratch, t);
  multiply(scratch, 16 * t.mt, 8 * t.nt, 16 * t.ks);
  accumulators(scratch, operands, t, [](float* tile, float* c) { std::memcpy(c, tile, 8); });
  count_flops(2ull * 16 * t.mt * 8 * t.nt * 16 * t.ks);
}

}  // namespace host
