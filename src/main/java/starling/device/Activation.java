package starling.device;

/** What {@link Device#gemm} applies to {@code x·wᵀ + bias}. */
public enum Activation {
  NONE,
  /** {@code x / (1 + exp(-1.702·x))}, CLIP's. */
  QUICK_GELU,
  /** {@code x·Φ(x)} with the error function, the projector's. */
  GELU,
  /** {@code silu(gate)·up}; the weight is {@code [2·out, in]}, gate rows first. */
  SILU_MUL
}
