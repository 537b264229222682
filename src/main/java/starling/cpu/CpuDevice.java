package starling.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import starling.device.Activation;
import starling.device.Arguments;
import starling.device.AttentionInputs;
import starling.device.Block;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Graph;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.PositionRule;
import starling.device.ProductRows;
import starling.device.Rope;
import starling.device.RowMapping;
import starling.device.Segments;
import starling.device.Slab;
import starling.device.Span;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * The operators in Java: on all cores, with the Vector API where its module is in use, else scalar.
 * Weights stay mapped as they are stored. Results do not depend on the number of threads. This
 * class checks arguments; the operators stand in their own files.
 */
public final class CpuDevice implements Device {
  /** Host memory off the Java heap, for arenas of every cpu device. */
  private static final TensorArena.Memory HOST =
      new TensorArena.Memory() {
        private final Map<MemorySegment, Arena> arenas = new ConcurrentHashMap<>();

        @Override
        public Block allocate(long bytes) {
          Arena arena = Arena.ofShared();
          MemorySegment memory = arena.allocate(Math.max(1, bytes), 64);
          arenas.put(memory, arena);
          return Block.of(memory);
        }

        @Override
        public void free(Block block) {
          arenas.remove(block.memory()).close();
        }

        @Override
        public void zero(Block block) {
          block.memory().fill((byte) 0);
        }
      };

  private final Workers workers;
  private final Lanes lanes;
  private final NormRows norms;
  private final Gemm gemm;
  private final PartStatistics partStatistics;
  private final Attention attention;
  private final AttentionColsum colsum;
  private final RotaryEmbedding rotary;
  private final TokenSelect tokenSelect = new TokenSelect();
  private final Cosines cosines;
  private final Duplicates duplicates;
  private final Sampler sampler = new Sampler();
  private final Arguments arguments = new Arguments(HOST, Arguments.Runner.JAVA);
  private final float[][] embedRow = new float[1][0];
  private boolean closed;

  CpuDevice(int threads, Lanes lanes) {
    this.workers = new Workers(threads);
    this.lanes = lanes;
    this.norms = new NormRows(workers, lanes);
    this.gemm = new Gemm(workers, lanes, norms);
    this.partStatistics = new PartStatistics(workers, lanes);
    this.attention = new Attention(workers, lanes);
    this.colsum = new AttentionColsum(workers, lanes);
    this.rotary = new RotaryEmbedding(workers);
    this.cosines = new Cosines(workers, lanes);
    this.duplicates = new Duplicates(tokenSelect);
  }

  /** Opens it on all cores; the caller closes it. */
  public static CpuDevice open() {
    return open(Runtime.getRuntime().availableProcessors());
  }

