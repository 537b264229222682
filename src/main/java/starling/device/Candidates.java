package starling.device;

/**
 * The candidates of a selection among the keys of an attention: candidate {@code j} is key {@code
 * at + j}, or {@code at + index[j]}. Where a candidate has {@code w} sources, these are its keys
 * {@code j·w … j·w + w − 1}, and {@code count} and {@code index} count keys.
 *
 * @param at first key of the image
 * @param count number of keys
 * @param index i32 {@code [count]}, or null when the keys are consecutive
 */
public record Candidates(int at, int count, Tensor index) {}
