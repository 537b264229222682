// step_attention: the attention half of a decode step in one launch: queries and keys are turned and appended, attention is
// taken, and its projection: the bits of rope, attention and gemm.
//
// Math      as rope.cu, attention_decode.cu and gemv.cu, whose device code this is. The block of a split turns its query, and
//           the keys of this call that lie in the split, for itself; the block of a row's own key appends it, and nobody reads
//           the cache there.
// Shapes    qkv [T, (H + 2G)·d], out [T, H·d], k, v [N, G·d], w [D, H·d], y and residual [T, D]; 1 to 16 rows in all, segments
//           i32 [S, 16] of at most 4 rows each; d = 32, 64, 80, 128.
// Launch    ⌈most keys/64⌉ · H · S · most rows blocks of attention and as many of the projection as gemv has, 128 threads. A
//           block takes its work by the number in which it starts: numbers of attention first. A block of the projection
//           loads its first weights and waits until all rows are there. It waits for lower numbers only, which have started
//           and wait for nobody, so it ends however many blocks fit on the device. Compiled for 1 row and for up to 16.
// Shared    that of both: up to 42 KB.
// Cost      qkv and the cache as attention_decode, w once: 636 keys of 32 heads of 128 in bf16 and 4096 × 4096 are 44 MB.
//           Bound by memory.
// Limits    S·rows·H ≤ 65533 tickets. Needs sm_80.
#include "gpu/attention_decode.h"
#include "gpu/attention_split.h"
#include "gpu/gemv.h"
#include "gpu/gemv_block.h"

namespace {
// Counters of a launch, 0 before and after: numbers taken, rows and heads that are there, blocks of the projection that have
// ended; the others are attention's.
constexpr int TAKEN = 0, THERE = 1, ENDED = 2, COUNTERS = 3;
}  // namespace

// The projection's block: the same function for every size of a head.
template <class T, int ROWS>
BLOCK_PART void project(const GemvInputs<T>& x, const Epilogue& p, const ProductRows& around, int block, int blocks,
                        unsigned* there, unsigned pairs) {
  gemv_block<T, ROWS, false, true>(x, p, around, block, blocks, [&] { wait_until(there, pairs); });
}

template <class T, int D, int ROWS>
KERNEL(128)
step_attention_kernel(SplitInputs<T> a, Turning<T> turning, T* cache_k, T* cache_v, unsigned* counters, GemvInputs<T> x,
                      Epilogue p, ProductRows around) {
  int pairs = a.places * a.heads, attention = pairs * a.splits, number = int(take_number(counters + TAKEN));
  if (number < attention) {
    int split = number % a.splits, head = number / a.splits % a.heads, place = number / (a.splits * a.heads);
    if (attend_split<T, D, true>(a, turning, cache_k, cache_v, split, head, place)) arrive(counters + THERE);
    return;
  }
  int blocks = int(gridDim.x) - attention;
  project<T, ROWS>(x, p, around, number - attention, blocks, counters + THERE, unsigned(pairs));
  if (last_block(counters + ENDED, unsigned(blocks)) && threadIdx.x == 0) {  // all numbers are taken, all rows there
    reset(counters + TAKEN);
    reset(counters + THERE);
  }
}

template <class T, int D>
static void step_attention(const SplitInputs<T>& a, const Turning<T>& turning, T* cache_k, T* cache_v,
                           const GemvInputs<T>& x, const Epilogue& p, const ProductRows& around, starling_stream* stream) {
  int64_t blocks = int64_t(a.places) * a.heads * a.splits + gemv_blocks(p.out);
  gpu::require(blocks < INT32_MAX, "too many keys, heads and segments for one launch");
  auto launch = [&]<int ROWS>() {
    gpu::launch<step_attention_kernel<T, D, ROWS>>(dim3(unsigned(blocks)), dim3(128), 0, stream, a, turning, cache_k,
                                                   cache_v, stream->tickets, x, p, around);
  };
  if (x.rows == 1) launch.template operator()<1>();
  else launch.template operator()<GEMV_ROWS>();
}

