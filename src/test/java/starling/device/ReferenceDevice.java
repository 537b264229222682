package starling.device;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The operators by their definitions: plain loops in double, f32 storage, no tricks. Slow, and
 * obviously right; what the other devices are compared with.
 */
public final class ReferenceDevice implements Device {
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;

  private final Map<MemorySegment, Arena> arenas = new HashMap<>();

  @Override
  public DeviceType type() {
    return DeviceType.CPU;
  }

  @Override
  public String description() {
    return "definitions in double";
  }

  @Override
  public String weightFormats() {
    return "f32, of their values in double";
  }

  private TensorArena.Memory memory() {
    return new TensorArena.Memory() {
      @Override
      public Block allocate(long bytes) {
        Arena arena = Arena.ofShared();
        MemorySegment memory = arena.allocate(bytes, 64);
        arenas.put(memory, arena);
        return new Block(memory, 0);
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
  }

  @Override
  public TensorArena arena(String name) {
    return new TensorArena(name, memory());
  }

  @Override
  public Slab slab(String name) {
    return new Slab(name, memory());
  }

  @Override
  public Graph graph(Runnable work) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int headSize(int d) {
    return d;
  }

  @Override
  public Linear linear(TensorArena arena, DType dtype, Linear.Source source) {
    int in = source.weights().get(0).shape().get(1);
    var parts = new ArrayList<Tensor>();
    int out = 0;
    for (StoredTensor weight : source.weights()) {
      parts.add(table(arena, DType.F32, weight));
      out += weight.shape().get(0);
    }
    Tensor bias = null;
    if (source.biases().stream().anyMatch(b -> b != null)) {
      bias = arena.alloc("bias", DType.F32, out);
      int at = 0;
      for (int part = 0; part < parts.size(); part++) {
        for (int i = 0; i < parts.get(part).rows(); i++, at++) {
          StoredTensor b = source.biases().get(part);
          set(bias, at, 0, b == null ? 0 : b.get(i));
        }
      }
    }
    List<WeightFormat> formats = Collections.nCopies(parts.size(), new PlainFormat(DType.F32));
    return new Linear(source.weights().get(0).name(), DType.F32, in, parts, formats, bias) {};
  }

  @Override
  public Linear asLinear(Tensor weight, Tensor bias) {
    return new Linear(weight, bias) {};
  }

  @Override
  public Tensor table(TensorArena arena, DType dtype, StoredTensor s) {
    Tensor t = arena.alloc(s.name(), DType.F32, s.shape().stream().mapToInt(i -> i).toArray());
    for (int i = 0; i < t.rows(); i++) {
      for (int j = 0; j < t.width(); j++) {
        set(t, i, j, s.get((long) i * t.width() + j));
      }
    }
    return t;
  }

  @Override
  public void upload(Tensor dst, MemorySegment src) {
    long row = (long) dst.width() * dst.dtype().bytes();
    for (int i = 0; i < dst.rows(); i++) {
      MemorySegment.copy(src, i * row, dst.memory(), dst.offset(i), row);
    }
  }

  @Override
  public void download(MemorySegment dst, Tensor src) {
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
  public void patchify(Tensor out, Tensor pixels, int p) {
    int grid = pixels.dim(2) / p;
    for (int n = 0; n < out.rows(); n++) {
      for (int c = 0; c < 3; c++) {
        for (int y = 0; y < p; y++) {
          for (int x = 0; x < p; x++) {
            int pixel = (n / grid * p + y) * pixels.dim(2) + n % grid * p + x;
            set(out, n, (c * p + y) * p + x, get(pixels, c, pixel));
          }
        }
      }
    }
  }

  @Override
  public void embed(Tensor out, Tensor ids, Tensor table) {
    for (int t = 0; t < out.rows(); t++) {
      copyRow(out, t, table, index(ids, t));
    }
  }

  @Override
  public void layernorm(Tensor out, Tensor x, Norm norm) {
    ReferenceProducts.norm(out, x, norm);
  }

  @Override
  public void rmsnorm(Tensor out, Tensor x, Norm norm) {
    ReferenceProducts.norm(out, x, norm);
  }

  @Override
  public void rowStatistics(Tensor statistics, Tensor x) {
    ReferenceProducts.statistics(statistics, x);
  }

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
    try (TensorArena scratch = arena("gemm")) {
      for (int t = 0; t < y.rows(); t++) {
        int from = around.rows() == null ? t : index(around.rows(), t);
        Tensor added = residual == null ? null : residual.rows(from, from + 1);
        ReferenceProducts.multiply(
            scratch, y.rows(t, t + 1), x.rows(from, from + 1), w, before, activation, added);
      }
    }
    if (around.statistics() != null) {
      rowStatistics(around.statistics(), y);
    }
  }

  // ---- attention ----

  @Override
  public void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    ReferenceAttention.rope(q, kv, qkv, positions, table);
  }

  @Override
  public void attention(Tensor out, Tensor lse, AttentionInputs in) {
    ReferenceAttention.attention(out, lse, in);
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
    rope(in.q(), in.kv(), qkv, null, table);
    attention(attended.split(in.q().dim(1), in.q().dim(2)), null, in);
    gemm(y, attended, w, null, Activation.NONE, residual, ProductRows.leaving(statistics));
  }

  @Override
  public void attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates candidates) {
    ReferenceAttention.attentionColsum(sums, in, rows, candidates);
  }

