package starling.device;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import starling.input.InputException;

/**
 * Checks of an operator's arguments, before anything is computed: one rule and one sentence for all
 * devices. They differ in two things alone, stated by {@link Runner}: which memory they reach, and
 * that kernels are compiled for some sizes of heads. Numbers in memory that Java can read (lengths,
 * indices) are checked here too; those in device memory are checked by the kernels of the emulated
 * device and trusted by a GPU's. Nothing is allocated unless a check fails.
 */
public final class Arguments {
  /** Cuts in one call of {@link Device#rowMap} or {@link Device#hideRows}. */
  public static final int MAX_CUTS = 64;

  /** Pairs of tensors in one call of {@link Device#gatherRows}. */
  public static final int MAX_GATHERS = 8;

  /** Candidates of a selection. */
  public static final int MAX_CANDIDATES = 4096;

  /** Segments of a call, those of all layers together where they are moved on. */
  public static final int MAX_SEGMENTS = 65_535;

  /** Query heads of an attention. */
  public static final int MAX_HEADS = 16_384;

  /** Logits that a token is drawn from. */
  public static final int MAX_VOCABULARY = 1 << 21;

  /** Bytes that a kernel moves at a time, where it does. */
  private static final int VECTOR = 16;

  /** What runs a device's operators, and what it cannot reach, in words. */
  public enum Runner {
    JAVA("in device memory", null, null, null),
    HOST_KERNELS(null, null, "on the Java heap", "as its file stores it"),
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

  private final TensorArena.Memory memory;
  private final Runner runner;
  private boolean confined;

  /**
   * @param memory the device's own, which all its arenas have
   */
  public Arguments(TensorArena.Memory memory, Runner runner) {
    this.memory = memory;
    this.runner = runner;
  }

  // ---- memory ----

  public void table(TensorArena arena, DType dtype, StoredTensor stored) {
    arena(arena, stored.name());
    floats(dtype, stored);
    if (stored.shape().isEmpty()) {
      throw new IllegalArgumentException(stored.name() + ": a table has at least one dimension");
    }
  }

  public void linear(TensorArena arena, DType dtype, Linear.Source source) {
    if (source.weights().isEmpty() || source.weights().size() != source.biases().size()) {
      throw new IllegalArgumentException(
          "source: "
              + source.weights().size()
              + " weights with "
              + source.biases().size()
              + " biases; each has one or null");
    }
    StoredTensor first = source.weights().get(0);
    arena(arena, first.name());
    for (int i = 0; i < source.weights().size(); i++) {
      StoredTensor w = source.weights().get(i);
      StoredTensor bias = source.biases().get(i);
      floats(dtype, w);
      if (w.shape().size() != 2
          || w.elements() == 0
          || !w.shape().get(1).equals(first.shape().get(1))) {
        throw new IllegalArgumentException(
            w.name() + ": a weight of shape " + w.shape() + " beside one of " + first.shape());
      }
      heads(w, w.shape().get(0), source.outHead(), "rows");
      heads(w, w.shape().get(1), source.inHead(), "columns");
      if (bias != null) {
        floats(dtype, bias);
        if (!bias.shape().equals(List.of(w.shape().get(0)))) {
          throw new IllegalArgumentException(
              bias.name() + ": a bias of shape " + bias.shape() + " for a weight of " + w.shape());
        }
      }
    }
  }

  public void asLinear(Tensor weight, Tensor bias) {
    matrix("w", weight, null, -1, -1);
    if (weight.rows() < 1 || weight.width() < 1) {
      throw new IllegalArgumentException("w: " + weight + ", a matrix without elements");
    }
    vectors("w", weight);
    if (bias != null) {
      vector("bias", bias, DType.F32, weight.rows());
    }
  }

  private void arena(TensorArena arena, String tensor) {
    if (!arena.isOf(memory)) {
      throw new IllegalArgumentException(
          tensor + ": arena '" + arena.name() + "' is another device's");
    }
  }

  private static void floats(DType dtype, StoredTensor stored) {
    boolean whole = stored.format() instanceof PlainFormat plain && !plain.dtype().isFloat();
    if (whole || !dtype.isFloat()) {
      String type = stored.format().name().toUpperCase(Locale.ROOT);
      throw new IllegalArgumentException(
          stored.name() + ": " + type + " as " + dtype + "; both must be float types");
    }
  }

  private static void heads(StoredTensor weight, int n, int head, String what) {
    if (head < 0 || (head > 0 && n % head != 0)) {
      throw new IllegalArgumentException(
          weight.name() + ": " + n + " " + what + " are no heads of " + head);
    }
  }

  public void upload(Tensor dst, MemorySegment src) {
    open("dst", dst);
    writable("dst", dst);
    host("src", src, hostBytes(dst));
  }

  public void download(MemorySegment dst, Tensor src) {
    open("src", src);
    host("dst", dst, hostBytes(src));
    if (dst.isReadOnly()) {
      throw new IllegalArgumentException("dst: its memory is read-only");
    }
  }

