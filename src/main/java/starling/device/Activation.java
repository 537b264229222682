package starling.device;

/** What {@link Device#gemm} applies to {@code x·wᵀ + bias}. */
public enum Activation {
  /** Nothing: {@code x}. */
  NONE,

  /** {@code x / (1 + exp(-1.702·x))}, as CLIP has it. */
  QUICK_GELU,

  /** {@code x·Φ(x)} by the error function, as LLaVA's projector has it. */
  GELU,

  /**
   * {@code silu(gate)·up} with {@code silu(x) = x / (1 + exp(-x))}, as Llama has it. The weight is
   * {@code [2·out, in]}: the rows of all gates, then those of all ups.
   */
  SILU_MUL
}
