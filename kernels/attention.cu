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
//           cp.async buffers; a block beyond its segment's rows ends at once. Causal: the last rows, which see most keys,
//           come first. Keys are compared with what a row may see only in tiles that the warp's first row does not see
//           whole, and in all with hidden keys. At most 4 rows a segment: attention_decode.cu instead, however many rows
//           there are in all.
// Shared    4 tiles of d + 8 (f32: d + 4) columns: 36 KB at d = 64 in bf16, 44 KB at d = 80, 68 KB at d = 128. The output
//           leaves through them, sixteen bytes a store where its rows allow it.
// Cost      4·T·S·H·d FLOPs (causal: about half), T·S·H exponentials; q, k, v, out once: 577 rows of 16 heads of 64 in
//           bf16 are 1.4 GFLOP and 4.7 MB. Bound by the latency of 160 blocks at that size, by mma at thousands of rows.
//           With windows the pairs inside them count: 1564 rows in 30 windows of 16 heads of 80 are 0.47 GFLOP, where all
//           rows with all would be 12.5; a window that is cut off still takes whole tiles, 0.63 GFLOP in all.
//           On sm_90a in bf16 a tile is about 400 instructions for 64 mma at d = 64, 560 for 128 at d = 128.
// Limits    H ≤ 65535, S ≤ 65535; 68 KB of shared memory at d = 128. Needs sm_80.
#include "gpu/attention_decode.h"
#include "gpu/attention_inputs.h"
#include "gpu/tile.h"

constexpr int ATTENTION_THREADS = 128;

// Tiles of ROWS rows that follow one another, to shared memory. A thread copies the same place of each: one address is kept,
// and moves by a tile.
template <class T, int ROWS, int D>
struct TileStream {
  static constexpr int PER_ROW = D / VEC<T>, ABREAST = PER_ROW & -PER_ROW, STEP = ATTENTION_THREADS / ABREAST;
  const T* from;
  int64_t stride;
  DEVICE static int row() { return int(threadIdx.x) / ABREAST; }
  DEVICE static int column() { return int(threadIdx.x) % ABREAST * VEC<T>; }
  DEVICE TileStream(const T* first, int64_t stride) : from(first + row() * stride + column()), stride(stride) {}
  // Starts copying the next tile, of which `left` rows are there; the others become zero.
  DEVICE void next(T* tile, int left) {
    tile += row() * PADDED<T, D> + column();
    if (left >= ROWS) {
      copy(tile, [](int) { return true; });
    } else {
      copy(tile, [&](int r) { return row() + r < left; });
    }
    from += ROWS * stride;
  }
  template <class There>
  DEVICE void copy(T* tile, There there) const {
    UNROLL
    for (int r = 0; r < ROWS; r += STEP) {
      const T* source = there(r) ? from + r * stride : from - row() * stride;
      UNROLL
      for (int c = 0; c < D; c += ABREAST * VEC<T>) {
        copy_async(tile + r * PADDED<T, D> + c, source + c, there(r) ? 16 : 0);
      }
    }
  }
};

// Which keys this thread's rows may see, for tiles that not all rows see whole.
struct Sight {
  const uint8_t* hidden;
  int keys, last;  // row g sees keys up to `last`, row g + 8 up to last + 8
  template <int NT>
  DEVICE void mask(float (&s)[NT][4], int key0) const {
    UNROLL
    for (int nt = 0; nt < NT; nt++) {
      UNROLL
      for (int c = 0; c < 2; c++) {
        int key = key0 + nt * 8 + lane_id() % 4 * 2 + c;
        bool seen = key < keys && !(hidden && load(hidden + key));
        UNROLL
        for (int r = 0; r < 2; r++) {
          if (!seen || key > last + 8 * r) s[nt][2 * r + c] = -INFINITY;
        }
      }
    }
  }
};

// The softmax of a row so far.
struct Online {
  float top, sum;
};

