package starling.device;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * The operators by their definitions: plain loops in double, f32 storage, no tricks. Slow, and
 * obviously right; what the other devices are compared with.
 */
public final class ReferenceDevice implements Device {
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;
  private static final double LOG2_E = 1 / Math.log(2);

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

  @Override
  public TensorArena arena(String name) {
    return new TensorArena(
        name,
        new TensorArena.Memory() {
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
        });
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
    norm(out, x, norm);
  }

  @Override
  public void rmsnorm(Tensor out, Tensor x, Norm norm) {
    norm(out, x, norm);
  }

  private static void norm(Tensor out, Tensor x, Norm norm) {
    int d = x.width();
    for (int t = 0; t < x.rows(); t++) {
      double mean = 0;
      double square = 0;
      for (int i = 0; i < d && norm.bias() != null; i++) {
        mean += get(x, t, i) / (double) d;
      }
      for (int i = 0; i < d; i++) {
        square += Math.pow(get(x, t, i) - mean, 2) / d;
      }
      for (int i = 0; i < d; i++) {
        double y =
            (get(x, t, i) - mean) / Math.sqrt(square + norm.eps()) * get(norm.weight(), i, 0);
        set(out, t, i, y + (norm.bias() == null ? 0 : get(norm.bias(), i, 0)));
      }
    }
  }

  @Override
  public void gemm(
      Tensor y, Tensor x, Linear w, Norm before, Activation activation, Tensor residual) {
    try (TensorArena scratch = arena("gemm")) {
      Tensor in = x;
      if (before != null) {
        in = scratch.alloc("normed", DType.F32, x.rows(), x.width());
        norm(in, x, before);
      }
      for (int t = 0; t < x.rows(); t++) {
        double[] products = new double[w.out()];
        int o = 0;
        for (Tensor part : w.parts()) {
          for (int r = 0; r < part.rows(); r++, o++) {
            double sum = w.bias() == null ? 0 : get(w.bias(), o, 0);
            for (int i = 0; i < w.in(); i++) {
              sum += (double) get(in, t, i) * get(part, r, i);
            }
            products[o] = sum;
          }
        }
        for (int i = 0; i < y.width(); i++) {
          double a = products[i];
          double result =
              switch (activation) {
                case NONE -> a;
                case QUICK_GELU -> a / (1 + Math.exp(-1.702 * a));
                case GELU -> 0.5 * a * (1 + erf(a / Math.sqrt(2)));
                case SILU_MUL -> a / (1 + Math.exp(-a)) * products[y.width() + i];
              };
          set(y, t, i, result + (residual == null ? 0 : get(residual, t, i)));
        }
      }
    }
  }

