package starling.device;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The operators: one flat list, eager, in order. Outputs come first, then inputs, then scalars.
 * Tensors are views {@code [rows, …]} with a row stride; shapes stand beside each parameter with
 * {@code T} rows of the call, {@code D} channels, {@code H} query heads, {@code G} key heads,
 * {@code d} channels of a head, {@code V} vocabulary.
 *
 * <p>What changes from one decode step to the next (lengths, positions, ids) is read from device
 * memory, so that a step can be captured and replayed. An output may be the same view as an input
 * of the same shape only where said, and otherwise lies apart from all of them. Floating-point
 * tensors of a call are of one type, f32, bf16 or f16, unless a type stands beside them; arithmetic
 * is f32 and a value is rounded once, when it is stored.
 *
 * <p>A device is used by one thread at a time. What is wrong with arguments, and the sentence about
 * it, is the same on all devices ({@link Arguments}): types, shapes, overlap, alignment and memory
 * that is out of reach or read-only are {@link IllegalArgumentException}s, closed memory is an
 * {@link IllegalStateException}, both with the tensor's name, before anything is computed. Rows of
 * {@code x}, {@code q}, {@code k}, {@code v}, caches, features and weights start at multiples of 16
 * bytes, as those of {@link TensorArena#alloc} do; heads of 32, 64, 80 and 128 channels are taken
 * by every device, others by the cpu device. Lengths and indices are checked where Java or the
 * emulated device can read them.
 */
public interface Device extends AutoCloseable {
  /** What runs the operators; never {@link DeviceType#AUTO}. */
  DeviceType type();

  /** One line for reports: what it runs on and how. */
  String description();

  /** One line for reports: which formats of weights it reads as they are, and what of others. */
  String weightFormats();

  // ---- memory ----

  /**
   * A new arena of this device's memory; the caller closes it, before the device.
   *
   * @param name what messages call it
   */
  TensorArena arena(String name);

  /**
   * A slab of this device's memory, for arenas that come and go; the caller closes it, before the
   * device.
   *
   * @param name what messages call it
   */
  Slab slab(String name);

  /** Channels that a head of {@code d} channels takes on this device; the rest is zero. */
  int headSize(int d);

  /**
   * Puts a weight matrix on the device: maps, pads, uploads or decodes it, once. Weights of a plain
   * type and biases are rounded to {@code dtype}. Those of a block format are not, where the device
   * reads blocks ({@link #weightFormats}); else their values are.
   *
   * @param dtype the type of the rows that it will multiply
   */
  Linear linear(TensorArena arena, DType dtype, Linear.Source source);

  /**
   * A weight matrix that lies on the device already, in an arena's memory or a caller's. Nothing is
   * copied: what changes there changes the products.
   */
  Linear asLinear(Tensor weight /* [out, in] */, Tensor bias /* f32 [out] | null */);

  /**
   * Puts a table (norm weight, embeddings, positions) on the device, in whatever format it is
   * stored. Values are rounded to {@code dtype}.
   */
  Tensor table(TensorArena arena, DType dtype, StoredTensor stored);

  /** Copies host bytes, contiguous rows of {@code dst}'s type, to the device. */
  void upload(Tensor dst, MemorySegment src);

  /** Copies to the host, contiguous rows; waits for everything before it. */
  void download(MemorySegment dst, Tensor src);

  /**
   * Marks a point in the order of operators, for {@link #elapsedMillis}; some thousand are kept.
   */
  long recordEvent();

  /** Milliseconds from one event to a later one; waits for the later. */
  double elapsedMillis(long from, long to);

  /**
   * What {@code work} puts on the device, as one piece that can be put there again. The work itself
   * is not done. It has been done once before, so that kernels are loaded and scratch memory is
   * there; it neither allocates nor copies to or from the host, nor records events.
   *
   * @throws IllegalArgumentException if it does, and there is no graph
   */
  Graph graph(Runnable work);

  // ---- rows ----

  /** Cuts an image into patches, row-major; a row holds the patch as channel, y, x. */
  void patchify(Tensor out /* [N, 3·p·p] */, Tensor pixels /* f32 [3, H, W] */, int patch);

  /** {@code out[t] = table[ids[t]]}. */
  void embed(Tensor out /* [T, D] */, Tensor ids /* i32 [T] */, Tensor table /* [V, D] */);

  /**
   * {@code out = (x − mean) / √(var + eps) · weight + bias}, row by row; {@code out} may be {@code
   * x}.
   */
  void layernorm(Tensor out /* [T, D] */, Tensor x /* [T, D] */, Norm norm);

  /** {@code out = x / √(mean x² + eps) · weight}, row by row; {@code out} may be {@code x}. */
  void rmsnorm(Tensor out /* [T, D] */, Tensor x /* [T, D] */, Norm norm);

  /**
   * Statistics of rows that no product has made, for the norm before one ({@link ProductRows}).
   *
   * @param statistics in any number of parts, of which none is without columns
   */
  void rowStatistics(Tensor statistics /* f32 [T, 2·p] */, Tensor x /* [T, D] */);

  /**
   * Whether products of so many rows leave statistics as they go and read those that they are
   * given. Elsewhere statistics cost what they save; they are written where they are asked for all
   * the same.
   */
  boolean passesStatistics(int rows);

  /** The product by itself: {@link #gemm} with {@link ProductRows#NONE}. */
  default void gemm(
      Tensor y /* [T, out] */,
      Tensor x /* [T, in] */,
      Linear w,
      Norm before,
      Activation activation,
      Tensor residual /* [T, out] | null */) {
    gemm(y, x, w, before, activation, residual, ProductRows.NONE);
  }

  /**
   * {@code y = activation(norm(x)·wᵀ + bias) + residual}; {@code y} has {@code x}'s type or is f32.
   *
   * @param before applied to the rows of {@code x} first, rounded to {@code x}'s type; null for
   *     none
   * @param residual null for none; may be {@code y}, unless rows are picked
   * @param around which rows of {@code x} and {@code residual}, n of them, are picked, and
   *     statistics
   */
  void gemm(
      Tensor y /* [T, out] */,
      Tensor x /* [T | n, in] */,
      Linear w,
      Norm before,
      Activation activation,
      Tensor residual /* [T | n, out] | null */,
      ProductRows around);

  // ---- attention ----

  /**
   * Rotates queries and keys by their positions and appends keys and values: row {@code i} of a
   * segment becomes its key {@code length + i}. The length itself is advanced by {@link #advance},
   * once a step.
   *
   * @param positions i32 {@code [T]}, the same on all axes, or {@code [3, T]}; null counts on from
   *     each segment's position in the table
   */
  void rope(
      Tensor q /* [T, H, d] */,
      Kv kv,
      Tensor qkv /* [T, (H + 2·G)·d] */,
      Tensor positions /* i32 [T] | [3, T] | null */,
      Rope table);

  /**
   * {@code out = softmax(scale·q·kᵀ)·v} over the keys a row may see, {@code 0 … length + rows} of
   * its segment. Rows of no segment are left as they are.
   *
   * @param lse log2 of the row sum, {@code log2 Σ_j 2^(s_ij·log2 e)}, which {@link
   *     #attentionColsum} reads; null if nobody does. A row that sees no key gives 0 and +∞.
   */
  void attention(
      Tensor out /* [T, H, d] */, Tensor lse /* f32 [H, T] | null */, AttentionInputs in);

  /**
   * Attention in a step, from queries, keys and values to the rows behind its output projection:
   * {@link #rope} with the segments' positions, {@link #attention} and {@link #gemm}, in one where
   * a device can. At most {@link Arguments#STEP_ROWS} rows of a segment, and {@link
   * Arguments#STEP_CALL} in all.
   *
   * @param statistics those of {@code y}, in {@link ProductRows#parts} parts; null if nobody asks
   * @param in with segments; where its queries lie is room for those that are made
   * @param attended room for the attention; what it and the queries hold afterwards is not said
   * @param residual may be {@code y}
   */
  void stepAttention(
      Tensor y /* [T, out] */,
      Tensor statistics /* f32 [T, 2·parts] | null */,
      Tensor qkv /* [T, (H + 2·G)·d] */,
      AttentionInputs in,
      Rope table,
      Tensor attended /* [T, H·d] */,
      Linear w,
      Tensor residual /* [T, out] | null */);

  /**
   * Attention received: {@code sums[h, j] = Σ_{i in rows} A_h[i, key(j)]} with the key of candidate
   * {@code j}, and the probabilities of {@link #attention} recomputed as {@code 2^(s·log2 e −
   * lse)}. The sum over all keys is the number of rows. A hidden key receives 0, a row whose lse is
   * +∞ gives 0.
   *
   * @param in of one segment; several are asked one by one ({@link Segments#only}), into columns of
   *     one {@code sums}
   * @param rows rows of that segment, counted from its first
   * @param candidates among the keys of that segment, counted from its first
   */
  void attentionColsum(
      Tensor sums /* f32 [H, n] */,
      AttentionInputs in,
      Tensor lse /* f32 [H, T] */,
      Span rows,
      Candidates candidates);

  // ---- selection and compaction ----

  /**
   * Scores {@code score[j] = Σ_{s<w} Σ_h sums[h, j·w + s] / (H·rows·w)} and the {@code k} best of
   * them, ascending by index; ties go to the lowest index. A candidate has {@code w} columns of
   * {@code sums}, as many as {@code score} fits in there. A score that is not finite is never
   * preferred and sets {@code nonFinite}. There are at most 16,384 candidates.
   */
  void tokenSelect(
      Tensor keep /* i32 [k] */,
      Tensor score /* f32 [n] */,
      Tensor sums /* f32 [H, n·w] */,
      int rows,
      Tensor nonFinite /* i32 [1] */);

  /** A selection alone: no rows are mapped by it. */
  default void colsumSelect(
      Tensor keep /* i32 [k] */,
      Tensor score /* f32 [n] */,
      AttentionInputs in,
      Tensor lse /* f32 [H, T] */,
      Span rows,
      Candidates candidates,
      Tensor nonFinite /* i32 [1] */) {
    colsumSelect(keep, score, in, lse, rows, candidates, nonFinite, null);
  }

  /**
   * {@link #attentionColsum} and {@link #tokenSelect} in one, and {@link #rowMap} behind them.
   *
   * @param candidates counts the {@code n·w} sources of all candidates, those of each one after
   *     another
   * @param map of cuts of which one may have this very {@code keep}, and then n candidates; null
   *     for none
   */
  void colsumSelect(
      Tensor keep /* i32 [k] */,
      Tensor score /* f32 [n] */,
      AttentionInputs in,
      Tensor lse /* f32 [H, T] */,
      Span rows,
      Candidates candidates,
      Tensor nonFinite /* i32 [1] */,
      RowMapping map);

  /**
   * How alike rows are: {@code out[i, j] = x_i·x_j / √((x_i·x_i)·(x_j·x_j))}. One that is not
   * finite, as of a row of zeros, sets {@code nonFinite}. There are at most 4096 rows.
   */
  void cosines(Tensor out /* f32 [n, n] */, Tensor x /* [n, D] */, Tensor nonFinite /* i32 [1] */);

  /**
   * The {@code best} best scores, and of the others those that are least alike, by VisPruner's rule
   * (arXiv 2412.01818). The others stand in a list by falling score, ties by rising index. While it
   * is longer than {@code k − best}, a round takes the places 0, 2, 4 …, drops those of them that
   * are most alike to one of the places 1, 3, 5 … (at most 8, ties by lower place), and makes a new
   * list of what is left of them, most alike first, and then the odd places. A score or a cosine
   * that is not finite is the lowest.
   *
   * @param cosines of each two candidates, whatever they were made of
   */
  void dropDuplicates(
      Tensor keep /* i32 [k] */,
      Tensor score /* f32 [n] */,
      Tensor cosines /* f32 [n, n] */,
      int best);

  /** The rows that stay in a sequence that was cut, as {@link RowMapping} says. */
  void rowMap(RowMapping map);

  /**
   * {@code out[i] = in[rows[i]]} for every pair of tensors, 1 to 8 of one type and width each;
   * whole numbers too.
   */
  void gatherRows(
      List<Tensor> out /* [T', ·] */, List<Tensor> in /* [T, ·] */, Tensor rows /* i32 [T'] */);

  /**
   * Short weighted sums of rows, for methods that merge: {@code out[i] = Σ_j weight[i,
   * j]·in[index[i, j]]}.
   */
  void combineRows(
      Tensor out /* [m, D] */,
      Tensor in /* [n, D] */,
      Tensor index /* i32 [m, w] */,
      Tensor weight /* f32 [m, w] */);

  /** Moves rows {@code rows[i]} of every cache to {@code i}, in place; {@code rows} ascends. */
  void compactRows(List<Kv> kv, Tensor rows /* i32 [T'] */);

  /**
   * The masked form of {@link #rowMap}: nothing moves. Rows that a cut drops become hidden (rows
   * already hidden stay so), and the visible ones get the positions they would have after
   * compaction. A hidden row keeps its position.
   */
  void hideRows(
      Tensor hidden /* u8 [≥ T] */,
      Tensor positionsOut /* i32 [T] or [A, T] */,
      Tensor positionsIn /* i32 [T] or [A, T] */,
      List<Cut> cuts,
      PositionRule rule);

  // ---- the end of a step ----

  /**
   * The next token of every segment, drawn as the table says. If a segment's {@code nonFinite} is
   * set or one of its logits is not finite, its id becomes -1. An idle segment's id stays as it is.
   *
   * @param seen tokens that were there before, for the repetition penalty of {@link Sampling}:
   *     token {@code v} is bit {@code v % 32} of word {@code v / 32}; the one that is drawn is put
   *     there. Null if no segment has a penalty and nothing is to be put anywhere
   * @param segments of which the steps and the samplings count
   */
  void sample(
      Tensor ids /* i32 [S] */,
      Tensor seen /* i32 [S, ⌈V/32⌉] or null */,
      Tensor logits /* f32 [S, V] */,
      Segments segments,
      Tensor nonFinite /* i32 [S] */);

  /**
   * Moves the segments on, after a step has used them: of those that are not idle, lengths and
   * positions grow by {@code rows}, the step by one.
   *
   * @param segments those of all layers, {@code [L·S, 16]}
   */
  void advance(Segments segments);

  /** Frees what the device holds; harmless when repeated. Arenas are closed before. */
  @Override
  void close();
}
