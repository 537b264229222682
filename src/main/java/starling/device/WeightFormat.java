package starling.device;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;

/**
 * How numbers of a checkpoint are stored: one by one in a floating-point type ({@link Plain}), or
 * in blocks of a few quantised values with what scales them. A row is a whole number of blocks, one
 * behind the other, little-endian, at any alignment.
 *
 * <p>A format is stated by {@link #value}. A device reads blocks by {@link #decode}, or turns them
 * into what it reads when it loads them. Whoever adds a format overrides {@code decode} for speed;
 * it must give the same values.
 */
public interface WeightFormat {
  WeightFormat F32 = new Plain(DType.F32);
  WeightFormat BF16 = new Plain(DType.BF16);
  WeightFormat F16 = new Plain(DType.F16);

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
    return this instanceof Plain;
  }

  /** The format of an element type. */
  static WeightFormat of(DType dtype) {
    return switch (dtype) {
      case F32 -> F32;
      case BF16 -> BF16;
      case F16 -> F16;
      case I32, U8 -> new Plain(dtype);
    };
  }

  /** One element of a type behind the other. */
  record Plain(DType dtype) implements WeightFormat {
    private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED;

    @Override
    public String name() {
      return dtype.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public int blockElements() {
      return 1;
    }

    @Override
    public int blockBytes() {
      return dtype.bytes();
    }

    /**
     * @throws IllegalStateException if the type is none of numbers with a fraction
     */
    @Override
    public double value(MemorySegment bytes, long block, int i) {
      return dtype.value(dtype.bytes() == 2 ? bytes.get(U16, block) : bytes.get(U32, block));
    }

    @Override
    public void decode(MemorySegment bytes, long start, int from, int n, float[] out, int at) {
      long first = start + (long) from * dtype.bytes();
      if (dtype == DType.F32) {
        MemorySegment.copy(bytes, FLOAT, first, out, at, n);
        return;
      }
      for (int i = 0; i < n; i++) {
        out[at + i] = dtype.value(bytes.get(U16, first + 2L * i));
      }
    }
  }
}
