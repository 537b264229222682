// attention: softmax(scale·q·kᵀ)·v, and log2 of every row's sum.
//
// Math      s_ij = scale·log2(e)·q_i·k_j over the keys j < length + rows of its segment that row i may see (causal: j ≤
//           length + i; not hidden); out_i = Σ_j 2^(s_ij − lse_i)·v_j, lse_i = log2 Σ_j 2^s_ij. Online softmax, f32 throughout; bf16 and
//           f16 probabilities are rounded to the type before they meet v (the sums are of the unrounded ones). A row that
//           sees no key: out 0, lse +∞. f32 uses FMAs, never TF32.
// Shapes    q, out [T, H·d]; k, v [N, G·d]; lse f32 [H, T] or NULL; segments i32 [S, 16]; d = 32, 64, 80, 128; any rows,
//           any length. Rows of no segment are not touched. A segment is a sequence, a crop, or a window of a tower: ragged
//           windows of 64, 48, 16 and 12 rows are one launch.
// Launch    grid (⌈most rows of a segment/64⌉, H, S), 128 threads: a warp has 16 query rows; key tiles of 64 (f32: 32) in two
//           cp.async buffers; a block beyond its segment's rows does nothing. At most 4 rows a segment: attention_decode.cu
//           instead, however many rows there are in all.
// Shared    4 tiles of d + 8 (f32: d + 4) columns: 36 KB at d = 64 in bf16, 44 KB at d = 80, 68 KB at d = 128.
// Cost      4·T·S·H·d FLOPs (causal: about half), T·S·H exponentials; q, k, v, out once: 577 rows of 16 heads of 64 in
//           bf16 are 1.4 GFLOP and 4.7 MB. Bound by the latency of 160 blocks at that size, by mma at thousands of rows.
//           With windows the pairs inside them count: 1564 rows in 30 windows of 16 heads of 80 are 0.47 GFLOP, where all
//           rows with all would be 12.5; a window that is cut off still takes whole tiles, 0.63 GFLOP in all.
// Limits    H ≤ 65535, S ≤ 65535; 68 KB of shared memory at d = 128. Needs sm_80.
#include "gpu/attention_decode.h"
#include "gpu/attention_inputs.h"
#include "gpu/tile.h"

