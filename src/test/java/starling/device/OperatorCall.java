package starling.device;

import static starling.device.BadCall.cuts;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * A method of {@link Device} with arguments that are right.
 *
 * @param outputs tensors that it writes
 * @param right arguments that are accepted
 * @param call the call with some arguments, ready to be made again and again
 */
record OperatorCall(
    String name,
    Set<String> outputs,
    Function<CallMemory, CallArguments> right,
    BiFunction<Device, CallArguments, Runnable> call) {
  @Override
  public String toString() {
    return name;
  }

  private static CallArguments attended(CallMemory w) {
    return new CallArguments()
        .with("q", w.f32("my q", 4, 2, 32))
        .with("k", w.f32("my k", 8, 1, 32))
        .with("v", w.f32("my v", 8, 1, 32))
        .with("segments", w.i32("my segments", 1, Segments.WIDTH))
        .with("rows", 4)
        .with("keys", 8)
        .with("hidden", w.alloc("my hidden", DType.U8, 8))
        .with("lse", w.f32("my lse", 2, 4))
        .with("scale", 0.5f);
  }

  private static CallArguments received(CallMemory w) {
    return attended(w)
        .with("span", new Span(1, 4))
        .with("at", 1)
        .with("count", 3)
        .with("index", w.i32("my index", 3));
  }

  private static CallArguments cut(CallMemory w) {
    return new CallArguments()
        .with("at", 2)
        .with("count", 5)
        .with("keep", w.i32("my keep", 2))
        .with("candidates", w.i32("my candidates", 4))
        .with("rule", PositionRule.CONTIGUOUS);
  }

  private static CallArguments normalised(CallMemory w) {
    return new CallArguments()
        .with("out", w.f32("my out", 3, 32))
        .with("x", w.f32("my x", 3, 32))
        .with("weight", w.f32("my weight", 32))
        .with("eps", 1e-5f);
  }

  private static CallArguments stored() {
    return new CallArguments()
        .with("dtype", DType.F32)
        .with("w", StoredTensor.of("my w", List.of(6, 4), new float[24]))
        .with("w2", StoredTensor.of("my w2", List.of(6, 4), new float[24]))
        .with("b", StoredTensor.of("my b", List.of(6), new float[6]))
        .with("outHead", 0)
        .with("inHead", 0);
  }

  private static Linear.Source source(CallArguments g) {
    if (g.of.containsKey("source")) {
      return (Linear.Source) g.of.get("source");
    }
    return new Linear.Source(
        List.of((StoredTensor) g.of.get("w"), (StoredTensor) g.of.get("w2")),
        Arrays.asList((StoredTensor) g.of.get("b"), null),
        g.n("outHead"),
        g.n("inHead"));
  }

  static final List<OperatorCall> ALL =
      List.of(
          new OperatorCall(
              "upload",
              Set.of("dst"),
              w ->
                  new CallArguments()
                      .with("dst", w.f32("my dst", 3, 8))
                      .with("src", w.host().allocate(96, 16)),
              (d, g) -> () -> d.upload(g.t("dst"), (MemorySegment) g.of.get("src"))),
          new OperatorCall(
              "download",
              Set.of(),
              w ->
                  new CallArguments()
                      .with("dst", w.host().allocate(96, 16))
                      .with("src", w.f32("my src", 3, 8)),
              (d, g) -> () -> d.download((MemorySegment) g.of.get("dst"), g.t("src"))),
          new OperatorCall(
              "table",
              Set.of(),
              w -> stored().with("arena", w.arena()),
              (d, g) ->
                  () ->
                      d.table(
                          (TensorArena) g.of.get("arena"),
                          (DType) g.of.get("dtype"),
                          (StoredTensor) g.of.get("w"))),
          new OperatorCall(
              "linear",
              Set.of(),
              w -> stored().with("arena", w.arena()),
              (d, g) ->
                  () ->
                      d.linear(
                          (TensorArena) g.of.get("arena"), (DType) g.of.get("dtype"), source(g))),
          new OperatorCall(
              "asLinear",
              Set.of(),
              w ->
                  new CallArguments()
                      .with("part", w.f32("my part", 16, 32))
                      .with("b", w.f32("my b", 16)),
              (d, g) -> () -> d.asLinear(g.t("part"), g.t("b"))),
          new OperatorCall(
              "patchify",
              Set.of("out"),
              w ->
                  new CallArguments()
                      .with("out", w.f32("my out", 4, 48))
                      .with("pixels", w.f32("my pixels", 3, 8, 8))
                      .with("patch", 4),
              (d, g) -> () -> d.patchify(g.t("out"), g.t("pixels"), g.n("patch"))),
          new OperatorCall(
              "embed",
              Set.of("out"),
              w ->
                  new CallArguments()
                      .with("out", w.f32("my out", 3, 32))
                      .with("ids", w.i32("my ids", 3))
                      .with("table", w.f32("my table", 5, 32)),
              (d, g) -> () -> d.embed(g.t("out"), g.t("ids"), g.t("table"))),
          new OperatorCall(
              "layernorm",
              Set.of("out"),
              w -> normalised(w).with("bias", w.f32("my bias", 32)),
              (d, g) -> {
                Norm norm = g.norm();
                return () -> d.layernorm(g.t("out"), g.t("x"), norm);
              }),
          new OperatorCall(
              "rmsnorm",
              Set.of("out"),
              OperatorCall::normalised,
              (d, g) -> {
                Norm norm = g.norm();
                return () -> d.rmsnorm(g.t("out"), g.t("x"), norm);
              }),
          new OperatorCall(
              "gemm",
              Set.of("y", "statistics"),
              w ->
                  normalised(w)
                      .with("y", w.f32("my y", 3, 16))
                      .with("out", null)
                      .with("part", w.f32("my part", 16, 32))
                      .with("b", w.f32("my b", 16))
                      .with("bias", w.f32("my bias", 32))
                      .with("activation", Activation.NONE)
                      .with("residual", w.f32("my residual", 3, 16))
                      .with("known", w.f32("my known", 3, 4))
                      .with("picked", w.i32("my picked", 3))
                      .with("statistics", w.f32("my statistics", 3, 2)),
              (d, g) -> {
                Linear weight = d.asLinear(g.t("part"), g.t("b"));
                Norm norm = g.t("weight") == null ? null : g.norm();
                var activation = (Activation) g.of.get("activation");
                var around = new ProductRows(g.t("known"), g.t("picked"), g.t("statistics"));
                return () ->
                    d.gemm(g.t("y"), g.t("x"), weight, norm, activation, g.t("residual"), around);
              }),
          new OperatorCall(
              "rowStatistics",
              Set.of("statistics"),
              w ->
                  new CallArguments()
                      .with("statistics", w.f32("my statistics", 3, 4))
                      .with("x", w.f32("my x", 3, 32)),
              (d, g) -> () -> d.rowStatistics(g.t("statistics"), g.t("x"))),
          new OperatorCall(
              "stepAttention",
              Set.of("y", "statistics", "q", "k", "v", "attended"),
              w ->
                  attended(w)
                      .with("lse", null)
                      .with("y", w.f32("my y", 4, 16))
                      .with("statistics", w.f32("my statistics", 4, 2))
                      .with("qkv", w.f32("my qkv", 4, 128))
                      .with("cos", w.f32("my cos", 9, 16))
                      .with("sin", w.f32("my sin", 9, 16))
                      .with("attended", w.f32("my attended", 4, 64))
                      .with("part", w.f32("my part", 16, 64))
                      .with("b", w.f32("my b", 16))
                      .with("residual", w.f32("my residual", 4, 16)),
              (d, g) -> {
                Linear weight = d.asLinear(g.t("part"), g.t("b"));
                AttentionInputs in = g.inputs();
                var rope = new Rope(g.t("cos"), g.t("sin"), (int[]) g.of.get("sections"));
                return () ->
                    d.stepAttention(
                        g.t("y"),
                        g.t("statistics"),
                        g.t("qkv"),
                        in,
                        rope,
                        g.t("attended"),
                        weight,
                        g.t("residual"));
              }),
          new OperatorCall(
              "rope",
              Set.of("q", "k", "v"),
              w ->
                  new CallArguments()
                      .with("q", w.f32("my q", 4, 2, 32))
                      .with("k", w.f32("my k", 8, 1, 32))
                      .with("v", w.f32("my v", 8, 1, 32))
                      .with("segments", w.i32("my segments", 1, Segments.WIDTH))
                      .with("rows", 4)
                      .with("keys", 8)
                      .with("qkv", w.f32("my qkv", 4, 128))
                      .with("positions", w.i32("my positions", 4))
                      .with("cos", w.f32("my cos", 9, 16))
                      .with("sin", w.f32("my sin", 9, 16)),
              (d, g) -> {
                Kv kv = g.kv("");
                var rope = new Rope(g.t("cos"), g.t("sin"), (int[]) g.of.get("sections"));
                return () -> d.rope(g.t("q"), kv, g.t("qkv"), g.t("positions"), rope);
              }),
          new OperatorCall(
              "attention",
              Set.of("out", "lse"),
              w -> attended(w).with("out", w.f32("my out", 4, 2, 32)),
              (d, g) -> {
                AttentionInputs in = g.inputs();
                return () -> d.attention(g.t("out"), g.t("lse"), in);
              }),
          new OperatorCall(
              "attentionColsum",
              Set.of("sums"),
              w -> received(w).with("sums", w.f32("my sums", 2, 3)),
              (d, g) -> {
                AttentionInputs in = g.inputs();
                Candidates candidates = g.candidates();
                return () -> d.attentionColsum(g.t("sums"), in, g.t("lse"), g.span(), candidates);
              }),
          new OperatorCall(
              "tokenSelect",
              Set.of("keep", "score", "nonFinite"),
              w ->
                  new CallArguments()
                      .with("keep", w.i32("my keep", 2))
                      .with("score", w.f32("my score", 6))
                      .with("sums", w.f32("my sums", 2, 6))
                      .with("rows", 4)
                      .with("nonFinite", w.i32("my nonFinite", 1)),
              (d, g) ->
                  () ->
                      d.tokenSelect(
                          g.t("keep"), g.t("score"), g.t("sums"), g.n("rows"), g.t("nonFinite"))),
          new OperatorCall(
              "colsumSelect",
              Set.of("keep", "score", "nonFinite", "mapped", "positionsOut", "sources"),
              w ->
                  received(w)
                      .with("keep", w.i32("my keep", 2))
                      .with("score", w.f32("my score", 3))
                      .with("nonFinite", w.i32("my nonFinite", 1))
                      .with("mapped", w.i32("my mapped", 8))
                      .with("positionsOut", w.i32("my positionsOut", 8))
                      .with("sources", w.i32("my sources", 8))
                      .with("positionsIn", w.i32("my positionsIn", 9))
                      .with("chosenFrom", w.i32("my chosenFrom", 3))
                      .with("rule", PositionRule.KEEP),
              (d, g) -> {
                AttentionInputs in = g.inputs();
                Candidates candidates = g.candidates();
                RowMapping map = g.t("mapped") == null ? null : g.mapBehind();
                return () ->
                    d.colsumSelect(
                        g.t("keep"),
                        g.t("score"),
                        in,
                        g.t("lse"),
                        g.span(),
                        candidates,
                        g.t("nonFinite"),
                        map);
              }),
          new OperatorCall(
              "cosines",
              Set.of("out", "nonFinite"),
              w ->
                  new CallArguments()
                      .with("out", w.f32("my out", 6, 6))
                      .with("x", w.f32("my x", 6, 32))
                      .with("nonFinite", w.i32("my nonFinite", 1)),
              (d, g) -> () -> d.cosines(g.t("out"), g.t("x"), g.t("nonFinite"))),
          new OperatorCall(
              "dropDuplicates",
              Set.of("keep"),
              w ->
                  new CallArguments()
                      .with("keep", w.i32("my keep", 3))
                      .with("score", w.f32("my score", 6))
                      .with("cosines", w.f32("my cosines", 6, 6))
                      .with("best", 1),
              (d, g) ->
                  () -> d.dropDuplicates(g.t("keep"), g.t("score"), g.t("cosines"), g.n("best"))),
          new OperatorCall(
              "rowMap",
              Set.of("rows", "positionsOut", "sources"),
              w ->
                  cut(w)
                      .with("rows", w.i32("my rows", 7))
                      .with("positionsOut", w.i32("my positionsOut", 7))
                      .with("sources", w.i32("my sources", 7))
                      .with("positionsIn", w.i32("my positionsIn", 9)),
              (d, g) -> {
                RowMapping map = g.map("rows", g.cuts());
                return () -> d.rowMap(map);
              }),
          new OperatorCall(
              "hideRows",
              Set.of("hidden", "positionsOut"),
              w ->
                  cut(w)
                      .with("hidden", w.alloc("my hidden", DType.U8, 9))
                      .with("positionsOut", w.i32("my positionsOut", 9))
                      .with("positionsIn", w.i32("my positionsIn", 9)),
              (d, g) -> {
                List<Cut> cuts = g.cuts();
                var rule = (PositionRule) g.of.get("rule");
                return () ->
                    d.hideRows(g.t("hidden"), g.t("positionsOut"), g.t("positionsIn"), cuts, rule);
              }),
          new OperatorCall(
              "gatherRows",
              Set.of("out", "out2"),
              w ->
                  new CallArguments()
                      .with("out", w.f32("my out", 3, 32))
                      .with("out2", w.alloc("my out2", DType.BF16, 3, 16))
                      .with("in", w.f32("my in", 5, 32))
                      .with("in2", w.alloc("my in2", DType.BF16, 5, 16))
                      .with("rows", w.i32("my rows", 3)),
              (d, g) -> {
                List<Tensor> out = g.all("out", "out2");
                List<Tensor> in = g.all("in", "in2");
                return () -> d.gatherRows(out, in, g.t("rows"));
              }),
          new OperatorCall(
              "combineRows",
              Set.of("out"),
              w ->
                  new CallArguments()
                      .with("out", w.f32("my out", 2, 32))
                      .with("in", w.f32("my in", 5, 32))
                      .with("index", w.i32("my index", 2, 3))
                      .with("weight", w.f32("my weight", 2, 3)),
              (d, g) -> () -> d.combineRows(g.t("out"), g.t("in"), g.t("index"), g.t("weight"))),
          new OperatorCall(
              "compactRows",
              Set.of("k", "v", "k2", "v2"),
              w ->
                  new CallArguments()
                      .with("k", w.f32("my k", 8, 1, 32))
                      .with("v", w.f32("my v", 8, 1, 32))
                      .with("k2", w.f32("my k2", 7, 1, 32))
                      .with("v2", w.f32("my v2", 7, 1, 32))
                      .with("rows", w.i32("my rows", 3)),
              (d, g) -> {
                List<Kv> caches = List.of(g.kv(""), g.kv("2"));
                return () -> d.compactRows(caches, g.t("rows"));
              }),
          new OperatorCall(
              "sample",
              Set.of("ids", "seen"),
              w ->
                  new CallArguments()
                      .with("ids", w.i32("my ids", 1))
                      .with("seen", w.i32("my seen", 1, 1))
                      .with("logits", w.f32("my logits", 1, 16))
                      .with("segments", w.i32("my segments", 1, Segments.WIDTH))
                      .with("rows", 4)
                      .with("keys", 8)
                      .with("nonFinite", w.i32("my nonFinite", 1)),
              (d, g) -> {
                Segments segments = g.segments();
                return () ->
                    d.sample(g.t("ids"), g.t("seen"), g.t("logits"), segments, g.t("nonFinite"));
              }),
          new OperatorCall(
              "advance",
              Set.of("segments"),
              w ->
                  new CallArguments()
                      .with("segments", w.i32("my segments", 5, Segments.WIDTH))
                      .with("rows", 1)
                      .with("keys", 8),
              (d, g) -> {
                Segments segments = g.segments();
                return () -> d.advance(segments);
              }));

  static OperatorCall of(String name) {
    return ALL.stream().filter(o -> o.name.equals(name)).findFirst().orElseThrow();
  }
}
