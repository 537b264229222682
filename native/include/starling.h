/* Starling's operators in C: everything that crosses between a program and the kernels.
 *
 * Two libraries have this one interface. libstarling_cuda.so runs on an NVIDIA GPU and needs only a driver.
 * libstarling_host.so executes the same kernel sources on the CPU, for tests and for kernel developers without a GPU.
 *
 * Memory. A pointer to a tensor is an address of device memory (of host memory in libstarling_host.so); whoever allocated
 * it owns it, and keeps it until the work that uses it is done. Nothing is kept by a call but the stream's scratch memory,
 * which grows when a larger shape comes and goes with the stream. Pointers marked "host" are to the caller's own memory and
 * are used only until the call returns.
 *
 * Shapes stand beside every parameter: T rows of the call, D channels, H query heads, G key heads (H is a multiple of G),
 * d channels of a head (32, 64 or 128; pad others with zeros), S keys, V vocabulary. A tensor is rows; the elements of a
 * row are contiguous, and `stride` is the number of elements from one row to the next. Rows of f32, bf16 and f16 inputs
 * start at multiples of 16 bytes where a parameter says [16]. What lies between the end of a row and the next one is never
 * read into a result and never written. `dtype` is that of all tensors that have no other type beside them. Arithmetic is
 * f32; a value is rounded once, when it is stored.
 *
 * Order. Calls return at once; work runs in the order of the calls on one stream. Outputs come first, then inputs, sizes,
 * scalars and the stream. An output may be the same tensor as an input only where said. One thread at a time uses a
 * stream; different threads may use different streams.
 *
 * Steps. Lengths, positions, ids and counters are read from device memory, so that the arguments of one decode step equal
 * those of the next and a step can be captured once and replayed.
 *
 * Errors. Every function that returns `int` returns a status; 0 is success. starling_error() then has one sentence. No call
 * prints, exits, or throws. After a failed launch outputs are undefined. A fault inside a kernel on a GPU is reported by the
 * next call that waits.
 */
#ifndef STARLING_H
#define STARLING_H

#include <stdint.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define STARLING_API __attribute__((visibility("default")))

/* Changes with every change of this file that a caller could notice. */
#define STARLING_ABI_VERSION 5

enum starling_status {
  STARLING_OK = 0,
  STARLING_INVALID_ARGUMENT = 1,
  STARLING_NO_DEVICE = 2,     /* no driver, driver too old, no GPU, or no kernels for this one */
  STARLING_OUT_OF_MEMORY = 3,
  STARLING_KERNEL_FAULT = 4   /* a launch failed, or a kernel did something wrong */
};

enum starling_dtype { STARLING_F32 = 0, STARLING_BF16 = 1, STARLING_F16 = 2 };

enum starling_activation {
  STARLING_NONE = 0,
  STARLING_QUICK_GELU = 1, /* x / (1 + exp(-1.702 x)) */
  STARLING_GELU = 2,       /* x Phi(x), with the error function */
  STARLING_SILU_MUL = 3    /* silu(gate) * up: the input has 2 * D columns, gate first */
};

/* Positions of rows that stay after a cut. */
enum starling_positions { STARLING_CONTIGUOUS = 0, STARLING_KEEP = 1 };

typedef struct starling_stream starling_stream;
typedef struct starling_event starling_event;
typedef struct starling_graph starling_graph;

/* ---- the library ---- */

STARLING_API int32_t starling_abi_version(void);

/* "cuda" or "emulated". */
STARLING_API const char *starling_backend(void);

/* The sentence of the last failure in this thread; "" if there was none. Valid until the next call of this thread. */
STARLING_API const char *starling_error(void);

/* Checks that work can run here, by running a tiny kernel. `text` receives one line about the device, cut to `size` bytes
 * with the closing zero. STARLING_NO_DEVICE with the reason otherwise. */
STARLING_API int starling_probe(char *text /* host [size] */, int32_t size);

