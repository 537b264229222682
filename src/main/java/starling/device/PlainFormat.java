package starling.device;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Elements of one floating-point type, one after another, without blocks.
 *
 * @param dtype their type
 */
public record PlainFormat(DType dtype) implements WeightFormat {
  private static final ValueLayout.OfInt U32 = ValueLayout.JAVA_INT_UNALIGNED;
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED;

  @Override
  public String name() {
    return dtype.label();
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
   * @throws IllegalStateException if it is not a floating-point type
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
