/* Starling's operators in C: everything that crosses between a program and the kernels.
 *
 * Two libraries have this one interface. libstarling_cuda.so runs on an NVIDIA GPU and needs only a driver; its device is
 * called "cuda". libstarling_host.so executes the same kernel sources on the CPU, for tests and for kernel developers
 * without a GPU; its device is called "emulated", and what executes the kernels there is the host layer.
 *
 * starling_library.h, which this file includes, has what is not an operator: errors, cards, memory, streams, capture.
 *
 * Memory. A pointer to a tensor is an address of device memory (of host memory in libstarling_host.so). Whoever allocated
 * it owns it, and keeps it until the work that uses it is done. A call keeps nothing but the stream's scratch memory, which
 * grows with the shapes and is freed with the stream. A pointer marked "host" points to the caller's own memory, which is
 * used only until the call returns.
 *
 * Arguments. An operator takes one structure and the stream. The first member is `size`, the structure's sizeof; a size that
 * is not this library's is refused. Zero is the default of every member that may be left out. Outputs come first, then
 * inputs, sizes and scalars. The structure is read before the call returns and is not kept.
 *
 * Shapes stand beside every tensor: T rows of the call, D channels, H query heads, G key-value heads (H is a multiple of G),
 * d channels of a head (32, 64, 80 or 128; pad others with zeros), S segments, V vocabulary. A tensor is a number of rows; the
 * elements of a row are contiguous, and `stride` is the number of elements from one row to the next. [n] is a vector: n rows
 * of one element, side by side. Every call checks that the sizes of its tensors agree. Rows start at multiples of 16 bytes
 * where a tensor says [16]. What lies between two rows is never read into a result and never written. A tensor without a
 * type beside it is f32, bf16 or f16, the same in the whole call. Arithmetic is f32; a value is rounded once, when it is
 * stored.
 *
 * Order. Calls return at once; work runs in the order of the calls on one stream. An output may be the same tensor as an
 * input only where its comment says so. One thread at a time uses a stream; different threads may use different streams.
 *
 * Steps. Lengths, positions, ids and counters are read from device memory, so that the arguments of one decode step equal
 * those of the next and a step can be captured once and replayed.
 *
 * Errors. Every function that returns `int` returns a status. 0 is success; for any other, starling_error() gives one
 * sentence. No call prints, exits or throws. After a failed launch outputs are undefined. A fault inside a kernel on a GPU is
 * reported by the next call that waits.
 */
#ifndef STARLING_H
#define STARLING_H

#include "starling_library.h"