/* A card as the driver shows it, after it has applied CUDA_VISIBLE_DEVICES. On the host layer: this machine. */
typedef struct {
  char name[128];        /* of a MIG slice: with "MIG" and its profile */
  char uuid[64];         /* "GPU-..."; "" on the host layer */
  int64_t memory_bytes;
  int64_t free_bytes;    /* -1 if it cannot be asked */
  int64_t l2_bytes;
  int32_t multiprocessors;
  int32_t major, minor;  /* compute capability */
  int32_t driver;        /* CUDA version the driver supports, 1000 * major + 10 * minor */
  int32_t mig;           /* 1 if it is a slice of a card */
  int32_t reserved;      /* 0 */
} starling_card;

/* How many cards there are; the work of a process runs on the first. */
STARLING_API int starling_card_count(int32_t *out /* host */);
STARLING_API int starling_card_describe(starling_card *out /* host */, int32_t index);

/* ---- memory ---- */

/* `bytes` zeroed bytes at a multiple of 256, for the work that is put on `stream` from here on. Other streams wait for this
 * one before they touch them (starling_stream_wait, or an event of the program's own). */
STARLING_API int starling_allocate(void **out /* host */, int64_t bytes, starling_stream *stream);

/* Frees in the order of a stream: behind the work that was put on it before this call, which may still run. Of other
 * streams nothing may use the memory any more. `stream` NULL: nothing at all uses it, as after starling_stream_destroy.
 * While the stream is captured memory is kept, and freed after it. `memory` NULL is allowed. */
STARLING_API int starling_free(void *memory, starling_stream *stream);

/* Rows of `width` bytes from host memory to the device; `src` may be reused when the call returns. */
STARLING_API int starling_upload(void *dst, int64_t dst_stride_bytes, const void *src /* host */, int64_t src_stride_bytes,
                                 int64_t width, int64_t rows, starling_stream *stream);

/* Rows of `width` bytes to host memory; returns when they are there, after all work before it on this stream. */
STARLING_API int starling_download(void *dst /* host */, int64_t dst_stride_bytes, const void *src, int64_t src_stride_bytes,
                                   int64_t width, int64_t rows, starling_stream *stream);

/* ---- streams and events ---- */

/* A stream of its own, or with `cuda_stream` the caller's cudaStream_t, which is then not destroyed with it and lives at
 * least as long. A stream of its own does not wait for CUDA's default stream, nor that one for it. */
STARLING_API int starling_stream_create(starling_stream **out /* host */, void *cuda_stream);

/* The cudaStream_t inside, for libraries that take one; NULL on the host layer. */
STARLING_API int starling_stream_handle(void **out /* host */, starling_stream *stream);

/* Waits for its work and frees its scratch memory; a capture that was not ended is dropped. Graphs that were captured on it
 * can only be destroyed afterwards. NULL is allowed. */
STARLING_API int starling_stream_destroy(starling_stream *stream);

STARLING_API int starling_stream_wait(starling_stream *stream);

STARLING_API int starling_event_create(starling_event **out /* host */);
STARLING_API int starling_event_destroy(starling_event *event);

/* Marks the point that the stream's work has reached. */
STARLING_API int starling_event_record(starling_event *event, starling_stream *stream);

/* Milliseconds of device time between two recorded points; waits for the later. */
STARLING_API int starling_event_elapsed(double *milliseconds /* host */, starling_event *from, starling_event *to);

/* ---- capture and replay ---- */

/* From here to starling_capture_end, operators on this stream are recorded with their arguments instead of run. Run the same
 * operators once before: scratch memory cannot grow meanwhile. What cannot be recorded (that growth, allocating, copying
 * to and from the host, waiting, recording an event) is refused, and the capture then ends without a graph. */
STARLING_API int starling_capture_begin(starling_stream *stream);

/* Ends the capture, in the thread that began it. Whether or not there is a graph, the stream runs its work again. */
STARLING_API int starling_capture_end(starling_graph **out /* host */, starling_stream *stream);