  /**
   * The same on some threads.
   *
   * @param threads at least 1, the calling one included
   */
  public static CpuDevice open(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads is " + threads + "; at least 1 is needed");
    }
    return new CpuDevice(threads, Lanes.best());
  }

  /** The same on all cores, without the Vector API. */
  public static CpuDevice scalar() {
    return new CpuDevice(Runtime.getRuntime().availableProcessors(), new ScalarLanes());
  }

  /** Whether products and sums are one instruction here; else they are two. */
  public static boolean fma() {
    return Fma.FAST;
  }

  @Override
  public DeviceType type() {
    return DeviceType.CPU;
  }

  @Override
  public String description() {
    return workers.count() + " threads, " + lanes.description();
  }

  /** What the processor can do on this device's threads, for a bench. */
  public CpuCeilings ceilings() {
    checkOpen();
    return new CpuCeilings(workers, lanes);
  }

  // ---- memory ----

  @Override
  public TensorArena arena(String name) {
    checkOpen();
    return new TensorArena(name, HOST);
  }

  @Override
  public Slab slab(String slab) {
    return new Slab(slab, HOST);
  }

  /** There is nothing to gain here: the work is done again. */
  @Override
  public Graph graph(Runnable work) {
    return new Graph() {
      @Override
      public void launch() {
        work.run();
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public int headSize(int d) {
    return d;
  }

  @Override
  public String weightFormats() {
    return "f32, bf16, f16 and block formats as they are stored";
  }

  @Override
  public Linear linear(TensorArena arena, DType dtype, Linear.Source source) {
    checkOpen();
    arguments.linear(arena, dtype, source);
    return CpuWeights.linear(arena, dtype, source);
  }

  @Override
  public Linear asLinear(Tensor weight, Tensor bias) {
    checkOpen();
    arguments.asLinear(weight, bias);
    return new CpuLinear(weight, bias);
  }

  @Override
  public Tensor table(TensorArena arena, DType dtype, StoredTensor stored) {
    checkOpen();
    arguments.table(arena, dtype, stored);
    return CpuWeights.table(arena, dtype, stored);
  }

  @Override
  public void upload(Tensor dst, MemorySegment src) {
    checkOpen();
    arguments.upload(dst, src);
    long row = (long) dst.width() * dst.dtype().bytes();
    if (dst.rowStride() == dst.width()) {
      MemorySegment.copy(src, 0, dst.memory(), dst.offset(), row * dst.rows());
      return;
    }
    for (int i = 0; i < dst.rows(); i++) {
      MemorySegment.copy(src, i * row, dst.memory(), dst.offset(i), row);
    }
  }

  @Override
  public void download(MemorySegment dst, Tensor src) {
    checkOpen();
    arguments.download(dst, src);
    long row = (long) src.width() * src.dtype().bytes();
    for (int i = 0; i < src.rows(); i++) {
      MemorySegment.copy(src.memory(), src.offset(i), dst, i * row, row);
    }
  }

  @Override
  public long recordEvent() {
    return System.nanoTime();
  }

  @Override
  public double elapsedMillis(long from, long to) {
    return (to - from) / 1e6;
  }

  // ---- rows ----

  @Override
  public void patchify(Tensor out, Tensor pixels, int patch) {
    checkOpen();
    arguments.patchify(out, pixels, patch);
    int across = pixels.dim(2) / patch;
    float[] row = new float[out.width()];
    for (int n = 0; n < out.rows(); n++) {
      for (int c = 0, to = 0; c < 3; c++) {
        for (int y = 0; y < patch; y++, to += patch) {
          int from = (n / across * patch + y) * pixels.dim(2) + n % across * patch;
          Rows.load(pixels, c, from, patch, row, to);
        }
      }
      Rows.store(row, 0, out, n, 0, row.length);
    }
  }

  @Override
  public void embed(Tensor out, Tensor ids, Tensor table) {
    checkOpen();
    arguments.embed(out, ids, table);
    float[] row = Attention.scratch(embedRow, 0, table.width());
    for (int t = 0; t < ids.rows(); t++) {
      Rows.load(table, Rows.index(ids, t), row, 0);
      Rows.store(row, 0, out, t, 0, table.width());
    }
  }

  @Override
  public void layernorm(Tensor out, Tensor x, Norm norm) {
    checkOpen();
    arguments.layernorm(out, x, norm);
    workers.workAlone(arguments.wereConfined());
    norms.run(out, x, norm);
  }

  @Override
  public void rmsnorm(Tensor out, Tensor x, Norm norm) {
    checkOpen();
    arguments.rmsnorm(out, x, norm);
    workers.workAlone(arguments.wereConfined());
    norms.run(out, x, norm);
  }

  @Override
  public void rowStatistics(Tensor statistics, Tensor x) {
    checkOpen();
    arguments.rowStatistics(statistics, x);
    workers.workAlone(arguments.wereConfined());
    partStatistics.run(statistics, x);
  }

  /** A row that a product needs is loaded for it in any case. */
  @Override
  public boolean passesStatistics(int rows) {
    return false;
  }

  @Override
  public void gemm(
      Tensor y,
      Tensor x,
      Linear w,
      Norm before,
      Activation activation,
      Tensor residual,
      ProductRows around) {
    checkOpen();
    arguments.gemm(y, x, w, before, activation, residual, around);
    workers.workAlone(arguments.wereConfined());
    gemm.run(y, x, (CpuLinear) w, before, activation, residual, around.rows());
    if (around.statistics() != null) {
      partStatistics.run(around.statistics(), y);
    }
  }

  // ---- attention ----

  @Override
  public void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    checkOpen();
    arguments.rope(q, kv, qkv, positions, table);
    workers.workAlone(arguments.wereConfined());
    rotary.run(q, kv, qkv, positions, table);
  }

  @Override
  public void attention(Tensor out, Tensor lse, AttentionInputs in) {
    checkOpen();
    arguments.attention(out, lse, in);
    workers.workAlone(arguments.wereConfined());
    attention.run(out, lse, in);
  }

  @Override
  public void stepAttention(
      Tensor y,
      Tensor statistics,
      Tensor qkv,
      AttentionInputs in,
      Rope table,
      Tensor attended,
      Linear w,
      Tensor residual) {
    checkOpen();
    arguments.stepAttention(y, statistics, qkv, in, table, attended, w, residual);
    workers.workAlone(arguments.wereConfined());
    rotary.run(in.q(), in.kv(), qkv, null, table);
    attention.run(attended, null, in);
    gemm.run(y, attended, (CpuLinear) w, null, Activation.NONE, residual, null);
    if (statistics != null) {
      partStatistics.run(statistics, y);
    }
  }

  @Override
  public void attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates candidates) {
    checkOpen();
    arguments.attentionColsum(sums, in, lse, rows, candidates);
    workers.workAlone(arguments.wereConfined());
    colsum.run(sums, in, lse, rows, candidates);
  }

  // ---- selection and compaction ----

  @Override
  public void tokenSelect(Tensor keep, Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    checkOpen();
    arguments.tokenSelect(keep, score, sums, rows, nonFinite);
    tokenSelect.score(score, sums, rows, nonFinite);
    tokenSelect.select(keep, score);
  }

  @Override
  public void colsumSelect(
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Span rows,
      Candidates candidates,
      Tensor nonFinite,
      RowMapping map) {
    checkOpen();
    arguments.colsumSelect(keep, score, in, lse, rows, candidates, nonFinite, map);
    try (TensorArena scratch = arena("column sums")) {
      Tensor sums = scratch.alloc("sums", DType.F32, in.q().dim(1), candidates.count());
      workers.workAlone(arguments.wereConfined());
      colsum.run(sums, in, lse, rows, candidates);
      tokenSelect.score(score, sums, rows.length(), nonFinite);
      tokenSelect.select(keep, score);
    }
    if (map != null) {
      Compaction.rowMap(map);
    }
  }

  @Override
  public void cosines(Tensor out, Tensor x, Tensor nonFinite) {
    checkOpen();
    arguments.cosines(out, x, nonFinite);
    workers.workAlone(arguments.wereConfined());
    cosines.run(out, x, nonFinite);
  }

  @Override
  public void dropDuplicates(Tensor keep, Tensor score, Tensor cosines, int best) {
    checkOpen();
    arguments.dropDuplicates(keep, score, cosines, best);
    duplicates.drop(keep, score, cosines, best);
  }

  @Override
  public void rowMap(RowMapping map) {
    checkOpen();
    arguments.rowMap(map);
    Compaction.rowMap(map);
  }

  @Override
  public void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    checkOpen();
    arguments.gatherRows(out, in, rows);
    Compaction.gatherRows(out, in, rows);
  }

  @Override
  public void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    checkOpen();
    arguments.combineRows(out, in, index, weight);
    Compaction.combineRows(out, in, index, weight);
  }

  @Override
  public void compactRows(List<Kv> kv, Tensor rows) {
    checkOpen();
    arguments.compactRows(kv, rows);
    Compaction.compactRows(kv, rows);
  }

  @Override
  public void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    checkOpen();
    arguments.hideRows(hidden, positionsOut, positionsIn, cuts, rule);
    Compaction.hideRows(hidden, positionsOut, positionsIn, cuts, rule);
  }

  // ---- the end of a step ----

  @Override
  public void sample(Tensor ids, Tensor seen, Tensor logits, Segments segments, Tensor nonFinite) {
    checkOpen();
    arguments.sample(ids, seen, logits, segments, nonFinite);
    sampler.run(ids, seen, logits, segments, nonFinite);
  }

  @Override
  public void advance(Segments segments) {
    checkOpen();
    arguments.advance(segments);
    Tensor table = segments.table();
    for (int s = 0; s < table.rows(); s++) {
      int rows = Rows.index(table, s, Segments.ROWS);
      for (int c = Segments.LENGTH; c <= Segments.STEP && rows > 0; c++) {
        int by = c == Segments.HIDDEN ? 0 : c == Segments.STEP ? 1 : rows;
        Rows.setIndex(table, s, c, Rows.index(table, s, c) + by);
      }
    }
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("the cpu device is closed");
    }
  }

  /** Stops the threads; harmless when repeated. Memory belongs to the arenas. */
  @Override
  public void close() {
    closed = true;
    workers.close();
  }
}