  private static long hostBytes(Tensor t) {
    return (long) t.rows() * t.width() * t.dtype().bytes();
  }

  /** Host memory of an upload or a download: large enough, open, and of this thread. */
  private static void host(String role, MemorySegment segment, long bytes) {
    if (segment.byteSize() < bytes) {
      throw new IllegalArgumentException(
          role + " has " + segment.byteSize() + " bytes, " + bytes + " are needed");
    }
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException(role + ": its memory is already closed");
    }
    if (!segment.isAccessibleBy(Thread.currentThread())) {
      throw new WrongThreadException(role + ": its memory belongs to another thread");
    }
  }

  // ---- one tensor ----

  /** Any type and shape, in open memory of this device. */
  public void open(String role, Tensor t) {
    t.expectOpen(role);
    reach(t);
  }

  private void reach(Tensor t) {
    t.checkReach(memory, runner);
    confined |= runner == Runner.JAVA && t.isConfined();
  }

  /**
   * Whether memory among the arguments since the last call of this method is the calling thread's
   * alone.
   */
  public boolean wereConfined() {
    boolean were = confined;
    confined = false;
    return were;
  }

  /** A vector; a null type means any floating-point type, a negative size any. */
  private void vector(String role, Tensor t, DType type, int n) {
    t.expect(role, type, n);
    reach(t);
  }

  private void matrix(String role, Tensor t, DType type, int rows, int columns) {
    t.expect(role, type, rows, columns);
    reach(t);
  }

  private void cube(String role, Tensor t, DType type, int rows, int heads, int channels) {
    t.expect(role, type, rows, heads, channels);
    reach(t);
  }

  /** An output must be in memory that may be written. */
  private static void writable(String role, Tensor t) {
    if (t.isReadOnly()) {
      throw new IllegalArgumentException(role + ": " + t + " in memory that may only be read");
    }
  }

  private static void sameType(String role, Tensor t, Tensor other) {
    if (t.type() != other.type()) {
      throw new IllegalArgumentException(role + ": " + t + ", but " + other);
    }
  }

  /** Rows that a kernel reads 16 bytes at a time. */
  private static void vectors(String role, Tensor t) {
    if (!t.isMapped() && !t.rowsStartAt(VECTOR)) {
      throw new IllegalArgumentException(
          role + ": " + t + ", of which every row must start at a multiple of 16 bytes");
    }
  }

  /** An output may not lie where something else of the call does. */
  private static void apart(String role, Tensor out, String otherRole, Tensor other) {
    if (other != null && out != null && out.overlaps(other)) {
      throw new IllegalArgumentException(
          role + ": " + out + " overlaps " + otherRole + ", where " + other);
    }
  }

  /** The same, except that it may be the other tensor itself. */
  private static void apartOrSame(String role, Tensor out, String otherRole, Tensor other) {
    if (other != null && !out.isSame(other)) {
      apart(role, out, otherRole, other);
    }
  }

  /** What no width can be equal to, if a product of sizes is larger than a width may be. */
  private static int size(long product) {
    return (int) Math.min(product, Integer.MAX_VALUE);
  }

  // ---- numbers in memory that Java can read ----

  /** Indices of {@code limit} rows. */
  private static void indices(String role, Tensor t, int limit) {
    if (limit < 1 && t.rows() > 0 && t.width() > 0) {
      throw new IllegalArgumentException(role + ": " + t + ", indices of no rows");
    }
    if (t.isReadable()) {
      for (int i = 0; i < t.rows(); i++) {
        for (int j = 0; j < t.width(); j++) {
          index(role, t, i, j, limit);
        }
      }
    }
  }

  private static int index(String role, Tensor t, int i, int j, int limit) {
    int index = t.index(i, j);
    if (index < 0 || index >= limit) {
      throw new IllegalArgumentException(
          role
              + ": "
              + t.name()
              + "["
              + i
              + (t.rank() == 1 ? "" : ", " + j)
              + "] is "
              + index
              + "; it must be at least 0 and below "
              + limit);
    }
    return index;
  }

  private static void ascending(String role, Tensor t, int limit) {
    for (int i = 0, before = -1; t.isReadable() && i < t.rows(); i++) {
      int index = index(role, t, i, 0, limit);
      if (index <= before) {
        throw new IllegalArgumentException(
            role + ": " + t.name() + ": " + index + " follows " + before + "; it must ascend");
      }
      before = index;
    }
  }

  // ---- rows ----

  public void patchify(Tensor out, Tensor pixels, int patch) {
    cube("pixels", pixels, DType.F32, 3, -1, -1);
    if (patch < 1 || patch > pixels.dim(1) || patch > pixels.dim(2)) {
      throw new IllegalArgumentException("pixels: " + pixels + " with patches of " + patch);
    }
    int patches = size((long) (pixels.dim(1) / patch) * (pixels.dim(2) / patch));
    matrix("out", out, null, patches, size(3L * patch * patch));
    writable("out", out);
    apart("out", out, "pixels", pixels);
  }

