package starling.bench;

import java.util.List;
import java.util.stream.IntStream;
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
          List.of("T", "H", "G", "d"),
          true,
          (in, s) -> {
            int t = s.get("T");
            int d = s.get("d");
            Tensor q = in.out("q", in.dtype, t, s.get("H"), d);
            Tensor k = in.out("k", in.dtype, t, s.get("G"), d);
            Tensor v = in.out("v", in.dtype, t, s.get("G"), d);
            var kv = new Kv(k, v, segments(in, t, t));
            Tensor qkv = in.floats("qkv", 1, t, (s.get("H") + 2 * s.get("G")) * d);
            Tensor positions = in.ints("positions", IntStream.range(0, t).toArray());
            var table =
                new Rope(
                    in.floats("cos", DType.F32, 1, t, d / 2),
                    in.floats("sin", DType.F32, 1, t, d / 2));
            return () -> in.device.rope(q, kv, qkv, positions, table);
          },
          (s, t) ->
              s.at("T")
                  * (2L * t.bytes() * (s.at("H") + 2 * s.at("G")) * s.at("d") + 4 * s.at("d") + 4),
          (s, t) -> 0);

  static final Operator ATTENTION =
      new Operator(
          "attention",
          List.of("T", "S", "H", "G", "d", "causal"),
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
          List.of("T", "S", "H", "G", "d", "causal", "n", "k"),
          true,
          (in, s) -> {
            AttentionInputs a = attention(in, s);
            Tensor lse = lse(in, s, a);
            Tensor keep = in.out("keep", DType.I32, s.get("k"));
            Tensor score = in.out("score", DType.F32, s.get("n"));
            Tensor nonFinite = in.inOut("nonFinite", DType.I32, 0);
            var rows = new Span(Math.max(0, s.get("T") - s.get("n")), s.get("T"));
            var keys = new Candidates(0, s.get("n"), null);
            return () -> in.device.colsumSelect(keep, score, a, lse, rows, keys, nonFinite);
          },
          (s, t) ->
              t.bytes()
                      * s.at("d")
                      * (Math.min(s.at("T"), s.at("n")) * s.at("H") + s.at("n") * s.at("G"))
                  + 4 * (s.at("H") * Math.min(s.at("T"), s.at("n")) + s.at("n") + s.at("k")),
          (s, t) -> 2 * pairs(s, Math.max(0, s.get("T") - s.get("n"))) * s.at("H") * s.at("d"));

  /** T queries behind S − T cached rows; without a mask T = S. */
  private static AttentionInputs attention(Inputs in, Sizes s) {
    int d = s.get("d");
    Tensor q = in.floats("q", 1, s.get("T"), s.get("H"), d);
    Tensor k = in.floats("k", 1, s.get("S"), s.get("G"), d);
    Tensor v = in.floats("v", 1, s.get("S"), s.get("G"), d);
    var kv = new Kv(k, v, segments(in, s.get("T"), s.get("S")));
    Mask mask = s.get("causal") == 1 ? Mask.CAUSAL : Mask.NONE;
    return new AttentionInputs(q, kv, mask, (float) (1 / Math.sqrt(d)));
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
   * Query-key pairs of rows {@code from … T}, and of the first n keys where there are candidates.
   */
  private static double pairs(Sizes s, int from) {
    double rows = s.at("T") - from;
    double keys = s.of().containsKey("n") ? s.at("n") : s.at("S");
    if (s.get("causal") == 0) {
      return rows * keys;
    }
    double first = s.at("S") - rows + 1; // keys that the first row sees
    double rising = Math.max(0, Math.min(rows, keys - first));
    return rising * (2 * first + rising - 1) / 2 + (rows - rising) * keys;
  }
}
