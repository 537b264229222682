package starling.bench;

import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * Every operator of {@code Device}, in its order. Axes: T rows, D channels, H and G query and key
 * heads of d channels, S keys, n candidates, k kept, V vocabulary, L layers, w rows in a sum or of
 * a candidate, in_features and out_features of a product. Some rows have more: positions on three
 * axes, and windows of so many rows a side in a grid of so many across.
 */
final class Catalogue {
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
          RowOperators.PATCHIFY,
          RowOperators.EMBED,
          RowOperators.LAYERNORM,
          RowOperators.RMSNORM,
          RowOperators.ROW_STATISTICS,
          RowOperators.GEMM,
          AttentionOperators.ROPE,
          AttentionOperators.ATTENTION,
          StepOperators.STEP_ATTENTION,
          AttentionOperators.ATTENTION_COLSUM,
          SelectionOperators.TOKEN_SELECT,
          AttentionOperators.COLSUM_SELECT,
          SelectionOperators.COSINES,
          SelectionOperators.DROP_DUPLICATES,
          SelectionOperators.ROW_MAP,
          SelectionOperators.GATHER_ROWS,
          SelectionOperators.COMBINE_ROWS,
          SelectionOperators.COMPACT_ROWS,
          SelectionOperators.HIDE_ROWS,
          StepOperators.SAMPLE,
          StepOperators.ADVANCE);

  /** The operator of that name; there is one. */
  static Operator operator(String name) {
    return OPERATORS.stream()
        .filter(o -> o.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new NoSuchElementException(name));
  }
}
