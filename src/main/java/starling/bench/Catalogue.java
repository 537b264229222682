package starling.bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import starling.bench.Operator.Sizes;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.Candidates;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Norm;
import starling.device.PositionRule;
import starling.device.Rope;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Span;
import starling.device.Tensor;
import starling.jcuda.Jcublas;

/**
 * Every operator of {@code Device}, in its order. Axes: T rows, D channels, H and G query and key
 * heads of d channels, S keys, n candidates, k kept, V vocabulary, L layers, w rows in a sum.
 */
final class Catalogue {
  private static final float EPS = 1e-5f;

  /** Kernels that native devices choose for an operator's few rows, and the operator. */
  static final Map<String, String> KERNELS =
      Map.of("gemv", "gemm", "attention_decode", "attention");

  /**
   * Operators that say what becomes of a number that is not finite, and the input that gets one.
   */
  static final Map<String, String> NOT_FINITE =
      Map.of(
          "token_select", "sums",
          "colsum_select", "k",
          "cosines", "x",
          "drop_duplicates", "cosines",
          "sample", "logits");

  private Catalogue() {}

  static final List<Operator> OPERATORS =
      List.of(
          new Operator(
              "patchify",
              List.of("image", "patch"),
              true,
              (in, s) -> {
                int patch = s.get("patch");
                int across = s.get("image") / patch;
                Tensor out = in.out("out", in.dtype, across * across, 3 * patch * patch);
                Tensor pixels = in.planes("pixels", 3, s.get("image"), s.get("image"));
                return () -> in.device.patchify(out, pixels, patch);
              },
              (s, t) -> 3 * s.at("image") * s.at("image") * (4 + t.bytes()),
              (s, t) -> 0),
          new Operator(
              "embed",
              List.of("T", "D", "V"),
              true,
              (in, s) -> {
                Tensor out = in.out("out", in.dtype, s.get("T"), s.get("D"));
                Tensor ids = in.ints("ids", in.below(s.get("V"), s.get("T")));
                Tensor table = in.floats("table", 1, s.get("V"), s.get("D"));
                return () -> in.device.embed(out, ids, table);
              },
              (s, t) -> 4 * s.at("T") + 2 * s.at("T") * s.at("D") * t.bytes(),
              (s, t) -> 0),
          new Operator(
              "layernorm",
              List.of("T", "D"),
              true,
              (in, s) -> {
                Tensor out = in.out("out", in.dtype, s.get("T"), s.get("D"));
                Tensor x = in.floats("x", 1, s.get("T"), s.get("D"));
                var norm =
                    new Norm(
                        in.floats("weight", 1, s.get("D")), in.floats("bias", 1, s.get("D")), EPS);
                return () -> in.device.layernorm(out, x, norm);
              },
              (s, t) -> 2 * (s.at("T") + 1) * s.at("D") * t.bytes(),
              (s, t) -> 0),
          new Operator(
              "rmsnorm",
              List.of("T", "D"),
              true,
              (in, s) -> {
                Tensor out = in.out("out", in.dtype, s.get("T"), s.get("D"));
                Tensor x = in.floats("x", 1, s.get("T"), s.get("D"));
                var norm = new Norm(in.floats("weight", 1, s.get("D")), null, EPS);
                return () -> in.device.rmsnorm(out, x, norm);
              },
              (s, t) -> (2 * s.at("T") + 1) * s.at("D") * t.bytes(),
              (s, t) -> 0),
          new Operator(
              "gemm",
              List.of("T", "in", "out"),
              true,
              (in, s) -> {
                Gemm g = gemm(in, s);
                Linear w = in.device.asLinear(g.w, null);
                return () -> in.device.gemm(g.y, g.x, w, null, Activation.NONE, null);
              },
              (s, t) ->
                  t.bytes()
                      * (s.at("T") * s.at("in")
                          + s.at("out") * s.at("in")
                          + s.at("T") * s.at("out")),
              (s, t) -> 2 * s.at("T") * s.at("in") * s.at("out")),
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
                      * (2L * t.bytes() * (s.at("H") + 2 * s.at("G")) * s.at("d")
                          + 4 * s.at("d")
                          + 4),
              (s, t) -> 0),
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
              (s, t) -> 4 * pairs(s, 0) * s.at("H") * s.at("d")),
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
              (s, t) -> 2 * pairs(s, 0) * s.at("H") * s.at("d")),
          new Operator(
              "token_select",
              List.of("n", "k", "H"),
              false,
              (in, s) -> {
                Tensor keep = in.out("keep", DType.I32, s.get("k"));
                Tensor score = in.out("score", DType.F32, s.get("n"));
                Tensor sums = in.floats("sums", DType.F32, 1, s.get("H"), s.get("n"));
                Tensor nonFinite = in.inOut("nonFinite", DType.I32, 0);
                return () -> in.device.tokenSelect(keep, score, sums, s.get("n"), nonFinite);
              },
              (s, t) -> 4 * (s.at("H") * s.at("n") + s.at("n") + s.at("k")),
              (s, t) -> 0),
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
              (s, t) -> 2 * pairs(s, Math.max(0, s.get("T") - s.get("n"))) * s.at("H") * s.at("d")),
          new Operator(
              "cosines",
              List.of("n", "D"),
              true,
              (in, s) -> {
                Tensor out = in.out("out", DType.F32, s.get("n"), s.get("n"));
                Tensor x = in.floats("x", 1, s.get("n"), s.get("D"));
                Tensor nonFinite = in.inOut("nonFinite", DType.I32, 0);
                return () -> in.device.cosines(out, x, nonFinite);
              },
              (s, t) -> t.bytes() * s.at("n") * s.at("D") + 4 * s.at("n") * s.at("n"),
              (s, t) -> 2 * s.at("n") * s.at("n") * s.at("D")),
          new Operator(
              "drop_duplicates",
              List.of("n", "k"),
              false,
              (in, s) -> {
                Tensor keep = in.out("keep", DType.I32, s.get("k"));
                Tensor score = in.floats("score", DType.F32, 1, s.get("n"));
                Tensor cosines = in.floats("cosines", DType.F32, 1, s.get("n"), s.get("n"));
                return () -> in.device.dropDuplicates(keep, score, cosines, s.get("k") / 2);
              },
              // The even places of the first round against its odd ones.
              (s, t) -> {
                int best = s.get("k") / 2;
                double others = s.at("n") - best;
                return 4 * (s.at("n") + s.at("k")) + others * others;
              },
              (s, t) -> 0),
          new Operator(
              "row_map",
              List.of("T", "n", "k"),
              false,
              (in, s) -> {
                int stay = s.get("T") - s.get("n") + s.get("k");
                Tensor rows = in.out("rows", DType.I32, stay);
                Tensor positions = in.out("positions", DType.I32, stay);
                Tensor before = in.ints("before", in.counting(s.get("T")));
                List<Cut> cuts = cuts(in, s);
                return () ->
                    in.device.rowMap(rows, positions, null, before, cuts, PositionRule.CONTIGUOUS);
              },
              // Positions that count on need none of those before.
              (s, t) -> 4 * (s.at("k") + 2 * (s.at("T") - s.at("n") + s.at("k"))),
              (s, t) -> 0),
          new Operator(
              "gather_rows",
              List.of("n", "k", "D"),
              true,
              (in, s) -> {
                Tensor a = in.out("a", in.dtype, s.get("k"), s.get("D"));
                Tensor b = in.out("b", in.dtype, s.get("k"), s.get("D"));
                Tensor x = in.floats("x", 1, s.get("n"), s.get("D"));
                Tensor y = in.floats("y", 1, s.get("n"), s.get("D"));
                Tensor rows = in.ints("rows", in.spread(s.get("k"), s.get("n")));
                return () -> in.device.gatherRows(List.of(a, b), List.of(x, y), rows);
              },
              (s, t) -> 4 * s.at("k") * s.at("D") * t.bytes() + 4 * s.at("k"),
              (s, t) -> 0),
          new Operator(
              "combine_rows",
              List.of("n", "k", "w", "D"),
              true,
              (in, s) -> {
                int w = s.get("w");
                Tensor out = in.out("out", in.dtype, s.get("k"), s.get("D"));
                Tensor x = in.floats("x", 1, s.get("n"), s.get("D"));
                int[] spread = in.spread(Math.multiplyExact(s.get("k"), w), s.get("n"));
                Tensor index = in.ints("index", spread, s.get("k"), w);
                Tensor weight = in.floats("weight", DType.F32, 1, s.get("k"), w);
                return () -> in.device.combineRows(out, x, index, weight);
              },
              (s, t) ->
                  (Math.min(s.at("n"), s.at("k") * s.at("w")) + s.at("k")) * s.at("D") * t.bytes()
                      + 8 * s.at("k") * s.at("w"),
              (s, t) -> 0),
          new Operator(
              "compact_rows",
              List.of("L", "S", "k", "G", "d"),
              true,
              (in, s) -> {
                var caches = new ArrayList<Kv>();
                for (int l = 0; l < s.get("L"); l++) {
                  caches.add(
                      new Kv(
                          in.cache("k" + l, s.get("S"), s.get("G"), s.get("d")),
                          in.cache("v" + l, s.get("S"), s.get("G"), s.get("d")),
                          null));
                }
                Tensor rows = in.ints("rows", moved(s));
                return () -> in.device.compactRows(caches, rows);
              },
              (s, t) ->
                  4 * s.at("k") + 4 * s.at("L") * s.at("k") * s.at("G") * s.at("d") * t.bytes(),
              (s, t) -> 0),
          new Operator(
              "hide_rows",
              List.of("T", "n", "k"),
              false,
              (in, s) -> {
                Tensor hidden = in.inOut("hidden", DType.U8, new int[s.get("T")]);
                Tensor positions = in.out("positions", DType.I32, s.get("T"));
                Tensor before = in.ints("before", in.counting(s.get("T")));
                List<Cut> cuts = cuts(in, s);
                return () ->
                    in.device.hideRows(hidden, positions, before, cuts, PositionRule.CONTIGUOUS);
              },
              (s, t) -> 10 * s.at("T") + 4 * s.at("k"),
              (s, t) -> 0),
          new Operator(
              "sample",
              List.of("V"),
              false,
              (in, s) -> {
                Tensor ids = in.out("ids", DType.I32, 1);
                Tensor logits = in.floats("logits", DType.F32, 1, 1, s.get("V"));
                Segments segments = segments(in, 1, 1);
                Tensor nonFinite = in.ints("nonFinite", 0);
                return () -> in.device.sample(ids, logits, segments, nonFinite);
              },
              (s, t) -> 4 * s.at("V") + 16, // the greedy choice reads two numbers of the table
              (s, t) -> 0),
          new Operator(
              "advance",
              List.of("n"),
              false,
              (in, s) -> {
                var each = Segment.of(0, 1, 0, 64).behind(in.seed % 32).standing(in.seed % 32);
                int[] table = Segments.table(Collections.nCopies(s.get("n"), each));
                Tensor numbers = in.inOut("segments", DType.I32, table, s.get("n"), Segments.WIDTH);
                var segments = new Segments(numbers, 1, 64);
                return () -> in.device.advance(segments);
              },
              (s, t) -> 44 * s.at("n"), // six numbers of a segment are read, five written
              (s, t) -> 0));

  private record Gemm(Tensor y, Tensor x, Tensor w) {}

  private static Gemm gemm(Inputs in, Sizes s) {
    return new Gemm(
        in.out("y", in.dtype, s.get("T"), s.get("out")),
        in.floats("x", 1, s.get("T"), s.get("in")),
        in.floats("w", 1 / Math.sqrt(s.get("in")), s.get("out"), s.get("in")));
  }

  /**
   * JCublas in gemm's place on the device under test; what is right is still our own operator's.
   */
  static Operator gemmBy(Jcublas jcublas, Operator gemm) {
    return new Operator(
        gemm.name(),
        gemm.axes(),
        gemm.typed(),
        (in, s) -> {
          if (!in.device.name().equals("cuda")) {
            return gemm.body().apply(in, s);
          }
          Gemm g = gemm(in, s);
          return () -> jcublas.multiply(g.y, g.x, g.w);
        },
        gemm.bytes(),
        gemm.flops());
  }

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
  private static Segments segments(Inputs in, int rows, int keys) {
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

  /** One image of n patches behind some text, of which k stay. */
  private static List<Cut> cuts(Inputs in, Sizes s) {
    int at = Math.min(5, s.get("T") - s.get("n"));
    return List.of(new Cut(at, s.get("n"), in.ints("keep", in.spread(s.get("k"), s.get("n")))));
  }

  /** Rows that all move: the last k. */
  private static int[] moved(Sizes s) {
    return IntStream.range(s.get("S") - s.get("k"), s.get("S")).toArray();
  }
}