  public void embed(Tensor out, Tensor ids, Tensor table) {
    vector("ids", ids, DType.I32, -1);
    matrix("table", table, null, -1, -1);
    matrix("out", out, null, ids.rows(), table.width());
    sameType("table", table, out);
    writable("out", out);
    apart("out", out, "ids", ids);
    apart("out", out, "table", table);
    indices("ids", ids, table.rows());
  }

  public void layernorm(Tensor out, Tensor x, Norm norm) {
    if (norm.bias() == null) {
      throw new IllegalArgumentException("norm: a layer norm needs a bias");
    }
    normalise(out, x, norm);
  }

  public void rmsnorm(Tensor out, Tensor x, Norm norm) {
    if (norm.bias() != null) {
      throw new IllegalArgumentException("norm: an RMS norm has no bias");
    }
    normalise(out, x, norm);
  }

  private void normalise(Tensor out, Tensor x, Norm norm) {
    matrix("x", x, null, -1, -1);
    if (x.width() == 0) {
      throw new IllegalArgumentException("x: " + x + ", rows without elements");
    }
    matrix("out", out, null, x.rows(), x.width());
    norm("weight", "bias", x, norm, out);
    sameType("out", out, x);
    vectors("x", x);
    writable("out", out);
    apartOrSame("out", out, "x", x);
  }

  /** A norm of {@code x}'s rows, whose result goes to {@code out}. */
  private void norm(String weightRole, String biasRole, Tensor x, Norm norm, Tensor out) {
    column(weightRole, norm.weight(), x, out);
    if (norm.bias() != null) {
      column(biasRole, norm.bias(), x, out);
    }
    if (!(norm.eps() >= 0 && norm.eps() <= Float.MAX_VALUE)) {
      throw new IllegalArgumentException(
          weightRole + ": " + norm.weight() + " with an eps of " + norm.eps());
    }
  }

  private void column(String role, Tensor t, Tensor x, Tensor out) {
    vector(role, t, null, x.width());
    sameType(role, t, x);
    vectors(role, t);
    apart("out", out, role, t);
  }

  public void gemm(
      Tensor y, Tensor x, Linear w, Norm before, Activation activation, Tensor residual) {
    matrix("x", x, null, -1, w.in());
    boolean gated = activation == Activation.SILU_MUL;
    if (gated && w.out() % 2 != 0) {
      throw new IllegalArgumentException("w: " + w + ", an odd number of gates and ups");
    }
    weights(w, x, y);
    matrix("y", y, null, x.rows(), gated ? w.out() / 2 : w.out());
    if (y.type() != DType.F32) {
      sameType("y", y, x);
    }
    vectors("x", x);
    writable("y", y);
    apart("y", y, "x", x);
    if (residual != null) {
      matrix("residual", residual, null, x.rows(), y.width());
      sameType("residual", residual, y);
      apartOrSame("y", y, "residual", residual);
    }
    if (before != null) {
      norm("before", "before's bias", x, before, y);
    }
  }

  /** Its shapes are as they were when a device made it; its memory may be closed since then. */
  private void weights(Linear w, Tensor x, Tensor y) {
    for (int i = 0; i < w.parts().size(); i++) {
      open("w", w.parts().get(i));
      apart("y", y, "w", w.parts().get(i));
    }
    if (w.activations() != x.type()) {
      throw new IllegalArgumentException("w: " + w + ", but " + x);
    }
    if (w.bias() != null) {
      open("bias", w.bias());
      apart("y", y, "bias", w.bias());
    }
  }

  // ---- attention ----

  public void rope(Tensor q, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    cube("q", q, null, -1, -1, -1);
    cache(q, kv);
    matrix("qkv", qkv, null, q.rows(), size((q.dim(1) + 2L * kv.k().dim(1)) * q.dim(2)));
    sameType("qkv", qkv, q);
    matrix("cos", table.cos(), DType.F32, -1, -1);
    matrix("sin", table.sin(), DType.F32, table.cos().rows(), table.cos().width());
    if (2L * table.cos().width() > q.dim(2)) {
      throw new IllegalArgumentException(
          "cos: " + table.cos() + " is wider than half a head of " + q);
    }
    sections(table);
    positions(positions, q.rows(), kv.segments(), table);
    written("q", q, kv, qkv, positions, table);
    written("k", kv.k(), kv, qkv, positions, table);
    written("v", kv.v(), kv, qkv, positions, table);
    apart("q", q, "k", kv.k());
    apart("q", q, "v", kv.v());
    apart("k", kv.k(), "v", kv.v());
    numbers(q, kv, null);
    standing(positions, kv.segments(), table.cos().rows());
  }

  private static void sections(Rope table) {
    int[] s = table.sections();
    if (s == null) {
      return;
    }
    boolean fit = s.length == Segments.AXES;
    long sum = 0;
    for (int i = 0; i < s.length; i++) {
      fit &= s[i] >= 0;
      sum += s[i];
    }
    if (!fit || sum != table.cos().width()) {
      throw new IllegalArgumentException(
          "sections: " + Arrays.toString(s) + " are no three parts of " + table.cos());
    }
  }

