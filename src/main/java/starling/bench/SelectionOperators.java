package starling.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import starling.bench.Operator.Sizes;
import starling.device.Cut;
import starling.device.DType;
import starling.device.Kv;
import starling.device.PositionRule;
import starling.device.RowMapping;
import starling.device.Tensor;

/** Which tokens stay, and how their rows are put together. */
final class SelectionOperators {
  private SelectionOperators() {}

  static final Operator TOKEN_SELECT =
      new Operator(
          "token_select",
          List.of("n", "k", "H", "w"),
          false,
          (in, s) -> {
            Tensor keep = in.out("keep", DType.I32, s.get("k"));
            Tensor score = in.out("score", DType.F32, s.get("n"));
            int columns = Math.multiplyExact(s.get("n"), s.get("w", 1));
            Tensor sums = in.floats("sums", DType.F32, 1, s.get("H"), columns);
            Tensor nonFinite = in.inOut("nonFinite", DType.I32, 0);
            return () -> in.device.tokenSelect(keep, score, sums, s.get("n"), nonFinite);
          },
          (s, t) -> 4 * (s.at("H") * s.at("n") * s.get("w", 1) + s.at("n") + s.at("k")),
          (s, t) -> 0);

  static final Operator COSINES =
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
          (s, t) -> 2 * s.at("n") * s.at("n") * s.at("D"));

  static final Operator DROP_DUPLICATES =
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
          (s, t) -> 0);

  static final Operator ROW_MAP =
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
            var map = new RowMapping(rows, positions, null, before, cuts, PositionRule.CONTIGUOUS);
            return () -> in.device.rowMap(map);
          },
          // Positions that count on need none of those before.
          (s, t) -> 4 * (s.at("k") + 2 * (s.at("T") - s.at("n") + s.at("k"))),
          (s, t) -> 0);

  static final Operator GATHER_ROWS =
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
          (s, t) -> 0);

  static final Operator COMBINE_ROWS =
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
          (s, t) -> 0);

  static final Operator COMPACT_ROWS =
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
          (s, t) -> 4 * s.at("k") + 4 * s.at("L") * s.at("k") * s.at("G") * s.at("d") * t.bytes(),
          (s, t) -> 0);

  static final Operator HIDE_ROWS =
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
          (s, t) -> 0);

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