#if defined(__cplusplus)
extern "C" {
#endif

enum starling_dtype { STARLING_F32 = 0, STARLING_BF16 = 1, STARLING_F16 = 2, STARLING_I32 = 3, STARLING_U8 = 4 };

enum starling_activation {
  STARLING_NONE = 0,
  STARLING_QUICK_GELU = 1, /* x / (1 + exp(-1.702 x)) */
  STARLING_GELU = 2,       /* x Phi(x), with the error function */
  STARLING_SILU_MUL = 3    /* silu(gate) * up: the input has 2 * D columns, gate first */
};

/* Positions of rows that stay after a cut. */
enum starling_positions { STARLING_CONTIGUOUS = 0, STARLING_KEEP = 1 };

/* How a weight is stored. */
enum starling_layout { STARLING_PLAIN = 0 /* elements of x's type */ };

/* Rows of a tensor. */
typedef struct {
  void *data;     /* NULL: not there */
  int64_t stride; /* elements from one row to the next; of a vector 1 */
  int32_t rows;
  int32_t width; /* elements of a row; of a vector 1 */
  int32_t dtype;
  int32_t reserved; /* 0 */
} starling_tensor;

/* Rows of a weight matrix. */
typedef struct {
  const void *data;
  const void *scale;   /* of a group; NULL with STARLING_PLAIN */
  const void *minimum; /* of a group; NULL with STARLING_PLAIN */
  int64_t stride;      /* elements from one row to the next */
  int32_t layout;
  int32_t group; /* elements that share a scale; 0 with STARLING_PLAIN */
  int32_t rows;
  int32_t reserved; /* 0 */
} starling_weight;

/* The segments of a call: sequences of a batch, crops or windows. Each has a run of the call's rows and a run of keys of its
 * own, and sees no other's. Its results do not depend on the other segments, and kernel and grid depend only on `rows` and
 * `keys`, so that a step can be captured. The table, one row of 16 numbers per segment, holds offsets, never addresses:
 *    0 row       first of its rows in the call; segments that are not idle stand in order of their rows and share none
 *    1 rows      how many it has there; 0: it is idle, and nothing of it is read or written
 *    2 at        first row of its keys in k and v
 *    3 capacity  rows that it owns there
 *    4 length    keys written before this call: row i of the segment becomes key length + i
 *    5 hidden    first of its bytes in `hidden`; -1: none
 *    6, 7, 8     position of its first row on three axes
 *    9 step      tokens drawn before this one
 *   10 temperature (the bits of an f32), 11 top-k, 12 top-p (the bits of an f32), 13 and 14 seed, its low half first
 *   15 penalty   on the logits of tokens that are in `seen` (the bits of an f32; 0: none)
 * Without a table (data NULL) all rows of the call are one segment, and its keys are the first rows of k and v. */
typedef struct {
  starling_tensor table; /* i32 [S, 16] */
  int32_t rows;          /* the most rows of a segment */
  int32_t keys;          /* the most keys of a segment, those of this call included; more gives the same bits */
} starling_segments;

/* ---- rows ---- */

/* Cuts an image into patches, row by row; a row of `out` holds a patch as channel, y, x. N = (height / patch) * (width /
 * patch); what is left over at the right and bottom is not read. */
typedef struct {
  uint32_t size;
  starling_tensor out;    /* [N, 3*patch*patch] */
  starling_tensor pixels; /* f32 [3, height*width] */
  int32_t height, width, patch;
} starling_patchify_args;
STARLING_API int starling_patchify(const starling_patchify_args *args /* host */, starling_stream *stream);

/* out[t] = table[ids[t]] */
typedef struct {
  uint32_t size;
  starling_tensor out;   /* [T, D] */
  starling_tensor ids;   /* i32 [T] */
  starling_tensor table; /* [V, D] */
} starling_embed_args;
STARLING_API int starling_embed(const starling_embed_args *args /* host */, starling_stream *stream);

/* out = (x - mean) / sqrt(var + eps) * weight + bias, row by row. `out` may be `x`. */
typedef struct {
  uint32_t size;
  starling_tensor out;    /* [T, D] */
  starling_tensor x;      /* [T, D] [16] */
  starling_tensor weight; /* [D] [16] */
  starling_tensor bias;   /* [D] [16] */
  float eps;
} starling_layernorm_args;
STARLING_API int starling_layernorm(const starling_layernorm_args *args /* host */, starling_stream *stream);

/* out = x / sqrt(mean(x*x) + eps) * weight, row by row. `out` may be `x`. */
typedef struct {
  uint32_t size;
  starling_tensor out;    /* [T, D] */
  starling_tensor x;      /* [T, D] [16] */
  starling_tensor weight; /* [D] [16] */
  float eps;
} starling_rmsnorm_args;
STARLING_API int starling_rmsnorm(const starling_rmsnorm_args *args /* host */, starling_stream *stream);

/* What a gemm with a norm wants to know of its x, of rows that no gemm has made: statistics in any number of parts, of which
 * none is without columns. */
typedef struct {
  uint32_t size;
  starling_tensor statistics; /* f32 [T, 2*p] */
  starling_tensor x;          /* [T, D] [16] */
} starling_row_statistics_args;
STARLING_API int starling_row_statistics(const starling_row_statistics_args *args /* host */, starling_stream *stream);

/* y = activation(norm(x) * transpose(w) + bias) + residual.
 * The norm is layer norm with norm_bias, RMS norm without; its result is rounded to x's type, which w has too. With
 * norm_statistics the rows of x are not read for their statistics. With STARLING_SILU_MUL w has 2*out rows, gate rows first,
 * and so has bias. y and residual have x's type, or both f32; `residual` may be y, if there are no `rows`. With `rows` row i
 * of y is made of row rows[i] of x and of residual.
 * Statistics of a row are in p parts of a power of two of columns, the last one has what is left: for each its mean and the
 * sum of (value - mean)^2. A product leaves those of y as it is stored: p = ceil(out/16) for up to 16 rows, else
 * ceil(out/64). It reads those of x in any parts; row i of them belongs to row i of y, with `rows` too. */
typedef struct {
  uint32_t size;
  starling_tensor y;               /* [T, out] */
  starling_tensor x;               /* [T, in], with rows [n, in] [16] */
  starling_weight w;               /* [out | 2*out, in] [16] */
  starling_tensor bias;            /* f32 [out | 2*out], or not there */
  starling_tensor norm_weight;     /* [in] [16], or not there */
  starling_tensor norm_bias;       /* [in] [16], or not there */
  starling_tensor norm_statistics; /* f32 [T, 2*p], or not there */
  starling_tensor residual;        /* [T, out], with rows [n, out], or not there */
  starling_tensor rows;            /* i32 [T], or not there */
  starling_tensor statistics;      /* f32 [T, 2*p], or not there */
  int32_t activation;
  float eps; /* of the norm */
} starling_gemm_args;
STARLING_API int starling_gemm(const starling_gemm_args *args /* host */, starling_stream *stream);

/* out = activation(x + bias) + residual. With STARLING_SILU_MUL x has 2*D columns, gate first, and so has bias. `out` may
 * be `residual`, and `x` without STARLING_SILU_MUL. */
typedef struct {
  uint32_t size;
  starling_tensor out;      /* [T, D] */
  starling_tensor x;        /* [T, D | 2*D] */
  starling_tensor bias;     /* f32 [D | 2*D], or not there */
  starling_tensor residual; /* [T, D], or not there */
  int32_t activation;
} starling_activation_args;
STARLING_API int starling_activation(const starling_activation_args *args /* host */, starling_stream *stream);

/* ---- attention ---- */

/* Turns queries and keys by their positions (channel i with channel i + half, i < half) and appends keys and values to those
 * of their segments. Channels from 2*half on are copied. With three axes frequencies i < section_first follow the position on
 * the first, the next section_second that on the second and the rest that on the third. */
typedef struct {
  uint32_t size;
  starling_tensor q;         /* [T, H*d] */
  starling_tensor k;         /* [N, G*d] */
  starling_tensor v;         /* [N, G*d] */
  starling_tensor qkv;       /* [T, (H+2G)*d] */
  starling_tensor positions; /* i32 [T], the same on all axes, or [3, T]; not there: those of the segments */
  starling_segments segments;
  starling_tensor cos;       /* f32 [table rows, half] */
  starling_tensor sin;       /* f32 [table rows, half] */
  int32_t heads, kv_heads, head_size;
  int32_t axes; /* 1 (or 0) or 3 */
  int32_t section_first, section_second;
} starling_rope_args;
STARLING_API int starling_rope(const starling_rope_args *args /* host */, starling_stream *stream);

/* What attention and the column sums of its probabilities are taken of: softmax(scale * q * transpose(k)) over the length +
 * rows keys of a segment. With `causal`, its row i sees keys 0 ... length + i. Keys marked in `hidden` are seen by nobody. */
typedef struct {
  starling_tensor q;      /* [T, H*d] [16] */
  starling_tensor k;      /* [N, G*d] [16] */
  starling_tensor v;      /* [N, G*d] [16]; column sums do not read it */
  starling_segments segments;
  starling_tensor hidden; /* u8, or not there; without a table key j has byte j */
  int32_t heads, kv_heads, head_size;
  int32_t causal;
  float scale;
} starling_attention_inputs;

/* out = softmax(scale * q * transpose(k)) * v. lse is the log2 of the row's sum, log2(sum_j 2^(s_ij * log2 e)), which
 * starling_attention_colsum reads. A row that sees no key gives 0 and +infinity; rows of no segment are left as they are. */
typedef struct {
  uint32_t size;
  starling_tensor out; /* [T, H*d] */
  starling_tensor lse; /* f32 [H, T], or not there */
  starling_attention_inputs in;
} starling_attention_args;
STARLING_API int starling_attention(const starling_attention_args *args /* host */, starling_stream *stream);

/* starling_rope, starling_attention (causal) and starling_gemm of up to 16 rows in one launch and with the same bits:
 * out = attention of the queries in qkv over the cache, to which the keys and values in qkv are appended; y = out *
 * transpose(w) + bias + residual. Segments of at most 4 rows. `residual` may be y. */
typedef struct {
  uint32_t size;
  starling_tensor y;          /* [T, D], of qkv's type or f32 */
  starling_tensor statistics; /* f32 [T, 2*ceil(D/16)] of y as starling_gemm leaves them, or not there */
  starling_tensor out;        /* [T, H*d] [16] */
  starling_tensor k;          /* [N, G*d] [16] */
  starling_tensor v;          /* [N, G*d] [16] */
  starling_tensor qkv;        /* [T, (H+2G)*d] [16] */
  starling_tensor positions;  /* as starling_rope has them */
  starling_segments segments;
  starling_tensor hidden;     /* u8, or not there */
  starling_tensor cos;        /* f32 [table rows, half] */
  starling_tensor sin;        /* f32 [table rows, half] */
  starling_weight w;          /* [D, H*d] [16] */
  starling_tensor bias;       /* f32 [D], or not there */
  starling_tensor residual;   /* [T, D] of y's type, or not there */
  int32_t heads, kv_heads, head_size;
  int32_t axes; /* 1 (or 0) or 3 */
  int32_t section_first, section_second;
  float scale;
} starling_step_attention_args;
STARLING_API int starling_step_attention(const starling_step_attention_args *args /* host */, starling_stream *stream);

/* Attention received in the one segment there is: sums[h, j] = sum over its rows i in [row_from, row_to) of A_h[i, key(j)].
 * A is recomputed from lse; key(j) is key key_at + j of the segment, or key_at + index[j]. No map of attention is held and
 * nothing is added atomically. The sum over all keys is the number of rows. A hidden key receives 0; a row whose lse is
 * +infinity gives 0. */
typedef struct {
  uint32_t size;
  starling_tensor sums; /* f32 [H, n] */
  starling_attention_inputs in;
  starling_tensor lse;   /* f32 [H, T] */
  starling_tensor index; /* i32 [n], or not there */
  int32_t row_from, row_to, key_at;
} starling_attention_colsum_args;
STARLING_API int starling_attention_colsum(const starling_attention_colsum_args *args /* host */, starling_stream *stream);

/* For attention by another library, which is told the lengths of the one segment: lengths = {rows, length + rows}. */
typedef struct {
  uint32_t size;
  starling_tensor lengths; /* i32 [2] */
  starling_segments segments;
} starling_sequence_lengths_args;
STARLING_API int starling_sequence_lengths(const starling_sequence_lengths_args *args /* host */, starling_stream *stream);

/* lse *= log2 e: another library's natural logarithms of row sums become what starling_attention_colsum reads. */
typedef struct {
  uint32_t size;
  starling_tensor lse; /* f32 [H, T] */
} starling_lse_from_natural_args;
STARLING_API int starling_lse_from_natural(const starling_lse_from_natural_args *args /* host */, starling_stream *stream);

/* ---- selection and compaction ---- */

/* score[j] = sum over s < w and h of sums[h, j * w + s] / (H * rows * w): the heads of a column are added in order, then the
 * w columns of a candidate; keep = the k best, ascending by index; ties go to the lowest index. A score that is not finite
 * is never preferred and sets non_finite[0] to 1. n <= 16384. */
typedef struct {
  uint32_t size;
  starling_tensor keep;       /* i32 [k] */
  starling_tensor score;      /* f32 [n] */
  starling_tensor non_finite; /* i32 [1] */
  starling_tensor sums;       /* f32 [H, n*w] */
  int32_t rows;
} starling_token_select_args;
STARLING_API int starling_token_select(const starling_token_select_args *args /* host */, starling_stream *stream);

/* A choice among rows of a sequence: candidates, and which of them stay. Rows that are no candidates stay too. */
typedef struct {
  starling_tensor keep;       /* i32 [kept], ascending, below n */
  starling_tensor candidates; /* i32 [n], ascending, below count: candidate j is row at + candidates[j]; not there: n = count
                                 and candidate j is row at + j */
  int32_t at;                 /* first row */
  int32_t count;              /* rows from there on that the candidates lie in */
} starling_cut;

#define STARLING_MAX_CUTS 64

/* starling_attention_colsum and starling_token_select with rows = row_to - row_from, in one launch and with the same bits:
 * the last block of a group of keys adds the heads in order, the last block of all selects. A candidate has w keys, which
 * follow one another. With `rows` the last block also does starling_row_map, with the same members; `keep` of this call may be
 * that of a cut. */
typedef struct {
  uint32_t size;
  starling_tensor keep;       /* i32 [k] */
  starling_tensor score;      /* f32 [n] */
  starling_tensor non_finite; /* i32 [1] */
  starling_attention_inputs in;
  starling_tensor lse;        /* f32 [H, T] */
  starling_tensor index;      /* i32 [n*w], or not there */
  int32_t row_from, row_to, key_at;
  int32_t sources; /* w; 0: 1 */
  int32_t rule;    /* starling_positions; this and the rest with rows alone */
  starling_tensor rows;          /* i32 [T'], or not there */
  starling_tensor positions_out; /* i32 [A, T'] */
  starling_tensor row_sources;   /* i32 [T'], or not there */
  starling_tensor positions_in;  /* i32 [A, T] */
  const starling_cut *cuts;      /* host [cut_count] */
  int32_t cut_count;
} starling_colsum_select_args;
STARLING_API int starling_colsum_select(const starling_colsum_select_args *args /* host */, starling_stream *stream);

/* out[i, j] = x_i . x_j / sqrt((x_i . x_i) * (x_j . x_j)). A result that is not finite sets non_finite[0] to 1. n <= 4096. */
typedef struct {
  uint32_t size;
  starling_tensor out;        /* f32 [n, n] */
  starling_tensor non_finite; /* i32 [1] */
  starling_tensor x;          /* [n, D] [16] */
} starling_cosines_args;
STARLING_API int starling_cosines(const starling_cosines_args *args /* host */, starling_stream *stream);

/* Keeps the `best` best scores, and of the rest, in falling order of score, those that are left after rounds that each drop
 * at most 8: the even places most alike to an odd place (VisPruner, arXiv 2412.01818). keep ascends. A score that is not
 * finite counts as the lowest. n <= 4096. */
typedef struct {
  uint32_t size;
  starling_tensor keep;    /* i32 [k] */
  starling_tensor score;   /* f32 [n] */
  starling_tensor cosines; /* f32 [n, n] */
  int32_t best;
} starling_drop_duplicates_args;
STARLING_API int starling_drop_duplicates(const starling_drop_duplicates_args *args /* host */, starling_stream *stream);

/* The rows that stay, ascending, and their positions on A axes. sources[i]: for a row that is no candidate, its number among
 * such rows; for a kept candidate, T - sum(n) plus its number among the kept. No candidate is in two cuts;
 * T' = T - sum(n - kept). */
typedef struct {
  uint32_t size;
  starling_tensor rows;          /* i32 [T'] */
  starling_tensor positions_out; /* i32 [A, T']; of one axis it is one row */
  starling_tensor sources;       /* i32 [T'], or not there */
  starling_tensor positions_in;  /* i32 [A, T] */
  const starling_cut *cuts;      /* host [cut_count] */
  int32_t cut_count;
  int32_t rule; /* starling_positions */
} starling_row_map_args;
STARLING_API int starling_row_map(const starling_row_map_args *args /* host */, starling_stream *stream);

/* The masked form: rows that a cut drops become hidden, and hidden rows stay so. Visible rows get the positions that
 * compaction would give them; a hidden row keeps its own. */
typedef struct {
  uint32_t size;
  starling_tensor hidden;        /* u8 [>= T] */
  starling_tensor positions_out; /* i32 [A, T] */
  starling_tensor positions_in;  /* i32 [A, T] */
  const starling_cut *cuts;      /* host [cut_count] */
  int32_t cut_count;
  int32_t rule; /* starling_positions */
} starling_hide_rows_args;
STARLING_API int starling_hide_rows(const starling_hide_rows_args *args /* host */, starling_stream *stream);

/* Destination and source of a gather: rows of one type and width. */
typedef struct {
  starling_tensor out; /* [T', D] */
  starling_tensor in;  /* [n, D] */
} starling_gather;

#define STARLING_MAX_GATHERS 8

/* out[i] = in[rows[i]] for every pair, in one launch. Outputs and inputs do not overlap. */
typedef struct {
  uint32_t size;
  int32_t pair_count;
  const starling_gather *pairs; /* host [pair_count] */
  starling_tensor rows;         /* i32 [T'] */
} starling_gather_rows_args;
STARLING_API int starling_gather_rows(const starling_gather_rows_args *args /* host */, starling_stream *stream);

/* out[i] = sum_j weight[i, j] * in[index[i, j]], in order of j. */
typedef struct {
  uint32_t size;
  starling_tensor out;    /* [m, D] */
  starling_tensor in;     /* [n, D] */
  starling_tensor index;  /* i32 [m, w] */
  starling_tensor weight; /* f32 [m, w] */
} starling_combine_rows_args;
STARLING_API int starling_combine_rows(const starling_combine_rows_args *args /* host */, starling_stream *stream);

/* Moves row rows[i] of every tensor to row i, in place; rows ascends. All tensors have one type, width and stride; their
 * rows are multiples of 16 bytes and start at multiples of 16 bytes. */
typedef struct {
  uint32_t size;
  int32_t tensor_count;
  const starling_tensor *tensors; /* host [tensor_count], each [capacity, D] */
  starling_tensor rows;           /* i32 [T'] */
} starling_compact_rows_args;
STARLING_API int starling_compact_rows(const starling_compact_rows_args *args /* host */, starling_stream *stream);

/* ---- the end of a step ---- */

/* The next token of every segment that is not idle, by the step and the sampling in its row of the table. First the logits of
 * tokens in `seen` are divided by the segment's penalty or, below zero, multiplied by it; a penalty needs `seen`. Token v is
 * bit v % 32 of word v / 32, and the token that is drawn is put there. With temperature 0 it is the largest logit's, ties to the lowest id. Otherwise the top-k largest logits remain (0: all), of these the shortest
 * prefix, largest first, whose mass reaches top-p, and a Philox number keyed by (seed, step) draws one. A logit that is not
 * finite, or non_finite set for the segment, makes its id -1. */
typedef struct {
  uint32_t size;
  starling_tensor ids;        /* i32 [S] */
  starling_tensor seen;       /* i32 [S, ceil(V/32)], read and written, or not there */
  starling_tensor logits;     /* f32 [S, V] */
  starling_tensor segments;   /* i32 [S, 16] */
  starling_tensor non_finite; /* i32 [S] */
} starling_sample_args;
STARLING_API int starling_sample(const starling_sample_args *args /* host */, starling_stream *stream);

/* Moves on the segments that are not idle after a step has used them: length and positions grow by rows, the step by one. */
typedef struct {
  uint32_t size;
  starling_tensor segments; /* i32 [L*S, 16], those of all layers */
} starling_advance_args;
STARLING_API int starling_advance(const starling_advance_args *args /* host */, starling_stream *stream);

#if defined(__cplusplus)
}
#endif

#endif
