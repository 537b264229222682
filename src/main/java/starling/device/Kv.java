package starling.device;

/**
 * Keys and values of one layer, of one or more segments.
 *
 * @param k {@code [N, G, d]}
 * @param v {@code [N, G, d]}
 * @param segments where the keys of each segment lie and how many there are; null is one segment of
 *     all rows of the call, whose keys are the first rows of k and v
 */
public record Kv(Tensor k, Tensor v, Segments segments) {}
