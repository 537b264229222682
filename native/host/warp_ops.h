// Warp-wide matrix operations, as kernels/gpu/prims.h calls them on the host.
#pragma once
#include "engine.h"

namespace host {

enum class Element { F32, BF16, F16 };

// ldmatrix.x4: every lane has read the 16 bytes of its own row; then the lanes exchange them.
struct LoadMatrix {
  uint32_t row[4];
  uint32_t* out;  // [4]
  bool transposed;
};
void load_matrix_op(uint32_t mask, void* const* operands, Site at);

// `tiles` times mma.m16n8k16 with the same A: c[i] += A·b[i].
struct Mma {
  Element type;
  const uint32_t* a;  // [4]
  const uint32_t* b;  // [tiles][2]
  float* c;           // [tiles][4]
  int tiles;
};
void mma_op(uint32_t mask, void* const* operands, Site at);

// A whole tile at once, B read from shared memory by the layer: c[mt][nt] += Σ_ks a[mt][ks]·B. The same bits as the
// mma by mma form, four times as fast; ThreadSanitizer would miss the reads of B, so its builds do not use it.
struct Tile {
  Element type;
  const void* a;  // Fragment [mt][ks]
  const void* b;  // k_major: row n holds k; else row k holds n
  float* c;       // [mt][nt][4]
  int ld, mt, nt, ks;
  bool k_major;
};
void tile_op(uint32_t mask, void* const* operands, Site at);

// Butterfly sum or maximum of 32 lanes, in the order of five __shfl_xor_sync.
struct Reduction {
  float value;
};
void sum_op(uint32_t mask, void* const* operands, Site at);
void max_op(uint32_t mask, void* const* operands, Site at);

}  // namespace host
