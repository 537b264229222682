package starling.device;

/**
 * The rows of one picture in a sequence, and which of them stay.
 *
 * @param at first row of the picture
 * @param count its rows
 * @param keep i32 {@code [kept]}, ascending: which of the {@code count} rows stay
 */
public record Cut(int at, int count, Tensor keep) {}