extern "C" int starling_step_attention(const starling_step_attention_args* args, starling_stream* stream) {
  return gpu::guarded("step_attention", args, [&](const starling_step_attention_args& a) {
    static_assert(SPLIT_ROWS == DECODE_ROWS);
    int rows = a.y.rows, heads = a.heads, kv_heads = a.kv_heads, d = a.head_size, width = a.y.width;
    int half = a.cos.width, table_rows = a.cos.rows;
    gpu::require(heads >= 1 && kv_heads >= 1 && heads % kv_heads == 0, "the key heads do not divide the query heads");
    gpu::require(rows <= GEMV_ROWS, "more than 16 rows");
    gpu::require(width >= 1, "a size is not positive");
    gpu::require(2 * half <= d, "the table is wider than a head");
    gpu::require(a.axes == 0 || a.axes == 1 || a.axes == 3, "axes must be 1 or 3");
    gpu::require(a.section_first >= 0 && a.section_second >= 0 && int64_t(a.section_first) + a.section_second <= half,
                 "the sections are more than the table is wide");
    gpu::require(a.w.layout == STARLING_PLAIN, "the layout of w is none of this library's");
    gpu::require(!a.w.scale && !a.w.minimum && !a.w.group, "a plain w has no groups, scales or minima");
    int first_end = a.axes == 3 ? a.section_first : half, second_end = first_end + (a.axes == 3 ? a.section_second : 0);
    bool axes = a.positions.rows == 3 && a.positions.width == rows && a.positions.data;
    gpu::require(!axes || a.axes == 3, "positions on three axes, and a table that has one");
    auto* positions = axes ? gpu::matrix<int32_t>("positions", a.positions, 3, rows)
                           : gpu::optional_vector<int32_t>("positions", a.positions, rows);
    gpu::require(positions || a.segments.table.data, "neither positions nor segments say where the rows stand");
    gpu::require(!a.hidden.data || a.segments.table.data || a.hidden.rows >= rows, "hidden is shorter than the keys");
    SegmentTable segments = segment_table(a.segments, rows, a.k.rows, a.hidden.data ? a.hidden.rows : 0);
    gpu::require(segments.rows <= DECODE_ROWS, "a segment has more than 4 rows");
    int places = segments.count * segments.rows, splits = int(gpu::ceil_div(segments.keys, SPLIT_KEYS));
    gpu::require(int64_t(places) * heads <= gpu::STREAM_TICKETS - COUNTERS, "too many heads and segments for one launch");
    auto *cos = gpu::matrix<float>("cos", a.cos, table_rows, half),
         *sin = gpu::matrix<float>("sin", a.sin, table_rows, half);
    auto* hidden = gpu::optional_vector<uint8_t>("hidden", a.hidden, a.hidden.rows);
    auto* bias = gpu::optional_vector<float>("bias", a.bias, width);
    auto* statistics = gpu::optional_matrix<float>("statistics", a.statistics, rows, 2 * int64_t(gpu::ceil_div(width, 16)));
    gpu::with_type(a.qkv.dtype, [&]<class T>() {
      gpu::with_head(d, [&]<int D>() {
        auto* out = gpu::matrix16<T>("out", a.out, rows, heads * D);
        auto* k = gpu::matrix16<T>("k", a.k, a.k.rows, kv_heads * D);
        auto* v = gpu::matrix16<T>("v", a.v, a.k.rows, kv_heads * D);
        auto* qkv = gpu::matrix16<T>("qkv", a.qkv, rows, int64_t(heads + 2 * kv_heads) * D);
        auto* w = gpu::matrix16<T>("w", {const_cast<void*>(a.w.data), a.w.stride, a.w.rows, heads * D, a.qkv.dtype, 0},
                                   width, heads * D);
        gpu::require(a.y.dtype == a.qkv.dtype || a.y.dtype == STARLING_F32, "y must have the type of qkv, or f32");
        bool f32 = a.y.dtype == STARLING_F32;
        void* y =
            f32 ? gpu::matrix<float>("y", a.y, rows, width) : static_cast<void*>(gpu::matrix<T>("y", a.y, rows, width));
        if (a.residual.data) {
          gpu::require(a.residual.dtype == a.y.dtype, "residual and y have different types");
          gpu::require_shape("residual", a.residual, rows, width);
        }
        if (rows == 0) return;
        size_t parts_bytes = size_t(places) * heads * splits * (D + 2) * sizeof(float);
        SplitInputs<T> split{out,
                             nullptr,
                             static_cast<float*>(gpu::scratch(stream, parts_bytes)),
                             stream->tickets + COUNTERS,
                             nullptr,
                             k,
                             v,
                             segments,
                             hidden,
                             a.out.stride,
                             0,
                             0,
                             a.k.stride,
                             a.v.stride,
                             heads,
                             heads / kv_heads,
                             1,
                             splits,
                             a.scale * LOG2_E,
                             places};
        Turning<T> turning{qkv,          positions,    cos,   sin,      a.qkv.stride, axes ? a.positions.stride : 0,
                           a.cos.stride, a.sin.stride, heads, kv_heads, half,         first_end,
                           second_end,   table_rows};
        GemvInputs<T> x{out, w, nullptr, nullptr, a.out.stride, a.w.stride, rows, heads * D, 0.f, 0};
        Epilogue p{y, bias, a.residual.data, a.y.stride, a.residual.stride, width, STARLING_NONE, f32, 0};
        ProductRows around{{nullptr, 0, 0, 0}, statistics, nullptr, a.statistics.stride, rows, 0};
        step_attention<T, D>(split, turning, k, v, x, p, around, stream);
      });
    });
  });
}
