package starling.device;

/**
 * What an attention is computed from.
 *
 * @param q {@code [T, H, d]}: the rows of all segments
 * @param kv their keys and values
 * @param mask which keys a row may see
 * @param scale factor of {@code q·k}
 */
public record AttentionInputs(Tensor q, Kv kv, Mask mask, float scale) {}