/* Runs what was recorded, in order, on the stream it was recorded on: its scratch memory, which stays as long as that
 * stream, is in the graph. */
STARLING_API int starling_graph_launch(starling_graph *graph /* host */, starling_stream *stream);
STARLING_API int starling_graph_destroy(starling_graph *graph /* host */);

/* ---- rows ---- */

/* Cuts a picture into patches, row by row; a row of `out` holds a patch as channel, y, x. N = (height / patch) * (width /
 * patch); what is left over at the right and bottom is not read. */
STARLING_API int starling_patchify(void *out /* [N, 3*patch*patch] */, int64_t out_stride,
                                   const float *pixels /* f32 [3, height*width] */, int64_t pixels_stride,
                                   int32_t height, int32_t width, int32_t patch, int32_t dtype, starling_stream *stream);

/* out[t] = table[ids[t]] */
STARLING_API int starling_embed(void *out /* [T, D] */, int64_t out_stride, const int32_t *ids /* [T] */,
                                const void *table /* [V, D] */, int64_t table_stride, int32_t rows, int32_t width,
                                int32_t vocabulary, int32_t dtype, starling_stream *stream);

/* out = (x - mean) / sqrt(var + eps) * weight + bias, row by row. `out` may be `x`. */
STARLING_API int starling_layernorm(void *out /* [T, D] */, int64_t out_stride, const void *x /* [T, D] [16] */,
                                    int64_t x_stride, const void *weight /* [D] [16] */, const void *bias /* [D] [16] */,
                                    int32_t rows, int32_t width, float eps, int32_t dtype, starling_stream *stream);

/* out = x / sqrt(mean(x*x) + eps) * weight, row by row. `out` may be `x`. */
STARLING_API int starling_rmsnorm(void *out /* [T, D] */, int64_t out_stride, const void *x /* [T, D] [16] */,
                                  int64_t x_stride, const void *weight /* [D] [16] */, int32_t rows, int32_t width,
                                  float eps, int32_t dtype, starling_stream *stream);

/* y = activation(norm(x) * transpose(w) + bias) + residual.
 * The norm is layer norm with norm_bias, RMS norm without; its result is rounded to `dtype`. With STARLING_SILU_MUL w has
 * 2*out rows, gate rows first, and so has bias. `residual` has y's type and may be y. */
STARLING_API int starling_gemm(void *y /* y_dtype [T, out] */, int64_t y_stride, const void *x /* [T, in] [16] */,
                               int64_t x_stride, const void *w /* [out | 2*out, in] [16] */, int64_t w_stride,
                               const float *bias /* f32 [out | 2*out] | NULL */,
                               const void *norm_weight /* [in] [16] | NULL */, const void *norm_bias /* [in] [16] | NULL */,
                               const void *residual /* y_dtype [T, out] | NULL */, int64_t residual_stride, int32_t rows,
                               int32_t out, int32_t in, float eps, int32_t activation, int32_t y_dtype, int32_t dtype,
                               starling_stream *stream);

/* out = activation(x + bias) + residual. With STARLING_SILU_MUL x has 2*D columns, gate first, and so has bias. `out` may
 * be `residual`, and `x` without STARLING_SILU_MUL. */
STARLING_API int starling_activation(void *out /* [T, D] */, int64_t out_stride, const void *x /* [T, D | 2*D] */,
                                     int64_t x_stride, const float *bias /* f32 [D | 2*D] | NULL */,
                                     const void *residual /* [T, D] | NULL */, int64_t residual_stride, int32_t rows,
                                     int32_t width, int32_t activation, int32_t dtype, starling_stream *stream);

/* ---- attention ---- */

/* Turns queries and keys by their positions (channel i with channel i + half, i < half) and appends keys and values to the
 * cache, at rows length[0] ... length[0] + T - 1. Channels from 2*half on are copied. */