  private void positions(Tensor positions, int rows, Segments segments, Rope table) {
    if (positions == null && segments == null) {
      throw new IllegalArgumentException(
          "positions: null, and no segments that say where the rows stand");
    }
    if (positions != null && positions.rank() == 1) {
      vector("positions", positions, DType.I32, rows);
    } else if (positions != null) {
      matrix("positions", positions, DType.I32, Segments.AXES, rows);
      if (table.sections() == null) {
        throw new IllegalArgumentException(
            "positions: " + positions + " on three axes, and a table without sections");
      }
    }
  }

  /** Positions that there are angles of, where Java can read them. */
  private static void standing(Tensor positions, Segments segments, int limit) {
    if (positions != null) {
      indices("positions", positions, limit);
      return;
    }
    for (int s = 0; segments.table().isReadable() && s < segments.count(); s++) {
      standing(segments.table(), s, limit);
    }
  }

  private static void standing(Tensor table, int s, int limit) {
    int rows = table.index(s, Segments.ROWS);
    for (int axis = 0; axis < Segments.AXES && rows > 0; axis++) {
      int first = table.index(s, Segments.POSITION + axis);
      if (first < 0 || (long) first + rows > limit) {
        throw new IllegalArgumentException(
            segment(table, s)
                + rows
                + " rows stand at "
                + first
                + " on; there are angles of "
                + limit
                + " positions");
      }
    }
  }

  private static void written(
      String role, Tensor out, Kv kv, Tensor qkv, Tensor positions, Rope table) {
    writable(role, out);
    apart(role, out, "segments", table(kv));
    apart(role, out, "qkv", qkv);
    apart(role, out, "positions", positions);
    apart(role, out, "cos", table.cos());
    apart(role, out, "sin", table.sin());
  }

  private static Tensor table(Kv kv) {
    return kv.segments() == null ? null : kv.segments().table();
  }

  /** Queries and their cache. */
  private void cache(Tensor q, Kv kv) {
    if (q.dim(1) < 1 || q.dim(1) > MAX_HEADS || q.dim(2) < 1) {
      throw new IllegalArgumentException(
          "q: " + q + ", expected 1 to " + MAX_HEADS + " heads of at least 1 channel");
    }
    cube("k", kv.k(), null, -1, -1, q.dim(2));
    cube("v", kv.v(), null, kv.k().rows(), kv.k().dim(1), q.dim(2));
    sameType("k", kv.k(), q);
    sameType("v", kv.v(), q);
    int keyHeads = kv.k().dim(1);
    if (keyHeads < 1 || q.dim(1) % keyHeads != 0) {
      throw new IllegalArgumentException(
          "k: " + kv.k() + " does not divide the " + q.dim(1) + " query heads");
    }
    if (kv.segments() != null) {
      segments(kv.segments());
    } else if (q.rows() > kv.k().rows()) {
      throw new IllegalArgumentException(
          "k: " + kv.k() + " has no room for the " + q.rows() + " rows of the call");
    }
  }

  private void segments(Segments segments) {
    matrix("segments", segments.table(), DType.I32, -1, Segments.WIDTH);
    if (segments.rows() < 0 || segments.keys() < segments.rows()) {
      throw new IllegalArgumentException(
          "segments: "
              + segments.table()
              + " of at most "
              + segments.rows()
              + " rows and "
              + segments.keys()
              + " keys each");
    }
    if (segments.count() > MAX_SEGMENTS) {
      throw new IllegalArgumentException(
          "segments: " + segments.table() + ", expected at most " + MAX_SEGMENTS);
    }
  }

  /** Where the rows and the keys of each segment lie, if Java can read it. */
  private static void numbers(Tensor q, Kv kv, Tensor hidden) {
    Segments segments = kv.segments();
    Tensor table = table(kv);
    long end = 0;
    for (int s = 0; table != null && table.isReadable() && s < table.rows(); s++) {
      int rows = table.index(s, Segments.ROWS);
      if (rows == 0) {
        continue;
      }
      int row = table.index(s, Segments.ROW);
      if (rows < 0 || rows > segments.rows() || row < end || (long) row + rows > q.rows()) {
        throw new IllegalArgumentException(
            segment(table, s)
                + rows
                + " rows (at most "
                + segments.rows()
                + ") from "
                + row
                + " on do not follow "
                + end
                + " within q: "
                + q);
      }
      end = (long) row + rows;
      keys(segments, s, rows, kv.k());
      int first = table.index(s, Segments.HIDDEN);
      long last = (long) first + table.index(s, Segments.CAPACITY);
      if (hidden != null && (first < -1 || (first >= 0 && last > hidden.rows()))) {
        throw new IllegalArgumentException(
            segment(table, s) + "bytes " + first + " to " + last + " of hidden: " + hidden);
      }
    }
  }

