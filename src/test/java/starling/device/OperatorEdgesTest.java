package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static starling.device.BadCall.cuts;
import static starling.device.BadCall.floats;
import static starling.device.BadCall.keys;
import static starling.device.BadCall.known;
import static starling.device.CallMemory.shape;
import static starling.device.OnEveryDevice.ACCEPTED;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What is at the edge of what is right, accepted by every device. */
class OperatorEdgesTest extends OnEveryDevice {
  private static BadCall edge(String operator, String what, CallChange change) {
    return new BadCall(operator, what, change, ACCEPTED);
  }

  private static final List<BadCall> EDGES =
      List.of(
          edge("upload", "no rows", (w, g) -> g.with("dst", g.t("dst").rows(0, 0))),
          edge("download", "four dimensions", (w, g) -> g.with("src", w.f32("x", 3, 2, 2, 2))),
          edge("table", "no rows", (w, g) -> g.with("w", floats("w", 0, 4))),
          edge("table", "a vector of one", (w, g) -> g.with("w", floats("w", 1))),
          edge("linear", "heads of all rows", (w, g) -> g.with("outHead", 6).with("inHead", 4)),
          edge(
              "patchify",
              "one patch",
              (w, g) -> g.with("patch", 8).with("out", w.f32("out", 1, 192))),
          edge(
              "patchify",
              "what is left over",
              (w, g) -> g.with("patch", 5).with("out", w.f32("out", 1, 75))),
          edge(
              "embed",
              "no rows",
              (w, g) -> g.with("ids", w.i32("ids", 0)).with("out", w.f32("out", 0, 32))),
          edge("layernorm", "no rows", (w, g) -> noRows(g, "out", "x")),
          edge("rmsnorm", "no rows", (w, g) -> noRows(g, "out", "x")),
          edge("rmsnorm", "in place", (w, g) -> g.with("out", g.t("x").rows(0, 3))),
          edge("rmsnorm", "eps 0", (w, g) -> g.with("eps", 0f)),
          edge(
              "rmsnorm",
              "rows beside each other",
              (w, g) -> {
                Tensor both = w.f32("both", 3, 64);
                g.with("x", both.columns(0, 32)).with("out", both.columns(32, 64));
              }),
          edge(
              "rmsnorm",
              "rows behind each other",
              (w, g) -> {
                Tensor both = w.f32("both", 6, 32);
                g.with("x", both.rows(3, 6)).with("out", both.rows(0, 3));
              }),
          edge(
              "gemm",
              "no rows",
              (w, g) -> noRows(g, "x", "y", "residual", "known", "picked", "statistics")),
          edge(
              "gemm",
              "over its residual",
              (w, g) -> g.with("residual", g.t("y")).with("picked", null)),
          edge(
              "gemm",
              "a row picked twice of more",
              (w, g) ->
                  g.with("x", w.f32("my x", 5, 32))
                      .with("residual", w.f32("my residual", 5, 16))
                      .with("picked", w.i32("my picked", 3))),
          edge("gemm", "statistics in one part", (w, g) -> g.with("known", w.f32("k", 3, 2))),
          edge("rowStatistics", "no rows", (w, g) -> noRows(g, "x", "statistics")),
          edge(
              "gemm",
              "f32 of bf16",
              (w, g) -> {
                for (String name : List.of("x", "part", "weight", "bias")) {
                  g.with(name, w.alloc(name, DType.BF16, shape(g.t(name))));
                }
              }),
          edge(
              "rope",
              "no rows",
              (w, g) -> {
                noRows(g, "q", "qkv", "positions");
                idle(w, g);
              }),
          edge("rope", "a cache that it fills", (w, g) -> fills(w, g, "k", "v")),
          edge(
              "rope",
              "no channel that turns",
              (w, g) -> g.with("cos", w.f32("cos", 9, 0)).with("sin", w.f32("sin", 9, 0))),
          edge(
              "attention",
              "no rows",
              (w, g) -> {
                noRows(g, "q", "out");
                idle(w, g);
                g.with("lse", w.f32("lse", 2, 0));
              }),
          edge(
              "rope",
              "as many heads as there may be",
              (w, g) -> {
                g.with("q", w.f32("q", 4, 16_384, 1)).with("qkv", w.f32("qkv", 4, 16_386));
                g.with("k", w.f32("k", 8, 1, 1)).with("v", w.f32("v", 8, 1, 1));
                g.with("cos", w.f32("cos", 9, 0)).with("sin", w.f32("sin", 9, 0));
              }),
          edge("attention", "no statistics", (w, g) -> g.with("lse", null)),
          edge("attention", "a cache that it fills", (w, g) -> fills(w, g, "k", "v", "hidden")),
          edge("attention", "no mask", (w, g) -> g.with("hidden", null).with("segments", null)),
          edge("attentionColsum", "no candidates", keys(0, 0)),
          edge("attentionColsum", "all keys", known(keys(0, 4))),
          edge("attentionColsum", "no rows", (w, g) -> g.with("span", new Span(4, 4))),
          edge(
              "tokenSelect",
              "one of one",
              (w, g) ->
                  g.with("keep", w.i32("keep", 1))
                      .with("score", w.f32("score", 1))
                      .with("sums", w.f32("sums", 1, 1))
                      .with("rows", 1)),
          edge(
              "tokenSelect",
              "all of 4096",
              (w, g) ->
                  g.with("keep", w.i32("keep", 4096))
                      .with("score", w.f32("score", 4096))
                      .with("sums", w.f32("sums", 1, 4096))),
          edge("colsumSelect", "one row", (w, g) -> g.with("span", new Span(3, 4))),
          edge(
              "colsumSelect",
              "all",
              (w, g) -> {
                g.with("keep", w.i32("keep", 3)).with("mapped", w.i32("mapped", 9));
                g.with("positionsOut", w.i32("out", 9)).with("sources", w.i32("sources", 9));
              }),
          edge("colsumSelect", "nobody asks for rows", (w, g) -> g.with("mapped", null)),
          edge("colsumSelect", "nobody asks for sources", (w, g) -> g.with("sources", null)),
          edge(
              "colsumSelect",
              "rows of another choice, positions on three axes",
              (w, g) ->
                  g.with("cuts", List.of(new Cut(0, 2, w.i32("one", 1))))
                      .with("positionsIn", w.i32("in", 3, 9))
                      .with("positionsOut", w.i32("out", 3, 8))),
          edge(
              "tokenSelect",
              "three columns for each candidate",
              (w, g) -> g.with("sums", w.f32("sums", 2, 18))),
          edge(
              "colsumSelect",
              "three keys for one candidate",
              (w, g) ->
                  g.with("score", w.f32("score", 1))
                      .with("keep", w.i32("keep", 1))
                      .with("mapped", null)),
          edge(
              "cosines",
              "4096 rows",
              (w, g) -> g.with("x", w.f32("x", 4096, 8)).with("out", w.f32("out", 4096, 4096))),
          edge("dropDuplicates", "all are the best", (w, g) -> g.with("best", 3)),
          edge("dropDuplicates", "none is the best", (w, g) -> g.with("best", 0)),
          edge("dropDuplicates", "all stay", (w, g) -> g.with("keep", w.i32("keep", 6))),
          edge(
              "rowMap",
              "64 cuts",
              (w, g) -> {
                cuts(64).on(w, g);
                stay(w, g, 9);
              }),
          edge(
              "rowMap",
              "an image that stays whole",
              (w, g) -> {
                g.with("count", 2).with("candidates", null);
                stay(w, g, 9);
              }),
          edge(
              "rowMap",
              "nothing stays",
              (w, g) -> {
                g.with("at", 0).with("count", 9).with("candidates", null);
                g.with("keep", w.i32("keep", 0));
                noRows(g, "rows", "positionsOut", "sources");
              }),
          edge("rowMap", "nobody asks for sources", (w, g) -> g.with("sources", null)),
          edge(
              "rowMap",
              "positions on three axes",
              (w, g) ->
                  g.with("positionsIn", w.i32("in", 3, 9))
                      .with("positionsOut", w.i32("out", 3, 7))),
          edge(
              "rowMap",
              "cuts between each other's candidates, in any order",
              (w, g) -> {
                Tensor even = w.arena().alloc("even", DType.I32, 2);
                w.device().upload(even, MemorySegment.ofArray(new int[] {0, 2}));
                Tensor one = w.i32("one", 1);
                g.with("cuts", List.of(new Cut(3, 4, one, even), new Cut(2, 5, one, even)));
              }),
          edge(
              "hideRows",
              "positions on three axes",
              (w, g) ->
                  g.with("positionsIn", w.i32("in", 3, 9))
                      .with("positionsOut", w.i32("out", 3, 9))),
          edge("hideRows", "no cuts", cuts(0)),
          edge("hideRows", "64 cuts", cuts(64)),
          edge("hideRows", "a longer mask", (w, g) -> g.with("hidden", w.alloc("h", DType.U8, 99))),
          edge("gatherRows", "no rows", (w, g) -> noRows(g, "out", "out2", "rows")),
          edge(
              "gatherRows",
              "whole numbers",
              (w, g) -> g.with("in", w.i32("in", 5, 32)).with("out", w.i32("out", 3, 32))),
          edge("combineRows", "no rows", (w, g) -> noRows(g, "out", "index", "weight")),
          edge(
              "combineRows",
              "sums of nothing",
              (w, g) -> g.with("index", w.i32("i", 2, 0)).with("weight", w.f32("w", 2, 0))),
          edge("compactRows", "no rows", (w, g) -> noRows(g, "rows")),
          edge("compactRows", "all rows", (w, g) -> g.with("rows", w.i32("rows", 7))),
          edge("sample", "one token", (w, g) -> g.with("logits", w.f32("logits", 1, 1))),
          edge("sample", "nothing is put anywhere", (w, g) -> g.with("seen", null)),
          edge("sample", "a penalty", (w, g) -> drawn(w, g, Sampling.GREEDY.penalizing(1.5f))),
          edge("sample", "greedy", (w, g) -> drawn(w, g, Sampling.GREEDY)),
          edge(
              "sample",
              "top-k beyond the vocabulary",
              (w, g) -> drawn(w, g, new Sampling(9, 99, 1, 0))),
          edge("advance", "no segments", (w, g) -> noRows(g, "segments")));

