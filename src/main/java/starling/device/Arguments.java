package starling.device;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Checks of an operator's arguments, before anything is computed: one rule and one sentence for all
 * devices. Each method has the name and the parameters of the method of {@link Device} that it
 * checks. Devices differ in two things alone, stated by {@link Runner}: which memory they reach,
 * and that kernels are compiled for some sizes of heads. Numbers in memory that Java can read
 * (lengths, indices) are checked here too; those in device memory are checked by the kernels of the
 * emulated device and trusted by a GPU's. Nothing is allocated unless a check fails.
 */
public final class Arguments {
  /** Cuts in one call of {@link Device#rowMap} or {@link Device#hideRows}. */
  public static final int MAX_CUTS = 64;

  /** Pairs of tensors in one call of {@link Device#gatherRows}. */
  public static final int MAX_GATHERS = 8;

  /** Candidates of a selection by score. */
  public static final int MAX_CANDIDATES = 16_384;

  /** Rows or candidates of which each two are compared. */
  public static final int MAX_COMPARED = 4096;

  /** Segments of a call, those of all layers together where they are moved on. */
  public static final int MAX_SEGMENTS = 65_535;

  /** Query heads of an attention. */
  public static final int MAX_HEADS = 16_384;

  /** Logits that a token is drawn from. */
  public static final int MAX_VOCABULARY = 1 << 21;

  /** Rows of a segment in one call of {@link Device#stepAttention}. */
  public static final int STEP_ROWS = 4;

  /** Rows of all segments in one call of {@link Device#stepAttention}. */
  public static final int STEP_CALL = 16;

  /** What runs a device's operators; it decides which memory they cannot reach. */
  public enum Runner {
    /** The cpu device: host memory of any kind, and weights as their file stores them. */
    JAVA("in device memory", null, null, null),

    /** The emulated device: host memory outside the Java heap. */
    HOST_KERNELS(null, null, "on the Java heap", "as its file stores it"),

    /** The cuda device: memory of the GPU. */
    GPU_KERNELS(null, "in host memory", null, "as its file stores it");

    final String cannotReachDevice;
    final String cannotReachHost;
    final String cannotReachHeap;
    final String cannotReachFiles;

    Runner(String device, String host, String heap, String files) {
      this.cannotReachDevice = device;
      this.cannotReachHost = host;
      this.cannotReachHeap = heap;
      this.cannotReachFiles = files;
    }
  }

  private final TensorChecks check;
  private final MemoryArguments memory;
  private final RowArguments rows;
  private final SegmentArguments segments;
  private final AttentionArguments attention;
  private final RopeArguments rope;
  private final StepArguments step;
  private final SelectionArguments selection;
  private final CutArguments cuts;
  private final MoveArguments moves;

  /**
   * @param memory the device's own, which all its arenas have
   */
  public Arguments(TensorArena.Memory memory, Runner runner) {
    this.check = new TensorChecks(memory, runner);
    this.memory = new MemoryArguments(check);
    this.rows = new RowArguments(check);
    this.segments = new SegmentArguments(check);
    this.attention = new AttentionArguments(check, segments);
    this.rope = new RopeArguments(check, attention);
    this.step = new StepArguments(rows, rope, attention);
    this.selection = new SelectionArguments(check, attention);
    this.cuts = new CutArguments(check);
    this.moves = new MoveArguments(check);
  }

  /** A tensor of any type and shape, in open memory of this device. */
  public void open(String role, Tensor t) {
    check.open(role, t);
  }

  /**
   * Whether memory among the arguments since the last call of this method is the calling thread's
   * alone, so that no other thread may read or write it.
   */
  public boolean wereConfined() {
    return check.wereConfined();
  }

  // ---- memory ----

  /** Of {@link Device#table}. */
  public void table(TensorArena arena, DType dtype, StoredTensor stored) {
    memory.table(arena, dtype, stored);
  }

  /** Of {@link Device#linear}. */
  public void linear(TensorArena arena, DType dtype, Linear.Source source) {
    memory.linear(arena, dtype, source);
  }

  /** Of {@link Device#asLinear}. */
  public void asLinear(Tensor weight, Tensor bias) {
    memory.asLinear(weight, bias);
  }

  /** Of {@link Device#upload}. */
  public void upload(Tensor dst, MemorySegment src) {
    memory.upload(dst, src);
  }

