package starling.device;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A tensor as a checkpoint stores it: row-major, contiguous, little-endian, at any alignment.
 *
 * @param name name in the checkpoint
 * @param format how its elements are stored; the last dimension is a whole number of blocks
 * @param shape sizes in elements, outermost first
 * @param bytes the elements; mapped from a file or on the heap; the giver keeps it alive while the
 *     device uses it
 */
public record StoredTensor(
    String name, WeightFormat format, List<Integer> shape, MemorySegment bytes) {

  public StoredTensor {
    shape = List.copyOf(shape);
    int block = format.blockElements();
    if (block != 1 && (shape.isEmpty() || shape.getLast() % block != 0)) {
      throw new IllegalArgumentException(
          name
              + ": rows of "
              + shape
              + " are no whole blocks of "
              + block
              + " ("
              + format.name()
              + ")");
    }
    long needed = format.bytes(elements(shape));
    if (needed != bytes.byteSize()) {
      throw new IllegalArgumentException(
          name
              + ": "
              + shape
              + " of "
              + format.name()
              + " needs "
              + needed
              + " bytes, not "
              + bytes.byteSize());
    }
  }

  /** Elements of a plain type. */
  public StoredTensor(String name, DType dtype, List<Integer> shape, MemorySegment bytes) {
    this(name, new PlainFormat(dtype), shape, bytes);
  }

  /** A tensor of values computed while loading, for example the class row of a vision tower. */
  public static StoredTensor of(String name, List<Integer> shape, float[] values) {
    return new StoredTensor(name, DType.F32, shape, MemorySegment.ofArray(values));
  }

  /** The same elements in another shape, which has as many. */
  public StoredTensor as(List<Integer> other) {
    return new StoredTensor(name, format, other, bytes);
  }

  /** The product of its sizes. */
  public long elements() {
    return elements(shape);
  }

  /** Element {@code i} of the flat order as f32: exactly, where the format's values fit. */
  public float get(long i) {
    int block = format.blockElements();
    return (float) format.value(bytes, format.bytes(i), (int) (i % block));
  }

  /** Elements {@code from … from + n} of the flat order as f32, into {@code out[at …]}. */
  public void load(long from, int n, float[] out, int at) {
    format.decode(bytes, format.bytes(from), (int) (from % format.blockElements()), n, out, at);
  }

  private static long elements(List<Integer> shape) {
    long n = 1;
    for (int d : shape) {
      n = Math.multiplyExact(n, (long) d);
    }
    return n;
  }
}