  /**
   * The error function by its series, and by its continued fraction where the series would cancel.
   */
  static double erf(double x) {
    double a = Math.abs(x);
    if (a > 3) {
      double fraction = 0;
      for (int k = 60; k >= 1; k--) {
        fraction = k / 2.0 / (a + fraction);
      }
      return Math.signum(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
    }
    double term = x;
    double sum = x;
    for (int k = 1; k < 100; k++) {
      term *= -x * x / k;
      sum += term / (2 * k + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }

  // ---- attention ----

  /** A segment of a call, from its table or, without one, all rows. */
  private record Part(int row, int rows, int at, int length, int hidden, int[] position) {
    int key(int j) {
      return at + j;
    }
  }

  private static List<Part> parts(Segments segments, int rows, int keys) {
    if (segments == null) {
      return List.of(new Part(0, rows, 0, 0, 0, null));
    }
    var parts = new ArrayList<Part>();
    for (int s = 0; s < segments.table().rows(); s++) {
      int[] n = new int[16];
      for (int c = 0; c < 16; c++) {
        n[c] = index(segments.table(), s, c);
      }
      if (n[1] > 0) {
        assertInside(n[2] + n[4] + n[1], keys, n[3] - n[4] - n[1]);
        parts.add(new Part(n[0], n[1], n[2], n[4], n[5], Arrays.copyOfRange(n, 6, 9)));
      }
    }
    return parts;
  }

  private static void assertInside(int end, int keys, int left) {
    if (end > keys || left < 0) {
      throw new IllegalArgumentException("a segment beyond its keys");
    }
  }

  @Override
  public void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    for (Part part : parts(kv.segments(), q.rows(), kv.k().rows())) {
      for (int i = 0; i < part.rows; i++) {
        rope(q, kv, qkv, positions, table, part, i);
      }
    }
  }

  private static void rope(
      Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table, Part part, int row) {
    int heads = q.dim(1);
    int keyHeads = kv.k().dim(1);
    int d = q.dim(2);
    int half = table.cos().width();
    int t = part.row + row;
    int key = part.key(part.length + row);
    for (int h = 0; h < heads + 2 * keyHeads; h++) {
      for (int i = 0; i < d; i++) {
        double value = get(qkv, t, h * d + i);
        if (h < heads + keyHeads && i < 2 * half) {
          int axis = axis(table, i % half);
          int position =
              positions == null
                  ? part.position[axis] + row
                  : positions.rank() == 1 ? index(positions, t) : index(positions, axis, t);
          double cos = get(table.cos(), position, i % half);
          double sin = get(table.sin(), position, i % half);
          int partner = i < half ? i + half : i - half;
          value = value * cos + (i < half ? -1 : 1) * get(qkv, t, h * d + partner) * sin;
        }
        if (h < heads) {
          set(q, t, h * d + i, value);
        } else if (h < heads + keyHeads) {
          set(kv.k(), key, (h - heads) * d + i, value);
        } else {
          set(kv.v(), key, (h - heads - keyHeads) * d + i, value);
        }
      }
    }
  }

  private static int axis(Rope table, int frequency) {
    if (table.sections() == null || frequency < table.sections()[0]) {
      return 0;
    }
    return frequency < table.sections()[0] + table.sections()[1] ? 1 : 2;
  }

  /** {@code scale·q·k} of one row and head over the keys it may see, -∞ elsewhere. */
  private static double[] logits(AttentionInputs in, Part part, int row, int h) {
    Tensor q = in.q();
    Tensor k = in.kv().k();
    Tensor hidden = in.mask().hidden();
    int d = q.dim(2);
    int keyHead = h / (q.dim(1) / k.dim(1));
    double[] s = new double[part.length + part.rows];
    for (int j = 0; j < s.length; j++) {
      boolean seen =
          !(in.mask().causal() && j > part.length + row)
              && !(hidden != null && part.hidden >= 0 && hidden(hidden, part.hidden + j));
      for (int i = 0; i < d && seen; i++) {
        s[j] +=
            in.scale() * get(q, part.row + row, h * d + i) * get(k, part.key(j), keyHead * d + i);
      }
      s[j] = seen ? s[j] : Double.NEGATIVE_INFINITY;
    }
    return s;
  }

  private static boolean hidden(Tensor hidden, int row) {
    return hidden.memory().get(ValueLayout.JAVA_BYTE, hidden.offset(row)) != 0;
  }

  private static double logSum(double[] s) {
    double max = Arrays.stream(s).max().orElse(Double.NEGATIVE_INFINITY);
    return max == Double.NEGATIVE_INFINITY
        ? Double.POSITIVE_INFINITY
        : max + Math.log(Arrays.stream(s).map(v -> Math.exp(v - max)).sum());
  }

  @Override
  public void attention(Tensor out, Tensor lse, AttentionInputs in) {
    for (Part part : parts(in.kv().segments(), in.q().rows(), in.kv().k().rows())) {
      for (int i = 0; i < part.rows; i++) {
        for (int h = 0; h < in.q().dim(1); h++) {
          attention(out, lse, in, part, i, h);
        }
      }
    }
  }

  private static void attention(
      Tensor out, Tensor lse, AttentionInputs in, Part part, int row, int h) {
    Tensor q = in.q();
    Tensor v = in.kv().v();
    int d = q.dim(2);
    double[] s = logits(in, part, row, h);
    double sum = logSum(s);
    for (int i = 0; i < d; i++) {
      double o = 0;
      for (int j = 0; j < s.length; j++) {
        double p = Math.exp(s[j] - sum);
        o += p == 0 ? 0 : p * get(v, part.key(j), h / (q.dim(1) / v.dim(1)) * d + i);
      }
      set(out, part.row + row, h * d + i, o);
    }
    if (lse != null) {
      set(lse, h, part.row + row, sum * LOG2_E);
    }
  }

  @Override
  public void attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates candidates) {
    Part part = parts(in.kv().segments(), in.q().rows(), in.kv().k().rows()).get(0);
    for (int h = 0; h < in.q().dim(1); h++) {
      double[] received = new double[candidates.count()];
      for (int i = rows.from(); i < rows.to(); i++) {
        double[] s = logits(in, part, i, h);
        double sum = logSum(s);
        for (int j = 0; j < received.length; j++) {
          int key =
              candidates.at() + (candidates.index() == null ? j : index(candidates.index(), j));
          received[j] += Math.exp(s[key] - sum);
        }
      }
      for (int j = 0; j < received.length; j++) {
        set(sums, h, j, received[j]);
      }
    }
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
      Tensor nonFinite) {
    try (TensorArena scratch = arena("colsum")) {
      Tensor sums = scratch.alloc("sums", DType.F32, in.q().dim(1), candidates.count());
      attentionColsum(sums, in, lse, rows, candidates);
      tokenSelect(keep, score, sums, rows.length(), nonFinite);
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
  public void rowMap(
      Tensor rows,
      Tensor positionsOut,
      Tensor sources,
      Tensor positionsIn,
      List<Cut> cuts,
      PositionRule rule) {
    int all = positionsIn.dim(positionsIn.rank() - 1);
    int[] stay = staying(all, cuts);
    put(rows, stay);
    for (int axis = 0; axis < axes(positionsIn); axis++) {
      for (int i = 0; i < stay.length; i++) {
        int old = position(positionsIn, axis, stay[i]);
        setPosition(positionsOut, axis, i, rule == PositionRule.KEEP ? old : i);
      }
    }
    if (sources != null) {
      Set<Integer> candidates = candidates(cuts);
      // What [fixed rows | kept candidates] holds, and where each row of the result stands there.
      var order = new ArrayList<Integer>();
      IntStream.of(stay).filter(row -> !candidates.contains(row)).forEach(order::add);
      IntStream.of(stay).filter(candidates::contains).forEach(order::add);
      put(sources, IntStream.of(stay).map(order::indexOf).toArray());
    }
  }

  private static int axes(Tensor positions) {
    return positions.rank() == 1 ? 1 : positions.rows();
  }

  private static int position(Tensor t, int axis, int row) {
    return t.rank() == 1 ? index(t, row) : index(t, axis, row);
  }

  private static void setPosition(Tensor t, int axis, int row, int value) {
    if (t.rank() == 1) {
      setIndex(t, row, value);
    } else {
      t.memory().set(I32, t.offset(axis) + 4L * row, value);
    }
  }

  private static Set<Integer> candidates(List<Cut> cuts) {
    var rows = new HashSet<Integer>();
    for (Cut cut : cuts) {
      IntStream.range(0, cut.size()).forEach(j -> rows.add(candidate(cut, j)));
    }
    return rows;
  }

  private static int candidate(Cut cut, int j) {
    return cut.at() + (cut.candidates() == null ? j : index(cut.candidates(), j));
  }

  private static int[] staying(int count, List<Cut> cuts) {
    Set<Integer> dropped = candidates(cuts);
    for (Cut cut : cuts) {
      for (int i = 0; i < cut.keep().rows(); i++) {
        dropped.remove(candidate(cut, index(cut.keep(), i)));
      }
    }
    return IntStream.range(0, count).filter(i -> !dropped.contains(i)).toArray();
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
    int all = positionsIn.dim(positionsIn.rank() - 1);
    int[] stay = staying(all, cuts);
    var visible = new ArrayList<Integer>();
    for (int i = 0, s = 0; i < all; i++) {
      boolean stays = s < stay.length && stay[s] == i;
      s += stays ? 1 : 0;
      if (!stays) {
        hidden.memory().set(ValueLayout.JAVA_BYTE, hidden.offset(i), (byte) 1);
      } else if (!hidden(hidden, i)) {
        visible.add(i);
      }
    }
    for (int axis = 0; axis < axes(positionsIn); axis++) {
      for (int i = 0; i < all; i++) {
        setPosition(positionsOut, axis, i, position(positionsIn, axis, i));
      }
      for (int rank = 0; rank < visible.size() && rule == PositionRule.CONTIGUOUS; rank++) {
        setPosition(positionsOut, axis, visible.get(rank), rank);
      }
    }
  }

  // ---- the end of a step ----

  @Override
  public void sample(Tensor ids, Tensor logits, Segments segments, Tensor nonFinite) {
    for (int s = 0; s < segments.table().rows(); s++) {
      if (index(segments.table(), s, 10) != 0) {
        throw new UnsupportedOperationException("the reference is greedy");
      }
      int best = 0;
      boolean finite = index(nonFinite, s) == 0;
      for (int v = 0; v < logits.width(); v++) {
        finite &= Float.isFinite(get(logits, s, v));
        best = get(logits, s, v) > get(logits, s, best) ? v : best;
      }
      if (index(segments.table(), s, 1) > 0) {
        setIndex(ids, s, finite ? best : -1);
      }
    }
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

  private static void put(Tensor t, int[] values) {
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