  private static void drawn(CallMemory w, CallArguments g, Sampling sampling) {
    g.with("segments", SegmentTable.drawing(w.device(), w.arena(), 0, sampling).table());
  }

  private static void idle(CallMemory w, CallArguments g) {
    g.with("segments", SegmentTable.of(w.device(), w.arena(), Segment.idle()).table());
  }

  private static void stay(CallMemory w, CallArguments g, int rows) {
    for (String name : List.of("rows", "positionsOut", "sources")) {
      g.with(name, w.i32(name, rows));
    }
  }

  private static void noRows(CallArguments g, String... names) {
    for (String name : names) {
      g.with(name, g.t(name).rows(0, 0));
    }
  }

  /** Caches of exactly the rows of the call. */
  private static void fills(CallMemory w, CallArguments g, String... names) {
    for (String name : names) {
      g.with(name, g.t(name).rows(0, 4));
    }
    g.with("segments", SegmentTable.of(w.device(), w.arena(), Segment.of(0, 4, 0, 4)).table());
  }

  static List<BadCall> edges() {
    return EDGES;
  }

  @ParameterizedTest
  @MethodSource("edges")
  void whatIsAtTheEdgeIsAcceptedByEveryDevice(BadCall edge) {
    assertEquals(ACCEPTED, outcome(OperatorCall.of(edge.operator()), edge.what(), edge.change()));
  }
}
