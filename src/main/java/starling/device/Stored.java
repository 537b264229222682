package starling.device;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * A tensor as a checkpoint stores it: row-major, contiguous, little-endian, at any alignment.
 *
 * @param name name in the checkpoint
 * @param dtype {@code F32}, {@code BF16} or {@code F16}
 * @param shape sizes, outermost first
 * @param bytes the elements; mapped from a file or on the heap; the giver keeps it alive while the
 *     device uses it
 */
public record Stored(String name, DType dtype, List<Integer> shape, MemorySegment bytes) {

  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED;

  public Stored {
    shape = List.copyOf(shape);
    long elements = elements(shape);
    if (elements * dtype.bytes() != bytes.byteSize()) {
      throw new IllegalArgumentException(
          name
              + ": "
              + shape
              + " of "
              + dtype
              + " needs "
              + elements * dtype.bytes()
              + " bytes, not "
              + bytes.byteSize());
    }
  }

  /** A tensor of values computed while loading, for example the class row of a vision tower. */
  public static Stored of(String name, List<Integer> shape, float[] values) {
    return new Stored(name, DType.F32, shape, MemorySegment.ofArray(values));
  }

  public long elements() {
    return elements(shape);
  }

  /** Element {@code i} of the flat order, widened exactly. */
  public float get(long i) {
    return switch (dtype) {
      case F32 -> bytes.get(F32, i * 4);
      case BF16 -> Float.intBitsToFloat(bytes.get(U16, i * 2) << 16);
      case F16 -> Float.float16ToFloat(bytes.get(U16, i * 2));
      case I32, U8 -> throw new IllegalStateException(name + " is not a floating-point tensor");
    };
  }

  private static long elements(List<Integer> shape) {
    long n = 1;
    for (int d : shape) {
      n = Math.multiplyExact(n, (long) d);
    }
    return n;
  }
}
