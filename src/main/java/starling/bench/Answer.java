package starling.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import starling.bench.Operator.Sizes;
import starling.device.Activation;
import starling.device.DType;
import starling.device.Linear;
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

  /** The product of a gated block: gate and up in one, which only answers have. */
  static final Operator GATED =
      new Operator(
          "gemm, gated",
          List.of("T", "in_features", "out_features"),
          true,
          (in, s) -> {
            int wide = s.get("out_features");
            int deep = s.get("in_features");
            Tensor y = in.out("y", in.dtype, s.get("T"), wide);
            Tensor x = in.floats("x", 1, s.get("T"), deep);
            Linear w =
                in.device.asLinear(in.floats("w", 1 / Math.sqrt(deep), 2 * wide, deep), null);
            return () -> in.device.gemm(y, x, w, null, Activation.SILU_MUL, null);
          },
          (s, t) ->
              t.bytes()
                  * (s.at("T") * s.at("in_features")
                      + 2 * s.at("out_features") * s.at("in_features")
                      + s.at("T") * s.at("out_features")),
          (s, t) -> 4 * s.at("T") * s.at("in_features") * s.at("out_features"));

  /** Up to the first token. */
  static List<Step> prefill() {
    int rows = 636;
    return List.of(
        step(1, RowOperators.PATCHIFY, 336, 14),
        step(3, RowOperators.EMBED, 60, 4096, 32064),
        step(1, RowOperators.GEMM, 576, 588, 1024),
        step(1 + 2 * TOWER_BLOCKS, RowOperators.LAYERNORM, 577, 1024),
        step(TOWER_BLOCKS, RowOperators.GEMM, 577, 1024, 3072),
        step(TOWER_BLOCKS, AttentionOperators.ATTENTION, 577, 577, 16, 16, 64, 0),
        step(TOWER_BLOCKS, RowOperators.GEMM, 577, 1024, 1024),
        step(TOWER_BLOCKS, RowOperators.GEMM, 577, 1024, 4096),
        step(TOWER_BLOCKS, RowOperators.GEMM, 577, 4096, 1024),
        step(1, RowOperators.GEMM, 576, 1024, 4096),
        step(1, RowOperators.GEMM, 576, 4096, 4096),
        step(2 * LAYERS, RowOperators.RMSNORM, rows, 4096),
        step(LAYERS, RowOperators.GEMM, rows, 4096, 12288),
        step(LAYERS, AttentionOperators.ROPE, rows, 32, 32, 128),
        step(LAYERS, AttentionOperators.ATTENTION, rows, rows, 32, 32, 128, 1),
        step(LAYERS, RowOperators.GEMM, rows, 4096, 4096),
        step(LAYERS, GATED, rows, 4096, 11008),
        step(LAYERS, RowOperators.GEMM, rows, 11008, 4096),
        step(1, RowOperators.GEMM, 1, 4096, 32064),
        step(1, StepOperators.SAMPLE, 32064));
  }

  /** The next token, behind 636 rows. */
  static List<Step> token() {
    return List.of(
        step(1, RowOperators.EMBED, 1, 4096, 32064),
        step(LAYERS, RowOperators.GEMM, 1, 4096, 12288),
        step(LAYERS, AttentionOperators.ROPE, 1, 32, 32, 128),
        step(LAYERS, AttentionOperators.ATTENTION, 1, 636, 32, 32, 128, 1),
        step(LAYERS, RowOperators.GEMM, 1, 4096, 4096),
        step(LAYERS, GATED, 1, 4096, 11008),
        step(LAYERS, RowOperators.GEMM, 1, 11008, 4096),
        step(1, RowOperators.GEMM, 1, 4096, 32064),
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