  /** Of {@link Device#download}. */
  public void download(MemorySegment dst, Tensor src) {
    memory.download(dst, src);
  }

  // ---- rows ----

  /** Of {@link Device#patchify}. */
  public void patchify(Tensor out, Tensor pixels, int patch) {
    rows.patchify(out, pixels, patch);
  }

  /** Of {@link Device#embed}. */
  public void embed(Tensor out, Tensor ids, Tensor table) {
    rows.embed(out, ids, table);
  }

  /** Of {@link Device#layernorm}. */
  public void layernorm(Tensor out, Tensor x, Norm norm) {
    rows.layernorm(out, x, norm);
  }

  /** Of {@link Device#rmsnorm}. */
  public void rmsnorm(Tensor out, Tensor x, Norm norm) {
    rows.rmsnorm(out, x, norm);
  }

  /** Of {@link Device#rowStatistics}. */
  public void rowStatistics(Tensor statistics, Tensor x) {
    rows.rowStatistics(statistics, x);
  }

  /** Of {@link Device#gemm}. */
  public void gemm(
      Tensor y,
      Tensor x,
      Linear w,
      Norm before,
      Activation activation,
      Tensor residual,
      ProductRows around) {
    rows.gemm(y, x, w, before, activation, residual, around);
  }

  // ---- attention ----

  /** Of {@link Device#rope}. */
  public void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    rope.rope(q, kv, qkv, positions, table);
  }

  /** Of {@link Device#attention}. */
  public void attention(Tensor out, Tensor lse, AttentionInputs in) {
    attention.attention(out, lse, in);
  }

  /** Of {@link Device#stepAttention}. */
  public void stepAttention(
      Tensor y,
      Tensor statistics,
      Tensor qkv,
      AttentionInputs in,
      Rope table,
      Tensor attended,
      Linear w,
      Tensor residual) {
    step.stepAttention(y, statistics, qkv, in, table, attended, w, residual);
  }

  /** Of {@link Device#attentionColsum}. */
  public void attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates candidates) {
    attention.attentionColsum(sums, in, lse, rows, candidates);
  }

  // ---- selection and cuts ----

  /** Of {@link Device#tokenSelect}. */
  public void tokenSelect(Tensor keep, Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    selection.tokenSelect(keep, score, sums, rows, nonFinite);
  }

  /** Of {@link Device#colsumSelect}. */
  public void colsumSelect(
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Span rows,
      Candidates candidates,
      Tensor nonFinite,
      RowMapping map) {
    selection.colsumSelect(keep, score, in, lse, rows, candidates, nonFinite);
    if (map != null) {
      cuts.rowMapBehind(keep, score.rows(), map);
      SelectionArguments.mapped(map, keep, score, in, lse, candidates, nonFinite);
    }
  }

  /** Of {@link Device#cosines}. */
  public void cosines(Tensor out, Tensor x, Tensor nonFinite) {
    selection.cosines(out, x, nonFinite);
  }

  /** Of {@link Device#dropDuplicates}. */
  public void dropDuplicates(Tensor keep, Tensor score, Tensor cosines, int best) {
    selection.dropDuplicates(keep, score, cosines, best);
  }

  /** Of {@link Device#rowMap}. */
  public void rowMap(RowMapping map) {
    cuts.rowMap(map);
  }

  /** Of {@link Device#hideRows}. */
  public void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    this.cuts.hideRows(hidden, positionsOut, positionsIn, cuts, rule);
  }

  /** Of {@link Device#gatherRows}. */
  public void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    moves.gatherRows(out, in, rows);
  }

  /** Of {@link Device#combineRows}. */
  public void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    moves.combineRows(out, in, index, weight);
  }

  /** Of {@link Device#compactRows}. */
  public void compactRows(List<Kv> kv, Tensor rows) {
    moves.compactRows(kv, rows);
  }

  // ---- the end of a step ----

  /** Of {@link Device#sample}. */
  public void sample(Tensor ids, Tensor seen, Tensor logits, Segments segments, Tensor nonFinite) {
    this.segments.sample(ids, seen, logits, segments, nonFinite);
  }

  /** Of {@link Device#advance}. */
  public void advance(Segments segments) {
    this.segments.advance(segments);
  }
}