// Scores become probabilities against the largest so far; what was added up before shrinks to it.
template <int NT, int DT>
DEVICE void soften(float (&s)[NT][4], float (&acc)[DT][4], Online (&rows)[2]) {
  UNROLL
  for (int r = 0; r < 2; r++) {
    float top = -INFINITY;
    UNROLL
    for (int nt = 0; nt < NT; nt++) top = fmaxf(fmaxf(top, s[nt][2 * r]), s[nt][2 * r + 1]);
    top = fmaxf(top, __shfl_xor_sync(ALL_LANES, top, 1));
    top = fmaxf(top, __shfl_xor_sync(ALL_LANES, top, 2));
    top = fmaxf(rows[r].top, top);
    float base = top == -INFINITY ? 0.f : top;  // nothing seen yet: −∞ − −∞ would be NaN
    float shrink = exp2_fast(rows[r].top - base);
    rows[r].top = top;
    rows[r].sum *= shrink;
    UNROLL
    for (int dt = 0; dt < DT; dt++) {
      acc[dt][2 * r] *= shrink;
      acc[dt][2 * r + 1] *= shrink;
    }
    UNROLL
    for (int nt = 0; nt < NT; nt++) {
      UNROLL
      for (int c = 2 * r; c < 2 * r + 2; c++) {
        s[nt][c] = exp2_fast(s[nt][c] - base);
        rows[r].sum += s[nt][c];
      }
    }
  }
}

// A warp's 16 rows pass through its own part of shared memory, so that they leave sixteen bytes at a time.
template <class T, int D>
DEVICE void store_rows(T* out, int64_t stride, int row0, int rows, T* tile, const float (&acc)[D / 8][4],
                       const float (&scale)[2]) {
  struct alignas(2 * sizeof(T)) Pair {
    T a, b;
  };
  constexpr int LD = PADDED<T, D>, PER_ROW = D / VEC<T>;
  UNROLL
  for (int i = 0; i < D / 4; i++) {
    int r = i % 2, dt = i / 2;
    T* to = tile + (lane_id() / 4 + 8 * r) * LD + dt * 8 + lane_id() % 4 * 2;
    *reinterpret_cast<Pair*>(to) =
        Pair{from_float<T>(acc[dt][2 * r] * scale[r]), from_float<T>(acc[dt][2 * r + 1] * scale[r])};
  }
  __syncwarp();
  for (int i = lane_id(); i < 16 * PER_ROW; i += 32) {
    int r = i / PER_ROW, c = i % PER_ROW * VEC<T>;
    if (row0 + r < rows) {
      store_vector(out + (row0 + r) * stride, c, D, *reinterpret_cast<const Vec16*>(tile + r * LD + c));
    }
  }
}