STARLING_API int starling_rope(void *q /* [T, H*d] */, int64_t q_stride, void *k /* [capacity, G*d] */, int64_t k_stride,
                               void *v /* [capacity, G*d] */, int64_t v_stride, const void *qkv /* [T, (H+2G)*d] */,
                               int64_t qkv_stride, const int32_t *positions /* [T] */,
                               const int32_t *length /* [1] */, const float *cos /* f32 [table_rows, half] */,
                               int64_t cos_stride, const float *sin /* f32 [table_rows, half] */, int64_t sin_stride,
                               int32_t rows, int32_t capacity, int32_t heads, int32_t kv_heads, int32_t head_size,
                               int32_t half, int32_t table_rows, int32_t dtype, starling_stream *stream);

/* out = softmax(scale * q * transpose(k)) * v over S = length[0] + T keys. With `causal`, row t sees keys 0 ... length[0] +
 * t. Keys marked in `hidden` are seen by nobody. lse is the log2 of the row's sum, log2(sum_j 2^(s_ij * log2 e)), which
 * starling_attention_colsum reads. A row that sees no key gives 0 and +infinity. */
STARLING_API int starling_attention(void *out /* [T, H*d] */, int64_t out_stride, float *lse /* f32 [H, T] | NULL */,
                                    int64_t lse_stride, const void *q /* [T, H*d] [16] */, int64_t q_stride,
                                    const void *k /* [capacity, G*d] [16] */, int64_t k_stride,
                                    const void *v /* [capacity, G*d] [16] */, int64_t v_stride,
                                    const int32_t *length /* [1] | NULL: 0 */,
                                    const uint8_t *hidden /* [>= S] | NULL */, int32_t rows, int32_t capacity,
                                    int32_t heads, int32_t kv_heads, int32_t head_size, int32_t causal, float scale,
                                    int32_t dtype, starling_stream *stream);

/* Attention received: sums[h, j] = sum over rows i in [row_from, row_to) of A_h[i, key(j)], where A is recomputed from lse
 * and key(j) = key_at + j, or key_at + index[j]. No map of attention is held, nothing is added atomically. The sum over
 * all keys is the number of rows. A hidden key receives 0, a row whose lse is +infinity gives 0. */
STARLING_API int starling_attention_colsum(float *sums /* f32 [H, n] */, int64_t sums_stride,
                                           const void *q /* [T, H*d] [16] */, int64_t q_stride,
                                           const void *k /* [capacity, G*d] [16] */, int64_t k_stride,
                                           const float *lse /* f32 [H, T] */, int64_t lse_stride,
                                           const int32_t *length /* [1] | NULL: 0 */,
                                           const uint8_t *hidden /* [>= S] | NULL */,
                                           const int32_t *index /* [n] | NULL */, int32_t row_from, int32_t row_to,
                                           int32_t key_at, int32_t n, int32_t capacity, int32_t heads, int32_t kv_heads,
                                           int32_t head_size, int32_t causal, float scale, int32_t dtype,
                                           starling_stream *stream);

/* What another library's attention is told and what it gives: lengths = {T, length[0] + T}. */
STARLING_API int starling_sequence_lengths(int32_t *lengths /* [2] */, const int32_t *length /* [1] | NULL: 0 */,
                                           int32_t rows, starling_stream *stream);

/* lse *= log2 e: natural logarithms of row sums become those that starling_attention_colsum reads. */
STARLING_API int starling_lse_from_natural(float *lse /* f32 [H, T] */, int64_t lse_stride, int32_t heads, int32_t rows,
                                           starling_stream *stream);

/* ---- selection and compaction ---- */

/* score[j] = sum over s < w and h of sums[h, j * w + s] / (H * rows * w), w = sources: the heads of a column are added in
 * order, then the columns of a candidate; keep = the k best, ascending by index; ties go to the lowest index. A score that
 * is not finite is never preferred and sets non_finite[0] to 1. n <= 4096. */