  // ---- selection ----

  @Override
  public void tokenSelect(Tensor keep, Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    int sources = sums.width() / score.rows();
    for (int j = 0; j < score.rows(); j++) {
      double sum = 0;
      for (int h = 0; h < sums.rows(); h++) {
        for (int s = 0; s < sources; s++) {
          sum += get(sums, h, j * sources + s);
        }
      }
      set(score, j, 0, sum / ((double) sums.rows() * rows * sources));
      if (!Float.isFinite(get(score, j, 0))) {
        setIndex(nonFinite, 0, 1);
      }
    }
    List<Integer> best = ranked(score).subList(0, keep.rows());
    put(keep, best.stream().mapToInt(i -> i).sorted().toArray());
  }

  /** Candidates by falling score, ties by rising index, what is not finite last. */
  private static List<Integer> ranked(Tensor score) {
    Comparator<Integer> falling =
        Comparator.comparingDouble(
            i -> Float.isFinite(get(score, i, 0)) ? -get(score, i, 0) : Double.MAX_VALUE);
    return IntStream.range(0, score.rows()).boxed().sorted(falling).toList();
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
    try (TensorArena scratch = arena("colsum")) {
      Tensor sums = scratch.alloc("sums", DType.F32, in.q().dim(1), candidates.count());
      attentionColsum(sums, in, lse, rows, candidates);
      tokenSelect(keep, score, sums, rows.length(), nonFinite);
    }
    if (map != null) {
      rowMap(map);
    }
  }

  @Override
  public void cosines(Tensor out, Tensor x, Tensor nonFinite) {
    for (int i = 0; i < x.rows(); i++) {
      for (int j = 0; j < x.rows(); j++) {
        set(out, i, j, cosine(x, i, j));
        if (!Float.isFinite(get(out, i, j))) {
          setIndex(nonFinite, 0, 1);
        }
      }
    }
  }

  @Override
  public void dropDuplicates(Tensor keep, Tensor score, Tensor cosines, int best) {
    List<Integer> order = ranked(score);
    var kept = new ArrayList<>(order.subList(0, best));
    var rest = new ArrayList<>(order.subList(best, order.size()));
    int diverse = keep.rows() - best;
    while (rest.size() > diverse) {
      int drop = Math.min(Math.min(8, rest.size() - diverse), (rest.size() + 1) / 2);
      var first = new ArrayList<Integer>();
      var second = new ArrayList<Integer>();
      for (int i = 0; i < rest.size(); i++) {
        (i % 2 == 0 ? first : second).add(rest.get(i));
      }
      Map<Integer, Double> nearest = new HashMap<>();
      for (int a : first) {
        nearest.put(
            a,
            second.stream()
                .mapToDouble(b -> get(cosines, a, b))
                .filter(Double::isFinite)
                .max()
                .orElse(-Double.MAX_VALUE));
      }
      first.sort(Comparator.comparingDouble(a -> -nearest.get(a)));
      rest = new ArrayList<>(first.subList(drop, first.size()));
      rest.addAll(second);
    }
    kept.addAll(rest);
    put(keep, kept.stream().mapToInt(i -> i).sorted().toArray());
  }