  private static void keys(Segments segments, int s, int rows, Tensor k) {
    Tensor table = segments.table();
    int at = table.index(s, Segments.AT);
    int capacity = table.index(s, Segments.CAPACITY);
    int length = table.index(s, Segments.LENGTH);
    if (at < 0 || capacity < 0 || (long) at + capacity > k.rows()) {
      throw new IllegalArgumentException(
          segment(table, s) + capacity + " keys from " + at + " on are not in k: " + k);
    }
    if (length < 0 || (long) length + rows > Math.min(capacity, segments.keys())) {
      throw new IllegalArgumentException(
          segment(table, s)
              + "there is no room for "
              + rows
              + " rows behind "
              + length
              + " in a capacity of "
              + capacity
              + ", of at most "
              + segments.keys()
              + " keys");
    }
  }

  private static String segment(Tensor table, int s) {
    return "segments: " + table.name() + "[" + s + "]: ";
  }

  /** The same for an attention: heads that kernels have, and a mask of all keys. */
  private void attended(AttentionInputs in) {
    Tensor q = in.q();
    Kv kv = in.kv();
    Tensor hidden = in.mask().hidden();
    cube("q", q, null, -1, -1, -1);
    if (hidden != null) {
      vector("hidden", hidden, DType.U8, -1);
    }
    cache(q, kv);
    heads("q", q);
    vectors("q", q, q.dim(2));
    vectors("k", kv.k(), q.dim(2));
    vectors("v", kv.v(), q.dim(2));
    if (hidden != null && kv.segments() == null && hidden.rows() < kv.k().rows()) {
      throw new IllegalArgumentException(
          "hidden: " + hidden + " is shorter than the " + kv.k().rows() + " keys of k");
    }
    if (!Float.isFinite(in.scale())) {
      throw new IllegalArgumentException("q: " + q + " with a scale of " + in.scale());
    }
  }

  /** Kernels are compiled for some sizes; Java takes any. */
  private void heads(String role, Tensor t) {
    int d = t.dim(2);
    if (runner != Runner.JAVA && d != 32 && d != 64 && d != 128) {
      throw new IllegalArgumentException(
          role + ": " + t + ", expected heads of 32, 64 or 128 channels; pad others with zeros");
    }
  }

  /** Heads of whole vectors lie at whole vectors; the others are those that only Java takes. */
  private static void vectors(String role, Tensor t, int channels) {
    if (channels * t.dtype().bytes() % VECTOR == 0) {
      vectors(role, t);
    }
  }

  public void attention(Tensor out, Tensor lse, AttentionInputs in) {
    Tensor q = in.q();
    attended(in);
    cube("out", out, null, q.rows(), q.dim(1), q.dim(2));
    sameType("out", out, q);
    reading("out", out, in);
    if (lse != null) {
      matrix("lse", lse, DType.F32, q.dim(1), q.rows());
      reading("lse", lse, in);
      apart("out", out, "lse", lse);
    }
    numbers(q, in.kv(), in.mask().hidden());
  }

  /** An output beside what an attention is given. */
  private static void reading(String role, Tensor out, AttentionInputs in) {
    writable(role, out);
    apart(role, out, "q", in.q());
    apart(role, out, "k", in.kv().k());
    apart(role, out, "v", in.kv().v());
    apart(role, out, "segments", table(in.kv()));
    apart(role, out, "hidden", in.mask().hidden());
  }

  public void attentionColsum(
      Tensor sums, AttentionInputs in, Tensor lse, Span rows, Candidates keys) {
    received(in, lse, rows, keys);
    matrix("sums", sums, DType.F32, in.q().dim(1), keys.count());
    receiving("sums", sums, in, lse, keys);
    numbers(in, rows, keys);
  }

  private void received(AttentionInputs in, Tensor lse, Span rows, Candidates keys) {
    Tensor q = in.q();
    Segments segments = in.kv().segments();
    attended(in);
    matrix("lse", lse, DType.F32, q.dim(1), q.rows());
    if (segments != null && segments.count() != 1) {
      throw new IllegalArgumentException(
          "segments: " + segments.table() + "; column sums are of one segment");
    }
    int most = segments == null ? q.rows() : Math.min(segments.rows(), q.rows());
    int among = segments == null ? most : Math.min(segments.keys(), in.kv().k().rows());
    if (rows.to() > most) {
      throw new IllegalArgumentException("rows: " + rows + " of at most " + most + " of " + q);
    }
    boolean listed = keys.index() != null;
    if (keys.at() < 0 || keys.count() < 0 || keys.at() + (listed ? 0L : keys.count()) > among) {
      throw new IllegalArgumentException(
          "keys: " + keys.at() + " + " + keys.count() + " of " + among + ", k: " + in.kv().k());
    }
    if (listed) {
      vector("keys", keys.index(), DType.I32, keys.count());
    }
  }

