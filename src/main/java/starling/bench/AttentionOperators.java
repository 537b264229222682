package starling.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import starling.bench.Operator.Sizes;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Mask;
import starling.device.Rope;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Span;
import starling.device.Tensor;

/** Attention, and what it needs before and leaves behind. */
final class AttentionOperators {
  private AttentionOperators() {}

  static final Operator ROPE =
      new Operator(
          "rope",
          List.of("T", "H", "G", "d", "axes"),
          true,
          (in, s) -> {
            int t = s.get("T");
            int d = s.get("d");
            Tensor q = in.out("q", in.dtype, t, s.get("H"), d);
            Tensor k = in.out("k", in.dtype, t, s.get("G"), d);
            Tensor v = in.out("v", in.dtype, t, s.get("G"), d);
            var kv = new Kv(k, v, segments(in, t, t));
            Tensor qkv = in.floats("qkv", 1, t, (s.get("H") + 2 * s.get("G")) * d);
            Tensor positions = positions(in, t, s.get("axes", 1));
            var table =
                new Rope(
                    in.floats("cos", DType.F32, 1, t, d / 2),
                    in.floats("sin", DType.F32, 1, t, d / 2),
                    s.get("axes", 1) == 1 ? null : sections(d / 2));
            return () -> in.device.rope(q, kv, qkv, positions, table);
          },
          (s, t) ->
              s.at("T")
                  * (2L * t.bytes() * (s.at("H") + 2 * s.at("G")) * s.at("d")
                      + 4 * s.at("d")
                      + 4 * s.get("axes", 1)),
          (s, t) -> 0);

  static final Operator ATTENTION =
      new Operator(
          "attention",
          List.of("T", "S", "H", "G", "d", "causal", "across", "window"),
          true,
          (in, s) -> {
            AttentionInputs a = attention(in, s);
            Tensor out = in.out("out", in.dtype, s.get("T"), s.get("H"), s.get("d"));
            Tensor lse = in.out("lse", DType.F32, s.get("H"), s.get("T"));
            return () -> in.device.attention(out, lse, a);
          },
          (s, t) ->
              2L * t.bytes() * s.at("d") * (s.at("T") * s.at("H") + s.at("S") * s.at("G"))
                  + 4 * s.at("H") * s.at("T"),
          (s, t) -> 4 * pairs(s, 0) * s.at("H") * s.at("d"));

  static final Operator ATTENTION_COLSUM =
      new Operator(
          "attention_colsum",
          List.of("T", "S", "H", "G", "d", "causal"),
          true,
          (in, s) -> {
            AttentionInputs a = attention(in, s);
            Tensor lse = lse(in, s, a);
            Tensor sums = in.out("sums", DType.F32, s.get("H"), s.get("S"));
            var rows = new Span(0, s.get("T"));
            var keys = new Candidates(0, s.get("S"), null);
            return () -> in.device.attentionColsum(sums, a, lse, rows, keys);
          },
          (s, t) ->
              t.bytes() * s.at("d") * (s.at("T") * s.at("H") + s.at("S") * s.at("G"))
                  + 4 * s.at("H") * (s.at("T") + s.at("S")),
          (s, t) -> 2 * pairs(s, 0) * s.at("H") * s.at("d"));

  static final Operator COLSUM_SELECT =
      new Operator(
          "colsum_select",
          List.of("T", "S", "H", "G", "d", "causal", "n", "k", "w"),
          true,
          (in, s) -> {
            AttentionInputs a = attention(in, s);
            Tensor lse = lse(in, s, a);
            Tensor keep = in.out("keep", DType.I32, s.get("k"));
            Tensor score = in.out("score", DType.F32, s.get("n"));
            Tensor nonFinite = in.inOut("nonFinite", DType.I32, 0);
            var rows = new Span((int) spared(s), s.get("T"));
            var keys = new Candidates(0, (int) candidateKeys(s), null);
            return () -> in.device.colsumSelect(keep, score, a, lse, rows, keys, nonFinite);
          },
          (s, t) ->
              t.bytes()
                      * s.at("d")
                      * ((s.at("T") - spared(s)) * s.at("H") + candidateKeys(s) * s.at("G"))
                  + 4 * (s.at("H") * (s.at("T") - spared(s)) + s.at("n") + s.at("k")),
          (s, t) -> 2 * pairs(s, spared(s)) * s.at("H") * s.at("d"));