STARLING_API int starling_token_select(int32_t *keep /* [k] */, float *score /* f32 [n] */, int32_t *non_finite /* [1] */,
                                       const float *sums /* f32 [H, n*w] */, int64_t sums_stride, int32_t heads, int32_t n,
                                       int32_t k, int32_t rows, int32_t sources, starling_stream *stream);

/* starling_attention_colsum over n * sources keys and starling_token_select with rows = row_to - row_from, in one launch:
 * the last block of a group of keys adds the heads in order, the last of all selects. The same bits as the two calls. */
STARLING_API int starling_colsum_select(int32_t *keep /* [k] */, float *score /* f32 [n] */, int32_t *fault /* [1] */,
                                        const void *q /* [T, H*d] [16] */, int64_t q_stride,
                                        const void *k /* [capacity, G*d] [16] */, int64_t k_stride,
                                        const float *lse /* f32 [H, T] */, int64_t lse_stride,
                                        const int32_t *length /* [1] | NULL: 0 */,
                                        const uint8_t *hidden /* [>= S] | NULL */,
                                        const int32_t *index /* [n*w] | NULL */, int32_t row_from, int32_t row_to,
                                        int32_t key_at, int32_t n, int32_t sources, int32_t kept, int32_t capacity,
                                        int32_t heads, int32_t kv_heads, int32_t head_size, int32_t causal, float scale, int32_t dtype,
                                        starling_stream *stream);

/* out[i, j] = x_i . x_j / sqrt((x_i . x_i) * (x_j . x_j)). One that is not finite sets non_finite[0] to 1. n <= 4096. */
STARLING_API int starling_cosines(float *out /* f32 [n, n] */, int64_t out_stride, int32_t *non_finite /* [1] */,
                                  const void *x /* [n, D] [16] */, int64_t x_stride, int32_t n, int32_t width,
                                  int32_t dtype, starling_stream *stream);

/* The `best` best scores; of the rest, in falling order of score, those that are left when rounds of at most 8 drop the
 * even places most alike to an odd place (VisPruner, arXiv 2412.01818). keep ascends. What is not finite is the lowest.
 * n <= 4096. */
STARLING_API int starling_drop_duplicates(int32_t *keep /* [k] */, const float *score /* f32 [n] */,
                                          const float *cosines /* f32 [n, n] */, int64_t cosines_stride, int32_t n,
                                          int32_t k, int32_t best, starling_stream *stream);

/* A choice among rows of a sequence: candidates, and which of them stay. Rows that are no candidates stay too. */
typedef struct {
  const int32_t *keep;       /* device, [kept], ascending, below n */
  const int32_t *candidates; /* device, [n], ascending, below count: candidate j is row at + candidates[j] | NULL: at + j */
  int32_t at;                /* first row */
  int32_t count;             /* rows from there on that the candidates lie in */
  int32_t n;                 /* candidates; `count` where they are not listed */
  int32_t kept;
} starling_cut;

#define STARLING_MAX_CUTS 64

/* The rows that stay, ascending, and their positions on every axis. sources[i]: for a row that is no candidate, its number
 * among those; for a kept candidate, T - sum(n) plus its number among the kept. Cuts have no candidate in common;
 * T' = T - sum(n - kept). */
STARLING_API int starling_row_map(int32_t *rows /* [T'] */, int32_t *positions_out /* [axes, T'] */,
                                  int64_t positions_out_stride, int32_t *sources /* [T'] | NULL */,
                                  const int32_t *positions_in /* [axes, T] */, int64_t positions_in_stride, int32_t axes,
                                  const starling_cut *cuts /* host [cut_count] */, int32_t cut_count, int32_t row_count,
                                  int32_t positions, starling_stream *stream);

/* The masked form: rows that a cut drops become hidden (those already hidden stay so); visible rows get the positions that
 * compaction would give them, a hidden row keeps its own. */