  /** Rows and keys that the one segment has, where Java can read it. */
  private static void numbers(AttentionInputs in, Span rows, Candidates keys) {
    Segments segments = in.kv().segments();
    numbers(in.q(), in.kv(), in.mask().hidden());
    int of = in.q().rows();
    int among = of;
    if (segments != null && segments.table().isReadable()) {
      of = segments.table().index(0, Segments.ROWS);
      among = of == 0 ? 0 : segments.table().index(0, Segments.LENGTH) + of;
    } else if (segments != null) {
      among = Math.min(segments.keys(), in.kv().k().rows());
    }
    if (rows.to() > of) {
      throw new IllegalArgumentException("rows: " + rows + " of " + of + " of " + in.q());
    }
    boolean listed = keys.index() != null;
    if (keys.at() + (listed ? 0L : keys.count()) > among) {
      throw new IllegalArgumentException(
          "keys: " + keys.at() + " + " + keys.count() + " of " + among + ", k: " + in.kv().k());
    }
    if (listed) {
      indices("keys", keys.index(), among - keys.at());
    }
  }

  private static void receiving(
      String role, Tensor out, AttentionInputs in, Tensor lse, Candidates keys) {
    reading(role, out, in);
    apart(role, out, "lse", lse);
    apart(role, out, "keys", keys.index());
  }

  // ---- selection and compaction ----

  public void tokenSelect(Tensor keep, Tensor score, Tensor sums, int rows, Tensor nonFinite) {
    matrix("sums", sums, DType.F32, -1, -1);
    if (rows < 1 || sums.rows() < 1) {
      throw new IllegalArgumentException("sums: " + sums + " of " + rows + " rows");
    }
    selection(keep, score, nonFinite);
    sources("sums", sums.width(), score);
    writable("score", score);
    apart("keep", keep, "sums", sums);
    apart("score", score, "sums", sums);
    apart("nonFinite", nonFinite, "sums", sums);
  }

  /** As many for each candidate. */
  private static void sources(String role, int all, Tensor score) {
    if (all < score.rows() || all % score.rows() != 0) {
      throw new IllegalArgumentException(
          role + ": " + all + " do not make as many sources for every candidate, where " + score);
    }
  }

  /** Candidates with a score each, and those that are kept. */
  private void selection(Tensor keep, Tensor score) {
    vector("score", score, DType.F32, -1);
    if (score.rows() < 1 || score.rows() > MAX_CANDIDATES) {
      throw new IllegalArgumentException(
          "score: " + score + ", expected 1 to " + MAX_CANDIDATES + " candidates");
    }
    vector("keep", keep, DType.I32, -1);
    if (keep.rows() < 1 || keep.rows() > score.rows()) {
      throw new IllegalArgumentException("keep: " + keep + " of " + score.rows() + " candidates");
    }
    writable("keep", keep);
    apart("keep", keep, "score", score);
  }

  private void selection(Tensor keep, Tensor score, Tensor nonFinite) {
    selection(keep, score);
    flag(nonFinite);
    apart("keep", keep, "nonFinite", nonFinite);
    apart("nonFinite", nonFinite, "score", score);
  }

  private void flag(Tensor nonFinite) {
    vector("nonFinite", nonFinite, DType.I32, 1);
    writable("nonFinite", nonFinite);
  }

  public void colsumSelect(
      Tensor keep,
      Tensor score,
      AttentionInputs in,
      Tensor lse,
      Span rows,
      Candidates keys,
      Tensor nonFinite) {
    received(in, lse, rows, keys);
    if (rows.length() < 1) {
      throw new IllegalArgumentException("rows: " + rows + " of " + in.q() + " is empty");
    }
    selection(keep, score, nonFinite);
    sources("keys", keys.count(), score);
    receiving("keep", keep, in, lse, keys);
    receiving("score", score, in, lse, keys);
    receiving("nonFinite", nonFinite, in, lse, keys);
    numbers(in, rows, keys);
  }

  public void cosines(Tensor out, Tensor x, Tensor nonFinite) {
    matrix("x", x, null, -1, -1);
    if (x.width() == 0) {
      throw new IllegalArgumentException("x: " + x + ", rows without elements");
    }
    if (x.rows() < 1 || x.rows() > MAX_CANDIDATES) {
      throw new IllegalArgumentException("x: " + x + ", expected 1 to " + MAX_CANDIDATES + " rows");
    }
    matrix("out", out, DType.F32, x.rows(), x.rows());
    flag(nonFinite);
    vectors("x", x);
    writable("out", out);
    apart("out", out, "x", x);
    apart("out", out, "nonFinite", nonFinite);
    apart("nonFinite", nonFinite, "x", x);
  }

  public void dropDuplicates(Tensor keep, Tensor score, Tensor cosines, int best) {
    selection(keep, score);
    matrix("cosines", cosines, DType.F32, score.rows(), score.rows());
    if (best < 0 || best > keep.rows()) {
      throw new IllegalArgumentException("best is " + best + " of " + keep.rows());
    }
    apart("keep", keep, "cosines", cosines);
  }