template <class T, int D>
KERNEL(ATTENTION_THREADS)
attention_kernel(T* out, float* lse, const T* q, const T* k, const T* v, SegmentTable segments, const uint8_t* hidden,
                 int64_t out_stride, int64_t lse_stride, int64_t q_stride, int64_t k_stride, int64_t v_stride, int group,
                 int causal, float scale_log2) {
  constexpr int QUERIES = 64, KEYS = sizeof(T) == 4 ? 32 : 64, LD = PADDED<T, D>;
  constexpr int KS = D / 16, NT = KEYS / 8, DT = D / 8;
  Smem smem;
  T* k_tiles = smem.take<T>(2 * KEYS * LD);
  T* v_tiles = smem.take<T>(2 * KEYS * LD);
  int head = int(blockIdx.y), query_tile = int(causal ? gridDim.x - 1 - blockIdx.x : blockIdx.x);
  Segment segment = segment_of(segments, int(blockIdx.z));
  int rows = segment.rows, keys = segment.keys, tile_row = query_tile * QUERIES, row0 = tile_row + warp_id() * 16;
  if (tile_row >= rows) return;
  // Beyond `reach` nobody here looks; this warp's first row sees the keys before `sees`.
  int reach = causal && segment.length + tile_row + QUERIES < keys ? segment.length + tile_row + QUERIES : keys;
  int sees = hidden && segment.hidden >= 0                ? 0
             : causal && segment.length + row0 + 1 < keys ? segment.length + row0 + 1
                                                          : keys;
  Sight sight{segment.hidden < 0 ? nullptr : hidden + segment.hidden, keys,
              causal ? segment.length + row0 + lane_id() / 4 : keys};
  q += segment.row * q_stride + head * D;
  TileStream<T, KEYS, D> k_stream(keys_of(k, k_stride, segment, "keys") + head / group * D, k_stride);
  TileStream<T, KEYS, D> v_stream(keys_of(v, v_stride, segment, "values") + head / group * D, v_stride);

  // The query tile passes through the key buffers into registers.
  Fragment<T> query[1][KS];
  TileStream<T, QUERIES, D>(q + tile_row * q_stride, q_stride).next(k_tiles, rows - tile_row);
  copy_commit();
  copy_wait<0>();
  __syncthreads();
  UNROLL
  for (int ks = 0; ks < KS; ks++) load_fragment(query[0][ks], k_tiles + warp_id() * 16 * LD + ks * 16, LD);
  __syncthreads();

  float acc[1][DT][4] = {};
  Online softmax[2] = {{-INFINITY, 0.f}, {-INFINITY, 0.f}};  // of rows g and g + 8
  k_stream.next(k_tiles, keys);
  v_stream.next(v_tiles, keys);
  copy_commit();
  NO_UNROLL
  for (int key0 = 0, buffer = 0; key0 < reach; key0 += KEYS, buffer ^= KEYS * LD) {
    if (key0 + KEYS < reach) {
      k_stream.next(k_tiles + (buffer ^ KEYS * LD), keys - key0 - KEYS);
      v_stream.next(v_tiles + (buffer ^ KEYS * LD), keys - key0 - KEYS);
    }
    copy_commit();
    copy_wait<1>();
    __syncthreads();
    float s[1][NT][4] = {};
    tile_mma<1, NT, KS, true>(s, query, k_tiles + buffer, LD);
    UNROLL
    for (int i = 0; i < 4 * NT; i++) s[0][i / 4][i % 4] *= scale_log2;
    if (key0 + KEYS > sees) sight.mask(s[0], key0);
    soften(s[0], acc[0], softmax);
    Fragment<T> p[1][KEYS / 16];
    UNROLL
    for (int ks = 0; ks < KEYS / 16; ks++) fragment_of(p[0][ks], s[0][2 * ks], s[0][2 * ks + 1]);
    tile_mma<1, DT, KEYS / 16, false>(acc, p, v_tiles + buffer, LD);
    __syncthreads();  // before these buffers are filled again
  }

  float scale[2];
  UNROLL
  for (int r = 0; r < 2; r++) {
    float sum = softmax[r].sum, top = softmax[r].top;
    sum += __shfl_xor_sync(ALL_LANES, sum, 1);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2);
    int row = row0 + lane_id() / 4 + 8 * r;
    bool blind = top == -INFINITY && sum == 0.f;
    scale[r] = blind ? 0.f : 1.f / sum;
    if (lse && row < rows && lane_id() % 4 == 0) {
      store(lse + head * lse_stride + segment.row + row, blind ? INFINITY : top + log2f(sum));
    }
  }
  store_rows<T, D>(out + segment.row * out_stride + head * D, out_stride, row0, rows, k_tiles + warp_id() * 16 * LD, acc[0],
                   scale);
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
        gpu::launch<attention_kernel<T, D>>(grid, dim3(ATTENTION_THREADS), shared, stream, out, lse, q, k, v, segments,
                                            hidden, a.out.stride, a.lse.stride, in.q.stride, in.k.stride, in.v.stride, group,
                                            causal, scale_log2);
      });
    });
  });
}