  /** Keys of all candidates, w of each. */
  private static double candidateKeys(Sizes s) {
    return s.at("n") * s.get("w", 1);
  }

  /** First rows that give no score: as many rows do as there are candidates' keys. */
  private static double spared(Sizes s) {
    return Math.max(0, s.at("T") - candidateKeys(s));
  }

  /** Counting on one axis, at different paces on three. */
  private static Tensor positions(Inputs in, int rows, int axes) {
    int[] values = new int[Math.multiplyExact(axes, rows)];
    Arrays.setAll(values, i -> (int) (((long) i / rows + 1) * (i % rows) % rows));
    return axes == 1 ? in.ints("positions", values) : in.ints("positions", values, axes, rows);
  }

  /** Frequencies of each axis, as Qwen2.5-VL divides its 64: 16, 24 and 24. */
  private static int[] sections(int half) {
    int first = half / 4;
    int second = (half - first) / 2;
    return new int[] {first, second, half - first - second};
  }

  /** T queries behind S − T cached rows; without a mask T = S. */
  private static AttentionInputs attention(Inputs in, Sizes s) {
    int d = s.get("d");
    Tensor q = in.floats("q", 1, s.get("T"), s.get("H"), d);
    Tensor k = in.floats("k", 1, s.get("S"), s.get("G"), d);
    Tensor v = in.floats("v", 1, s.get("S"), s.get("G"), d);
    var kv = new Kv(k, v, s.of().containsKey("window") ? windows(in, s) : oneOf(in, s));
    Mask mask = s.get("causal") == 1 ? Mask.CAUSAL : Mask.NONE;
    return new AttentionInputs(q, kv, mask, (float) (1 / Math.sqrt(d)));
  }

  private static Segments oneOf(Inputs in, Sizes s) {
    return segments(in, s.get("T"), s.get("S"));
  }

  /** The windows of a grid, one after another, as segments of one call. */
  private static Segments windows(Inputs in, Sizes s) {
    var list = new ArrayList<Segment>();
    int row = 0;
    for (int rows : windowRows(s)) {
      list.add(Segment.of(row, rows, row, rows));
      row += rows;
    }
    int most = Arrays.stream(windowRows(s)).max().orElseThrow();
    int[] table = Segments.table(list);
    return new Segments(in.ints("segments", table, list.size(), Segments.WIDTH), most, most);
  }

  /**
   * Rows of each window: the T rows are a grid with {@code across} in a line, cut into squares of
   * {@code window} a side, which the right and lower border cut off.
   */
  static int[] windowRows(Sizes s) {
    int side = s.get("window");
    int wide = s.get("across");
    int high = s.get("T") / wide;
    int each = Math.ceilDiv(wide, side);
    int[] rows = new int[Math.multiplyExact(Math.ceilDiv(high, side), each)];
    Arrays.setAll(
        rows, w -> Math.min(side, high - w / each * side) * Math.min(side, wide - w % each * side));
    return rows;
  }

  /** One segment of {@code rows} rows, the last of {@code keys} keys. */
  static Segments segments(Inputs in, int rows, int keys) {
    int[] table = Segments.table(List.of(Segment.of(0, rows, 0, keys).behind(keys - rows)));
    return new Segments(in.ints("segments", table, 1, Segments.WIDTH), rows, keys);
  }

  private static Tensor lse(Inputs in, Sizes s, AttentionInputs a) {
    Tensor lse = in.computed("lse", DType.F32, s.get("H"), s.get("T"));
    Tensor out = in.arena.alloc("out", in.dtype, s.get("T"), s.get("H"), s.get("d"));
    in.device.attention(out, lse, a);
    return lse;
  }

  /**
   * Query-key pairs of rows {@code from … T}, and of the candidates' keys where there are any; with
   * windows those inside them.
   */
  private static double pairs(Sizes s, double from) {
    if (s.of().containsKey("window")) {
      return Arrays.stream(windowRows(s)).mapToDouble(n -> (double) n * n).sum();
    }
    double rows = s.at("T") - from;
    double keys = s.of().containsKey("n") ? candidateKeys(s) : s.at("S");
    if (s.get("causal") == 0) {
      return rows * keys;
    }
    double first = s.at("S") - rows + 1; // keys that the first row sees
    double rising = Math.max(0, Math.min(rows, keys - first));
    return rising * (2 * first + rising - 1) / 2 + (rows - rising) * keys;
  }
}
