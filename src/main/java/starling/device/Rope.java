package starling.device;

/**
 * Table of rotary embeddings, half-split form: channel {@code i} turns with channel {@code i +
 * d/2}.
 *
 * @param cos f32 {@code [positions, d/2]}; angles {@code position·theta^(-2i/d)} are computed in
 *     double
 * @param sin f32 {@code [positions, d/2]}
 */
public record Rope(Tensor cos, Tensor sin) {}