STARLING_API int starling_hide_rows(uint8_t *hidden /* [>= T] */, int32_t *positions_out /* [axes, T] */,
                                    int64_t positions_out_stride, const int32_t *positions_in /* [axes, T] */,
                                    int64_t positions_in_stride, int32_t axes,
                                    const starling_cut *cuts /* host [cut_count] */, int32_t cut_count,
                                    int32_t row_count, int32_t positions, starling_stream *stream);

/* Source and destination of a gather; rows of `width` bytes. */
typedef struct {
  void *out; /* [T', width] */
  const void *in;
  int64_t out_stride_bytes, in_stride_bytes;
  int64_t width;
  int32_t in_rows;
  int32_t reserved; /* 0 */
} starling_gather;

#define STARLING_MAX_GATHERS 8

/* out[i] = in[rows[i]] for every pair, in one launch. Outputs and inputs do not overlap. */
STARLING_API int starling_gather_rows(const starling_gather *pairs /* host [pair_count] */, int32_t pair_count, const int32_t *rows /* [T'] */,
                                      int32_t row_count, starling_stream *stream);

/* out[i] = sum_j weight[i, j] * in[index[i, j]], in order of j. */
STARLING_API int starling_combine_rows(void *out /* [m, D] */, int64_t out_stride, const void *in /* [n, D] */,
                                       int64_t in_stride, const int32_t *index /* [m, w] */, int64_t index_stride,
                                       const float *weight /* f32 [m, w] */, int64_t weight_stride, int32_t m, int32_t n,
                                       int32_t width, int32_t w, int32_t dtype, starling_stream *stream);

/* Moves row rows[i] of every tensor to row i, in place; rows ascends. Rows of `width` bytes, a multiple of 16; tensors
 * start at multiples of 16 bytes. */
STARLING_API int starling_compact_rows(void *const *tensors /* host [tensor_count], each device [capacity, width] */,
                                       int32_t tensor_count, int64_t stride_bytes, int64_t width,
                                       const int32_t *rows /* [T'] */, int32_t row_count, int32_t capacity,
                                       starling_stream *stream);

/* ---- the end of a step ---- */

/* The next token. temperature 0 is greedy, ties to the lowest id. Otherwise the top_k largest logits (0: all), of these the
 * shortest prefix, largest first, whose mass reaches top_p, and one of them by a Philox number keyed by (seed, step[0]).
 * A logit that is not finite, or fault[0], makes id -1. */
STARLING_API int starling_sample(int32_t *id /* [1] */, const float *logits /* f32 [V] */, const int32_t *step /* [1] */,
                                 const int32_t *fault /* [1] */, int32_t vocabulary, float temperature, int32_t top_k,
                                 float top_p, uint64_t seed, starling_stream *stream);

/* counters[i] += by */
STARLING_API int starling_advance(int32_t *counters /* [n] */, int32_t n, int32_t by, starling_stream *stream);

/* ---- ceilings: what a bench holds kernels against ---- */

/* out = in: the plain copy. Multiples of 16 bytes. */
STARLING_API int starling_ceiling_copy(void *out /* [16] */, const void *in /* [16] */, int64_t bytes,
                                       starling_stream *stream);

/* Reads everything; out[b] = sum of what block b read, as f32, for the ceil(bytes / 32768) blocks, at most 1024, there are.
 * Multiples of 16 bytes. */
STARLING_API int starling_ceiling_read(float *out /* f32 [1024] */, const void *in /* [16] */, int64_t bytes,
                                       starling_stream *stream);

/* Products in registers, without memory: `blocks` blocks of 8 warps, `steps` times 16*64*16 multiply-adds a warp; that is
 * blocks * steps * 262144 FLOPs. f32 by FMA, bf16 and f16 by mma.sync. out[b] = a sum over the block. */
STARLING_API int starling_ceiling_products(float *out /* f32 [blocks] */, int32_t blocks, int32_t steps, int32_t dtype,
                                           starling_stream *stream);

/* `launches` empty launches. */
STARLING_API int starling_ceiling_nothing(int32_t launches, starling_stream *stream);

#if defined(__cplusplus)
}
#endif

#endif