  public void rowMap(
      Tensor rows,
      Tensor positionsOut,
      Tensor sources,
      Tensor positionsIn,
      List<Cut> cuts,
      PositionRule rule) {
    int all = positions("positionsIn", positionsIn, positionsIn, -1);
    int stay = all - cuts(cuts, all, rule);
    vector("rows", rows, DType.I32, stay);
    positions("positionsOut", positionsOut, positionsIn, stay);
    cutting("rows", rows, positionsIn, cuts);
    cutting("positionsOut", positionsOut, positionsIn, cuts);
    apart("rows", rows, "positionsOut", positionsOut);
    if (sources != null) {
      vector("sources", sources, DType.I32, stay);
      cutting("sources", sources, positionsIn, cuts);
      apart("sources", sources, "rows", rows);
      apart("sources", sources, "positionsOut", positionsOut);
    }
  }

  /**
   * A vector of positions, or a row of them for each axis, as {@code like} has them.
   *
   * @return how many rows have one
   */
  private int positions(String role, Tensor t, Tensor like, int rows) {
    if (like.rank() == 1) {
      vector(role, t, DType.I32, rows);
      return t.rows();
    }
    matrix(role, t, DType.I32, t == like ? -1 : like.rows(), rows);
    if (t.rows() < 1) {
      throw new IllegalArgumentException(role + ": " + t + ", positions on no axis");
    }
    return t.dim(1);
  }

  /** Returns how many rows they drop. */
  private int cuts(List<Cut> cuts, int rows, PositionRule rule) {
    if (rule == null) {
      throw new IllegalArgumentException("rule: null; where do the rows that stay stand?");
    }
    if (cuts.size() > MAX_CUTS) {
      throw new InputException(
          cuts.size() + " groups of image tokens are cut at once; the device takes " + MAX_CUTS);
    }
    int dropped = 0;
    for (int i = 0; i < cuts.size(); i++) {
      Cut cut = cuts.get(i);
      vector("keep", cut.keep(), DType.I32, -1);
      if (cut.at() < 0 || cut.count() < 0 || (long) cut.at() + cut.count() > rows) {
        throw new IllegalArgumentException(
            "cuts: rows "
                + cut.at()
                + " + "
                + cut.count()
                + " of "
                + rows
                + ", where "
                + cut.keep());
      }
      if (cut.candidates() != null) {
        vector("candidates", cut.candidates(), DType.I32, -1);
        if (cut.size() > cut.count()) {
          throw new IllegalArgumentException(
              "candidates: " + cut.candidates() + " among " + cut.count() + " rows");
        }
        ascending("candidates", cut.candidates(), cut.count());
      }
      if (cut.keep().rows() > cut.size()) {
        throw new IllegalArgumentException(
            "keep: " + cut.keep() + " of " + cut.size() + " candidates");
      }
      ascending("keep", cut.keep(), cut.size());
      for (int earlier = 0; earlier < i; earlier++) {
        disjoint(cuts.get(earlier), cut);
      }
      dropped += cut.dropped();
    }
    return dropped;
  }

  /** Two cuts have no candidate in common, as far as Java can read them. */
  private static void disjoint(Cut a, Cut b) {
    boolean apart = a.at() + a.count() <= b.at() || b.at() + b.count() <= a.at();
    if (apart || !isReadable(a.candidates()) || !isReadable(b.candidates())) {
      return;
    }
    for (int i = 0, j = 0; i < a.size() && j < b.size(); ) {
      int row = candidate(a, i);
      int other = candidate(b, j);
      if (row == other) {
        throw new IllegalArgumentException(
            "cuts: row "
                + row
                + " is a candidate of two, rows "
                + a.at()
                + " + "
                + a.count()
                + " and "
                + b.at()
                + " + "
                + b.count()
                + ", where "
                + b.keep());
      }
      i += row < other ? 1 : 0;
      j += row < other ? 0 : 1;
    }
  }

  private static boolean isReadable(Tensor candidates) {
    return candidates == null || candidates.isReadable();
  }

  private static int candidate(Cut cut, int j) {
    return cut.at() + (cut.candidates() == null ? j : cut.candidates().index(j, 0));
  }

  private static void cutting(String role, Tensor out, Tensor positionsIn, List<Cut> cuts) {
    writable(role, out);
    apart(role, out, "positionsIn", positionsIn);
    for (int i = 0; i < cuts.size(); i++) {
      apart(role, out, "keep", cuts.get(i).keep());
      apart(role, out, "candidates", cuts.get(i).candidates());
    }
  }

  public void hideRows(
      Tensor hidden, Tensor positionsOut, Tensor positionsIn, List<Cut> cuts, PositionRule rule) {
    int all = positions("positionsIn", positionsIn, positionsIn, -1);
    positions("positionsOut", positionsOut, positionsIn, all);
    vector("hidden", hidden, DType.U8, -1);
    if (hidden.rows() < all) {
      throw new IllegalArgumentException(
          "hidden: " + hidden + " is shorter than the " + all + " rows");
    }
    cuts(cuts, all, rule);
    cutting("hidden", hidden, positionsIn, cuts);
    cutting("positionsOut", positionsOut, positionsIn, cuts);
    apart("hidden", hidden, "positionsOut", positionsOut);
  }

