package starling.bench;

import java.util.Collections;
import java.util.List;
import starling.device.AttentionInputs;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Rope;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Tensor;

/** The end of a step. */
final class StepOperators {
  private StepOperators() {}

  /** One row behind S − 1 keys, whose key and value it appends. */
  static final Operator STEP_ATTENTION =
      new Operator(
          "step_attention",
          List.of("S", "H", "G", "d", "out_features"),
          true,
          (in, s) -> {
            int keys = s.get("S");
            int d = s.get("d");
            int wide = s.get("H") * d;
            Tensor y = in.out("y", in.dtype, 1, s.get("out_features"));
            Tensor residual = in.floats("residual", 1, 1, s.get("out_features"));
            Tensor qkv = in.floats("qkv", 1, 1, wide + 2 * s.get("G") * d);
            var each = Segment.of(0, 1, 0, keys).behind(keys - 1).standing(keys - 1);
            int[] table = Segments.table(List.of(each));
            var segments = new Segments(in.ints("segments", table, 1, Segments.WIDTH), 1, keys);
            var kv =
                new Kv(
                    in.floats("k", 1, keys, s.get("G"), d),
                    in.floats("v", 1, keys, s.get("G"), d),
                    segments);
            Tensor q = in.arena.alloc("q", in.dtype, 1, s.get("H"), d);
            var inputs = new AttentionInputs(q, kv, Mask.CAUSAL, (float) (1 / Math.sqrt(d)));
            var rope =
                new Rope(
                    in.floats("cos", DType.F32, 1, keys, d / 2),
                    in.floats("sin", DType.F32, 1, keys, d / 2),
                    null);
            Tensor attended = in.arena.alloc("attended", in.dtype, 1, wide);
            Linear w =
                in.device.asLinear(
                    in.floats("w", 1 / Math.sqrt(wide), s.get("out_features"), wide), null);
            return () -> in.device.stepAttention(y, null, qkv, inputs, rope, attended, w, residual);
          },
          (s, t) ->
              t.bytes()
                  * (2 * s.at("S") * s.at("G") * s.at("d")
                      + s.at("H") * s.at("d") * s.at("out_features")
                      + (s.at("H") + 2 * s.at("G")) * s.at("d")
                      + 2 * s.at("out_features")),
          (s, t) ->
              4 * s.at("S") * s.at("H") * s.at("d")
                  + 2 * s.at("H") * s.at("d") * s.at("out_features"));

  static final Operator SAMPLE =
      new Operator(
          "sample",
          List.of("V"),
          false,
          (in, s) -> {
            Tensor ids = in.out("ids", DType.I32, 1);
            Tensor logits = in.floats("logits", DType.F32, 1, 1, s.get("V"));
            Segments segments = AttentionOperators.segments(in, 1, 1);
            Tensor nonFinite = in.ints("nonFinite", 0);
            return () -> in.device.sample(ids, null, logits, segments, nonFinite);
          },
          (s, t) -> 4 * s.at("V") + 20, // the greedy choice reads three numbers of the table
          (s, t) -> 0);

  static final Operator ADVANCE =
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
          (s, t) -> 0);
}
