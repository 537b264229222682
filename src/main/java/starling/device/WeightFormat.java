package starling.device;

import java.lang.foreign.MemorySegment;

/**
 * How numbers of a checkpoint are stored: one by one in a floating-point type ({@link
 * PlainFormat}), or in blocks of a few quantised values with what scales them. A row is a whole
 * number of blocks, one behind the other, little-endian, at any alignment.
 *
 * <p>A format is stated by {@link #value}. A device reads blocks by {@link #decode}, or turns them
 * into what it reads when it loads them. Whoever adds a format overrides {@code decode} for speed;
 * it must give the same values.
 */
public interface WeightFormat {
  /** As reports write it: {@code bf16}, {@code q8_0}. */
  String name();

  /** Elements of a block; 1 of a plain type. */
  int blockElements();

  /** Bytes of a block. */
  int blockBytes();

  /**
   * The definition: what element {@code i} of a block is worth.
   *
   * @param block where the block begins in {@code bytes}
   */
  double value(MemorySegment bytes, long block, int i);

  /**
   * Elements {@code from … from + n}, rounded to f32, into {@code out[at …]}. They may begin and
   * end inside a block; most callers ask for whole ones.
   *
   * @param start where a block begins in {@code bytes}, whose first element is element 0
   */
  default void decode(MemorySegment bytes, long start, int from, int n, float[] out, int at) {
    int elements = blockElements();
    for (int i = 0; i < n; i++) {
      long block = start + (long) ((from + i) / elements) * blockBytes();
      out[at + i] = (float) value(bytes, block, (from + i) % elements);
    }
  }

  /** Bytes of {@code elements}, a whole number of blocks. */
  default long bytes(long elements) {
    return Math.multiplyExact(elements / blockElements(), (long) blockBytes());
  }

  /** Whether its values are those of a {@link DType}, one by one. */
  default boolean isPlain() {
    return this instanceof PlainFormat;
  }
}
