package starling.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import starling.device.DType;
import starling.device.Tensor;

/**
 * Rows of tensors to and from f32 arrays. Whatever the storage type, operators compute on arrays:
 * f32 rows are copied, bf16 and f16 rows widened exactly, and rounded once (to nearest even) on the
 * way back.
 */
final class Rows {
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED;
  static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED;

  private Rows() {}

  /** Elements {@code from … from + n} of a row into {@code out[at …]}. */
  static void load(Tensor t, int row, int from, int n, float[] out, int at) {
    long offset = t.offset(row) + (long) from * t.dtype().bytes();
    switch (t.dtype()) {
      case F32 -> MemorySegment.copy(t.memory(), F32, offset, out, at, n);
      case BF16 -> widenBf16(t.memory(), offset, n, out, at);
      default -> widenF16(t.memory(), offset, n, out, at);
    }
  }

  // A method for each type: the compiler judges a loop by what ran through it, and a process that
  // has read one type must not read the other slowly.

  private static void widenBf16(MemorySegment memory, long offset, int n, float[] out, int at) {
    for (int i = 0; i < n; i++) {
      out[at + i] = Float.intBitsToFloat(memory.get(U16, offset + 2L * i) << 16);
    }
  }

  private static void widenF16(MemorySegment memory, long offset, int n, float[] out, int at) {
    for (int i = 0; i < n; i++) {
      out[at + i] = Float.float16ToFloat(memory.get(U16, offset + 2L * i));
    }
  }

  /** A whole row. */
  static void load(Tensor t, int row, float[] out, int at) {
    load(t, row, 0, t.width(), out, at);
  }

  static void store(float[] in, int at, Tensor t, int row, int from, int n) {
    long offset = t.offset(row) + (long) from * t.dtype().bytes();
    MemorySegment memory = t.memory();
    switch (t.dtype()) {
      case F32 -> MemorySegment.copy(in, at, memory, F32, offset, n);
      case BF16 -> {
        for (int i = 0; i < n; i++) {
          memory.set(U16, offset + 2L * i, DType.bf16(in[at + i]));
        }
      }
      default -> {
        for (int i = 0; i < n; i++) {
          memory.set(U16, offset + 2L * i, Float.floatToFloat16(in[at + i]));
        }
      }
    }
  }

  /** Rounds values to a storage type in place. */
  static void round(float[] values, int at, int n, DType dtype) {
    for (int i = at; i < at + n && dtype != DType.F32; i++) {
      values[i] = dtype.value(dtype.bits(values[i]));
    }
  }

  static int index(Tensor t, int row) {
    return t.memory().get(I32, t.offset(row));
  }

  static int index(Tensor t, int row, int column) {
    return t.memory().get(I32, t.offset(row) + 4L * column);
  }

  static void setIndex(Tensor t, int row, int value) {
    t.memory().set(I32, t.offset(row), value);
  }

  static void setIndex(Tensor t, int row, int column, int value) {
    t.memory().set(I32, t.offset(row) + 4L * column, value);
  }

  /** An element of an f32 tensor, or of one that stands for one while it is stored narrower. */
  static float get(Tensor t, int row, int column) {
    long offset = t.offset(row) + (long) column * t.dtype().bytes();
    return switch (t.dtype()) {
      case F32 -> t.memory().get(F32, offset);
      case BF16 -> Float.intBitsToFloat(t.memory().get(U16, offset) << 16);
      default -> Float.float16ToFloat(t.memory().get(U16, offset));
    };
  }

  static void set(Tensor t, int row, int column, float value) {
    t.memory().set(F32, t.offset(row) + 4L * column, value);
  }

  /** Copies a row of any type between tensors of one type and width, however they are stored. */
  static void copy(Tensor from, int i, Tensor to, int j) {
    if (from.dtype() != to.dtype()) {
      float[] row = new float[from.width()];
      load(from, i, row, 0);
      store(row, 0, to, j, 0, row.length);
      return;
    }
    MemorySegment.copy(
        from.memory(),
        from.offset(i),
        to.memory(),
        to.offset(j),
        (long) from.width() * from.dtype().bytes());
  }
}