template <class T, int D>
KERNEL(128)
attention_kernel(T* out, float* lse, const T* q, const T* k, const T* v, SegmentTable segments, const uint8_t* hidden,
                 int64_t out_stride, int64_t lse_stride, int64_t q_stride, int64_t k_stride, int64_t v_stride, int group,
                 int causal, float scale_log2) {
  constexpr int QUERIES = 64, KEYS = sizeof(T) == 4 ? 32 : 64, LD = PADDED<T, D>;
  constexpr int KS = D / 16, NT = KEYS / 8, DT = D / 8;
  Smem smem;
  T* k_tiles = smem.take<T>(2 * KEYS * LD);
  T* v_tiles = smem.take<T>(2 * KEYS * LD);
  int head = int(blockIdx.y), row0 = int(blockIdx.x) * QUERIES, g = lane_id() / 4, t = lane_id() % 4;
  Segment segment = segment_of(segments, int(blockIdx.z));
  int rows = segment.rows, past = segment.length;
  int keys = row0 < rows ? segment.keys : 0;
  q += segment.row * q_stride + head * D;
  k = keys_of(k, k_stride, segment, "keys") + head / group * D;
  v = keys_of(v, v_stride, segment, "values") + head / group * D;
  out += segment.row * out_stride;
  if (lse) lse += segment.row;
  hidden = segment.hidden < 0 ? nullptr : hidden + segment.hidden;
  int reach = causal && past + row0 + QUERIES < keys ? past + row0 + QUERIES : keys;  // beyond it nobody here looks

  // The query tile passes through the key buffers into registers.
  Fragment<T> query[1][KS];
  load_tile<T, QUERIES, D>(k_tiles, q, q_stride, row0, rows);
  copy_commit();
  copy_wait<0>();
  __syncthreads();
  UNROLL
  for (int ks = 0; ks < KS; ks++) load_fragment(query[0][ks], k_tiles + warp_id() * 16 * LD + ks * 16, LD);
  __syncthreads();

  float acc[1][DT][4] = {};
  float top[2] = {-INFINITY, -INFINITY}, sum[2] = {0.f, 0.f};  // of rows g and g + 8
  int tiles = (reach + KEYS - 1) / KEYS;
  auto fetch = [&](int i) {
    load_tile<T, KEYS, D>(k_tiles + i % 2 * KEYS * LD, k, k_stride, i * KEYS, keys);
    load_tile<T, KEYS, D>(v_tiles + i % 2 * KEYS * LD, v, v_stride, i * KEYS, keys);
  };
  fetch(0);
  copy_commit();
  for (int i = 0; i < tiles; i++) {
    if (i + 1 < tiles) fetch(i + 1);
    copy_commit();
    copy_wait<1>();
    __syncthreads();
    float s[1][NT][4] = {};
    tile_mma<1, NT, KS, true>(s, query, k_tiles + i % 2 * KEYS * LD, LD);

    float tile_top[2] = {-INFINITY, -INFINITY};
    UNROLL
    for (int nt = 0; nt < NT; nt++) {
      UNROLL
      for (int c = 0; c < 2; c++) {
        int key = i * KEYS + nt * 8 + 2 * t + c;
        bool seen = key < keys && !(hidden && load(hidden + key));
        UNROLL
        for (int r = 0; r < 2; r++) {
          int row = row0 + warp_id() * 16 + g + 8 * r;
          float x = seen && !(causal && key > past + row) ? s[0][nt][2 * r + c] * scale_log2 : -INFINITY;
          s[0][nt][2 * r + c] = x;
          tile_top[r] = fmaxf(tile_top[r], x);
        }
      }
    }
    float base[2];
    UNROLL
    for (int r = 0; r < 2; r++) {
      tile_top[r] = fmaxf(tile_top[r], __shfl_xor_sync(ALL_LANES, tile_top[r], 1));
      tile_top[r] = fmaxf(tile_top[r], __shfl_xor_sync(ALL_LANES, tile_top[r], 2));
      float new_top = fmaxf(top[r], tile_top[r]);
      base[r] = new_top == -INFINITY ? 0.f : new_top;  // nothing seen yet: −∞ − −∞ would be NaN
      float shrink = exp2_fast(top[r] - base[r]);
      top[r] = new_top;
      sum[r] *= shrink;
      UNROLL
      for (int dt = 0; dt < DT; dt++) {
        acc[0][dt][2 * r] *= shrink;
        acc[0][dt][2 * r + 1] *= shrink;
      }
    }
    UNROLL
    for (int nt = 0; nt < NT; nt++) {
      UNROLL
      for (int c = 0; c < 4; c++) {
        float p = exp2_fast(s[0][nt][c] - base[c / 2]);
        s[0][nt][c] = p;
        sum[c / 2] += p;
      }
    }
    Fragment<T> p[1][KEYS / 16];
    UNROLL
    for (int ks = 0; ks < KEYS / 16; ks++) fragment_of(p[0][ks], s[0][2 * ks], s[0][2 * ks + 1]);
    tile_mma<1, DT, KEYS / 16, false>(acc, p, v_tiles + i % 2 * KEYS * LD, LD);
    __syncthreads();  // before these buffers are filled again
  }
  copy_wait<0>();

  UNROLL
  for (int r = 0; r < 2; r++) {
    sum[r] += __shfl_xor_sync(ALL_LANES, sum[r], 1);
    sum[r] += __shfl_xor_sync(ALL_LANES, sum[r], 2);
    int row = row0 + warp_id() * 16 + g + 8 * r;
    if (row < rows) {
      bool blind = top[r] == -INFINITY && sum[r] == 0.f;
      float inverse = blind ? 0.f : 1.f / sum[r];
      UNROLL
      for (int dt = 0; dt < DT; dt++) {
        store_pair(out + row * out_stride + head * D + dt * 8 + 2 * t, acc[0][dt][2 * r] * inverse,
                   acc[0][dt][2 * r + 1] * inverse);
      }
      if (lse && t == 0) store(lse + head * lse_stride + row, blind ? INFINITY : top[r] + log2f(sum[r]));
    }
  }
}

extern "C" int starling_attention(const starling_attention_args* args, starling_stream* stream) {
  return gpu::guarded("attention", args, [&](const starling_attention_args& a) {
    const starling_attention_inputs& in = a.in;
    int rows = in.q.rows, heads = in.heads, group = in.heads / require_heads(in), causal = in.causal;
    SegmentTable segments = segment_table(in);
    auto* lse = gpu::optional_matrix<float>("lse", a.lse, heads, rows);
    auto* hidden = gpu::optional_vector<uint8_t>("hidden", in.hidden, in.hidden.rows);
    gpu::with_type(in.q.dtype, [&]<class T>() {
      gpu::with_head(in.head_size, [&]<int D>() {
        auto *out = gpu::matrix<T>("out", a.out, rows, heads * D), *q = gpu::matrix16<T>("q", in.q, rows, heads * D);
        auto* k = gpu::matrix16<T>("k", in.k, in.k.rows, in.kv_heads * D);
        auto* v = gpu::matrix16<T>("v", in.v, in.k.rows, in.kv_heads * D);
        float scale_log2 = in.scale * LOG2_E;
        if (segments.rows <= DECODE_ROWS) {
          attention_decode<T, D>(out, lse, q, k, v, segments, hidden, a.out.stride, a.lse.stride, in.q.stride, in.k.stride,
                                 in.v.stride, heads, group, causal, scale_log2, stream);
          return;
        }
        size_t shared = 2 * smem_bytes<T>(2 * (sizeof(T) == 4 ? 32 : 64) * PADDED<T, D>);
        dim3 grid(gpu::ceil_div(segments.rows, 64), heads, segments.count);
        gpu::launch<attention_kernel<T, D>>(grid, dim3(128), shared, stream, out, lse, q, k, v, segments, hidden,
                                            a.out.stride, a.lse.stride, in.q.stride, in.k.stride, in.v.stride, group, causal,
                                            scale_log2);
      });
    });
  });
}
