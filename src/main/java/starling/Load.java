package starling;

/**
 * What a {@link Model} is doing.
 *
 * @param running answers that are being drawn
 * @param waiting questions that wait for their turn
 * @param cacheBytes memory that keys and values of questions may take
 * @param cacheBytesUsed what they take now
 */
public record Load(int running, int waiting, long cacheBytes, long cacheBytesUsed) {}
