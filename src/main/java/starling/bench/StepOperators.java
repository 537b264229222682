package starling.bench;

import java.util.Collections;
import java.util.List;
import starling.device.DType;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.Tensor;

/** The end of a step. */
final class StepOperators {
  private StepOperators() {}

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
