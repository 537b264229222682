package starling.device;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A block format that no checkpoint has: 32 values of 8 bits behind their scale in f16. What a
 * format from outside needs, and no more.
 */
public record EightBits() implements WeightFormat {
  private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED;
  private static final int ELEMENTS = 32;
  private static final int BYTES = 2 + ELEMENTS;

  @Override
  public String name() {
    return "eight_bits";
  }

  @Override
  public int blockElements() {
    return ELEMENTS;
  }

  @Override
  public int blockBytes() {
    return BYTES;
  }

  @Override
  public double value(MemorySegment bytes, long block, int i) {
    double scale = Float.float16ToFloat(bytes.get(U16, block));
    return scale * bytes.get(ValueLayout.JAVA_BYTE, block + 2 + i);
  }

  /** The product has 18 bits at most, so that of f32 is exact. */
  @Override
  public void decode(MemorySegment bytes, long start, int from, int n, float[] out, int at) {
    for (int i = from; i < from + n; ) {
      long block = start + (long) (i / ELEMENTS) * BYTES;
      float scale = Float.float16ToFloat(bytes.get(U16, block));
      int end = Math.min(from + n, (i / ELEMENTS + 1) * ELEMENTS);
      for (; i < end; i++) {
        out[at + i - from] = scale * bytes.get(ValueLayout.JAVA_BYTE, block + 2 + i % ELEMENTS);
      }
    }
  }

  /** The nearest blocks to a matrix of any format, whose rows are whole ones; on the heap. */
  public static StoredTensor of(StoredTensor matrix) {
    int n = Math.toIntExact(matrix.elements());
    float[] values = new float[n];
    matrix.load(0, n, values, 0);
    var bytes = MemorySegment.ofArray(new byte[n / ELEMENTS * BYTES]);
    for (int block = 0; block < n / ELEMENTS; block++) {
      float most = 0;
      for (int i = 0; i < ELEMENTS; i++) {
        most = Math.max(most, Math.abs(values[block * ELEMENTS + i]));
      }
      short scale = Float.floatToFloat16(most / 127);
      bytes.set(U16, (long) block * BYTES, scale);
      float inverse = scale == 0 ? 0 : 1 / Float.float16ToFloat(scale);
      for (int i = 0; i < ELEMENTS; i++) {
        int q = Math.clamp(Math.round(values[block * ELEMENTS + i] * inverse), -128, 127);
        bytes.set(ValueLayout.JAVA_BYTE, (long) block * BYTES + 2 + i, (byte) q);
      }
    }
    return new StoredTensor(matrix.name(), new EightBits(), matrix.shape(), bytes);
  }

  /** Its values one by one in f32, where they are exact. */
  public static StoredTensor plain(StoredTensor blocks) {
    float[] values = new float[Math.toIntExact(blocks.elements())];
    blocks.load(0, values.length, values, 0);
    return StoredTensor.of(blocks.name(), blocks.shape(), values);
  }
}