  private static double cosine(Tensor x, int a, int b) {
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < x.width(); i++) {
      ab += (double) get(x, a, i) * get(x, b, i);
      aa += (double) get(x, a, i) * get(x, a, i);
      bb += (double) get(x, b, i) * get(x, b, i);
    }
    return ab / Math.sqrt(aa * bb);
  }

  // ---- compaction ----

  @Override
  public void rowMap(RowMapping map) {
    ReferenceCuts.rowMap(map);
  }

  @Override
  public void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    for (int n = 0; n < out.size(); n++) {
      for (int i = 0; i < rows.rows(); i++) {
        copyRow(out.get(n), i, in.get(n), index(rows, i));
      }
    }
  }

  @Override
  public void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    for (int i = 0; i < out.rows(); i++) {
      for (int c = 0; c < out.width(); c++) {
        double sum = 0;
        for (int j = 0; j < index.width(); j++) {
          sum += (double) get(weight, i, j) * get(in, index(index, i, j), c);
        }
        set(out, i, c, sum);
      }
    }
  }

  @Override
  public void compactRows(List<Kv> kv, Tensor rows) {
    for (Kv layer : kv) {
      for (int i = 0; i < rows.rows(); i++) {
        copyRow(layer.k(), i, layer.k(), index(rows, i));
        copyRow(layer.v(), i, layer.v(), index(rows, i));
      }
    }
  }

  @Override
  public void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    ReferenceCuts.hideRows(hidden, positionsOut, positionsIn, cuts, rule);
  }

  // ---- the end of a step ----

  @Override
  public void sample(Tensor ids, Tensor seen, Tensor logits, Segments segments, Tensor nonFinite) {
    for (int s = 0; s < segments.table().rows(); s++) {
      if (index(segments.table(), s, 10) != 0) {
        throw new UnsupportedOperationException("the reference is greedy");
      }
      int best = 0;
      float penalty = Float.intBitsToFloat(index(segments.table(), s, 15));
      boolean finite = index(nonFinite, s) == 0;
      for (int v = 0; v < logits.width(); v++) {
        finite &= Float.isFinite(penalized(logits, seen, s, v, penalty));
        best =
            penalized(logits, seen, s, v, penalty) > penalized(logits, seen, s, best, penalty)
                ? v
                : best;
      }
      if (index(segments.table(), s, 1) > 0) {
        setIndex(ids, s, finite ? best : -1);
        if (seen != null && finite) {
          int word = index(seen, s, best / 32) | 1 << best % 32;
          seen.memory().set(I32, seen.offset(s) + 4L * (best / 32), word);
        }
      }
    }
  }

  private static float penalized(Tensor logits, Tensor seen, int s, int v, float penalty) {
    float logit = get(logits, s, v);
    if (penalty == 0 || (index(seen, s, v / 32) >> v % 32 & 1) == 0) {
      return logit;
    }
    return logit < 0 ? logit * penalty : logit / penalty;
  }

  @Override
  public void advance(Segments segments) {
    Tensor t = segments.table();
    for (int s = 0; s < t.rows(); s++) {
      int rows = index(t, s, 1);
      for (int c : new int[] {4, 6, 7, 8, 9}) {
        int by = rows > 0 && c == 9 ? 1 : rows;
        t.memory().set(I32, t.offset(s) + 4L * c, index(t, s, c) + by);
      }
    }
  }

  @Override
  public void close() {}

  // ---- elements ----

  static float get(Tensor t, int row, int column) {
    return t.memory().get(F32, t.offset(row) + column * 4L);
  }

  static void set(Tensor t, int row, int column, double value) {
    t.memory().set(F32, t.offset(row) + column * 4L, (float) value);
  }

  static int index(Tensor t, int row) {
    return index(t, row, 0);
  }

  static int index(Tensor t, int row, int column) {
    return t.memory().get(I32, t.offset(row) + column * 4L);
  }

  static void setIndex(Tensor t, int row, int value) {
    t.memory().set(I32, t.offset(row), value);
  }

  static void put(Tensor t, int[] values) {
    for (int i = 0; i < values.length; i++) {
      setIndex(t, i, values[i]);
    }
  }

  private static void copyRow(Tensor to, int i, Tensor from, int j) {
    MemorySegment.copy(
        from.memory(),
        from.offset(j),
        to.memory(),
        to.offset(i),
        (long) from.width() * from.dtype().bytes());
  }
}