  public void gatherRows(List<Tensor> out, List<Tensor> in, Tensor rows) {
    vector("rows", rows, DType.I32, -1);
    if (out.isEmpty() || out.size() > MAX_GATHERS || out.size() != in.size()) {
      throw new IllegalArgumentException(
          "out: "
              + out.size()
              + " tensors for "
              + in.size()
              + "; they come in pairs, 1 to "
              + MAX_GATHERS);
    }
    for (int n = 0; n < out.size(); n++) {
      Tensor to = out.get(n);
      Tensor from = in.get(n);
      matrix("out", to, from.type(), rows.rows(), from.width());
      matrix("in", from, from.type(), -1, -1);
      writable("out", to);
      apart("out", to, "rows", rows);
      indices("rows", rows, from.rows());
    }
    for (int n = 0; n < out.size(); n++) {
      for (int i = 0; i < in.size(); i++) {
        apart("out", out.get(n), "in", in.get(i));
        if (i < n) {
          apart("out", out.get(n), "another out", out.get(i));
        }
      }
    }
  }

  public void combineRows(Tensor out, Tensor in, Tensor index, Tensor weight) {
    matrix("in", in, null, -1, -1);
    matrix("index", index, DType.I32, -1, -1);
    matrix("weight", weight, DType.F32, index.rows(), index.width());
    matrix("out", out, null, index.rows(), in.width());
    sameType("out", out, in);
    writable("out", out);
    apart("out", out, "in", in);
    apart("out", out, "index", index);
    apart("out", out, "weight", weight);
    indices("index", index, in.rows());
  }

  public void compactRows(List<Kv> kv, Tensor rows) {
    vector("rows", rows, DType.I32, -1);
    if (!kv.isEmpty()) {
      cube("k", kv.get(0).k(), null, -1, -1, -1);
    }
    for (int l = 0; l < kv.size(); l++) {
      Tensor k = kv.get(l).k();
      moved("k", k, kv.get(0).k(), rows);
      moved("v", kv.get(l).v(), kv.get(0).k(), rows);
      if (kv.get(l).v().rows() != k.rows()) {
        throw new IllegalArgumentException("v: " + kv.get(l).v() + ", but " + k);
      }
      ascending("rows", rows, k.rows());
      apart("k", k, "v", kv.get(l).v());
      for (int before = 0; before < l; before++) {
        twice("k", k, kv.get(before));
        twice("v", kv.get(l).v(), kv.get(before));
      }
    }
    if (!kv.isEmpty()) {
      heads("k", kv.get(0).k());
    }
  }

  /** One cache; all have rows of one kind. */
  private void moved(String role, Tensor t, Tensor first, Tensor rows) {
    cube(role, t, null, -1, first.dim(1), first.dim(2));
    vectors(role, t, t.dim(2));
    writable(role, t);
    apart(role, t, "rows", rows);
    if (t.type() != first.type() || t.rowStride() != first.rowStride()) {
      throw new IllegalArgumentException("kv: " + t + " and " + first + " differ in their rows");
    }
    if (rows.rows() > t.rows()) {
      throw new IllegalArgumentException("rows: " + rows + " of " + role + ", where " + t);
    }
  }

  private static void twice(String role, Tensor t, Kv earlier) {
    apart(role, t, "another k", earlier.k());
    apart(role, t, "another v", earlier.v());
  }

  // ---- the end of a step ----

  public void sample(Tensor ids, Tensor logits, Segments segments, Tensor nonFinite) {
    segments(segments);
    int count = segments.count();
    matrix("logits", logits, DType.F32, count, -1);
    if (logits.width() < 1 || logits.width() > MAX_VOCABULARY) {
      throw new IllegalArgumentException(
          "logits: " + logits + ", expected 1 to " + MAX_VOCABULARY + " tokens");
    }
    vector("ids", ids, DType.I32, count);
    vector("nonFinite", nonFinite, DType.I32, count);
    writable("ids", ids);
    apart("ids", ids, "logits", logits);
    apart("ids", ids, "segments", segments.table());
    apart("ids", ids, "nonFinite", nonFinite);
    for (int s = 0; segments.table().isReadable() && s < count; s++) {
      drawn(segments.table(), s);
    }
  }

  private static void drawn(Tensor table, int s) {
    if (table.index(s, Segments.ROWS) == 0) {
      return;
    }
    int step = table.index(s, Segments.STEP);
    float temperature = Float.intBitsToFloat(table.index(s, Segments.TEMPERATURE));
    int topK = table.index(s, Segments.TOP_K);
    float topP = Float.intBitsToFloat(table.index(s, Segments.TOP_P));
    boolean draws = temperature > 0 && topK >= 0 && topP > 0 && topP <= 1;
    if (step < 0 || (temperature != 0 && !draws)) {
      throw new IllegalArgumentException(
          segment(table, s)
              + "step "
              + step
              + ", temperature "
              + temperature
              + ", top-k "
              + topK
              + " and top-p "
              + topP
              + " draw no token");
    }
  }

  public void advance(Segments segments) {
    segments(segments);
    writable("segments", segments.table());
  }
}
