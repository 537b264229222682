package starling.device;

/**
 * The candidates of a selection among the keys of an attention: candidate {@code j} is key {@code
 * at + j}, or {@code at + index[j]}.
 *
 * @param at first key of the picture
 * @param count number of candidates
 * @param index i32 {@code [count]}, or null when the candidates are consecutive
 */
public record Keys(int at, int count, Tensor index) {}
