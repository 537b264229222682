package starling.device;

/**
 * Keys and values of one layer.
 *
 * @param k {@code [capacity, Hkv, d]}
 * @param v {@code [capacity, Hkv, d]}
 * @param length i32 {@code [1]} on the device: rows written before this step, so that row {@code t}
 *     of the current call stands at {@code length + t}; null means that the tensors hold exactly
 *     the rows of this call
 */
public record Kv(Tensor k, Tensor v, Tensor length) {}
