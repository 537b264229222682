package starling.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import starling.bench.Operator.Sizes;
import starling.device.Activation;
import starling.device.DType;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.ProductRows;
import starling.device.Tensor;

/**
 * The launches of one answer of LLaVA-1.5-7B: one image, 60 rows of text, nothing pruned. This list
 * is all that a sum is made of; a launch that is fused into another leaves it here.
 */
final class Answer {
  private static final int TOWER_BLOCKS = 23;
  private static final int LAYERS = 32;

  private Answer() {}

  /**
   * A launch.
   *
   * @param count how often
   */
  record Step(Case of, int count) {}

  /** What a product has to do with those around it. */
  private enum Around {
    /** Its x is normalised by statistics that came with it. */
    KNOWING,
    /** It adds a residual and leaves statistics. */
    LEAVING
  }

  /** The products of a block, which only answers have. */
  static final Operator NORMED = product("gemm, normed", Activation.NONE, Around.KNOWING);

  static final Operator GATED = product("gemm, gated", Activation.SILU_MUL, Around.KNOWING);
  static final Operator ADDED = product("gemm, added", Activation.NONE, Around.LEAVING);

  private static Operator product(String name, Activation activation, Around around) {
    int parts = activation == Activation.SILU_MUL ? 2 : 1; // gate and up in one
    return new Operator(
        name,
        List.of("T", "in_features", "out_features"),
        true,
        (in, s) -> {
          int rows = s.get("T");
          int wide = s.get("out_features");
          int deep = s.get("in_features");
          Tensor y = in.out("y", in.dtype, rows, wide);
          Tensor x = in.floats("x", 1, rows, deep);
          Linear w =
              in.device.asLinear(in.floats("w", 1 / Math.sqrt(deep), parts * wide, deep), null);
          if (around == Around.LEAVING) {
            Tensor left = statistics(in, rows, wide);
            Tensor residual = in.floats("residual", 1, rows, wide);
            var leaving = ProductRows.leaving(left);
            return () -> in.device.gemm(y, x, w, null, activation, residual, leaving);
          }
          var norm = new Norm(in.floats("norm", 1, deep), null, 1e-5f);
          Tensor known = statistics(in, rows, deep);
          in.device.rowStatistics(known, x);
          return () -> in.device.gemm(y, x, w, norm, activation, null, ProductRows.knowing(known));
        },
        (s, t) ->
            t.bytes()
                * (s.at("T") * s.at("in_features")
                    + parts * s.at("out_features") * s.at("in_features")
                    + s.at("T") * s.at("out_features") * (around == Around.LEAVING ? 2 : 1)),
        (s, t) -> 2 * parts * s.at("T") * s.at("in_features") * s.at("out_features"));
  }

  private static Tensor statistics(Inputs in, int rows, int width) {
    return in.arena.alloc("statistics", DType.F32, rows, 2 * ProductRows.parts(rows, width));
  }

  /** Up to the first token. */
  static List<Step> prefill() {
    int rows = 636;
    return List.of(
        step(1, RowOperators.PATCHIFY, 336, 14),
        step(3, RowOperators.EMBED, 60, 4096, 32064),
        step(1, RowOperators.GEMM, 576, 588, 1024),
        step(1, RowOperators.LAYERNORM, 577, 1024),
        step(1, RowOperators.ROW_STATISTICS, 577, 1024),
        step(TOWER_BLOCKS, NORMED, 577, 1024, 3072),
        step(TOWER_BLOCKS, AttentionOperators.ATTENTION, 577, 577, 16, 16, 64, 0),
        step(TOWER_BLOCKS, ADDED, 577, 1024, 1024),
        step(TOWER_BLOCKS, NORMED, 577, 1024, 4096),
        step(TOWER_BLOCKS, ADDED, 577, 4096, 1024),
        step(1, RowOperators.GEMM, 576, 1024, 4096),
        step(1, RowOperators.GEMM, 576, 4096, 4096),
        step(1, RowOperators.ROW_STATISTICS, rows, 4096),
        step(LAYERS, NORMED, rows, 4096, 12288),
        step(LAYERS, AttentionOperators.ROPE, rows, 32, 32, 128),
        step(LAYERS, AttentionOperators.ATTENTION, rows, rows, 32, 32, 128, 1),
        step(LAYERS, ADDED, rows, 4096, 4096),
        step(LAYERS, GATED, rows, 4096, 11008),
        step(LAYERS, ADDED, rows, 11008, 4096),
        step(1, NORMED, 1, 4096, 32064),
        step(1, StepOperators.SAMPLE, 32064));
  }

  /** The next token, behind 636 rows. */
  static List<Step> token() {
    return List.of(
        step(1, RowOperators.EMBED, 1, 4096, 32064),
        step(LAYERS, NORMED, 1, 4096, 12288),
        step(LAYERS, StepOperators.STEP_ATTENTION, 637, 32, 32, 128, 4096),
        step(LAYERS, GATED, 1, 4096, 11008),
        step(LAYERS, ADDED, 1, 11008, 4096),
        step(1, NORMED, 1, 4096, 32064),
        step(1, StepOperators.SAMPLE, 32064),
        step(1, StepOperators.ADVANCE, LAYERS));
  }

  private static Step step(int count, Operator operator, int... values) {
    Map<String, Integer> sizes = new LinkedHashMap<>();
    for (int i = 0; i < values.length; i++) {
      sizes.put(operator.axes().get(i), values[i]);
    }
    DType type = operator.typed() ? DType.BF16 : DType.F32;
    return new Step(new Case(operator.name(), operator, new Sizes(sizes), type), count);
  }
}
