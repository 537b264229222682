package starling.device;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * A view of device memory: {@code [rows, …]} with a row stride. It owns nothing; its {@link
 * TensorArena} does. The dimensions after the first are contiguous; two rows are {@link
 * #rowStride()} elements apart.
 *
 * <p>On the cpu device a tensor lies in a host segment, {@link #memory()} from {@link #offset()}
 * on. On the native device it is an address ({@link #address}) that Java code cannot dereference,
 * and {@code memory()} refuses.
 */
public final class Tensor {
  private final TensorArena arena;
  private final String name;
  private final DType dtype;
  private final int[] shape;
  private final int rowStride;
  private final Block block;
  private final long offset;

  Tensor(
      TensorArena arena,
      String name,
      DType dtype,
      int[] shape,
      int rowStride,
      Block block,
      long offset) {
    this.arena = arena;
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
    this.rowStride = rowStride;
    this.block = block;
    this.offset = offset;
  }

  public String name() {
    return name;
  }

  public DType dtype() {
    return dtype;
  }

  public int rank() {
    return shape.length;
  }

  /** Size of dimension {@code i}. */
  public int dim(int i) {
    return shape[i];
  }

  public int rows() {
    return shape[0];
  }

  /** Elements per row: the product of all dimensions after the first; 1 for a vector. */
  public int width() {
    int n = 1;
    for (int i = 1; i < shape.length; i++) {
      n *= shape[i];
    }
    return n;
  }

  /** Elements from one row to the next. */
  public int rowStride() {
    return rowStride;
  }

  /** Bytes from the start of {@link #memory()} to element 0. */
  public long offset() {
    return offset;
  }

  /** Bytes from the start of {@link #memory()} to the start of row {@code row}. */
  public long offset(int row) {
    return offset + (long) row * rowStride * dtype.bytes();
  }

  /** The host segment that holds this tensor on the cpu device. */
  public MemorySegment memory() {
    if (block.memory() == null) {
      throw new IllegalStateException(name + " lies in device memory; download it");
    }
    return block.memory();
  }

  /**
   * The address of element 0, a number for native code.
   *
   * @param owner the memory of the device that will use it
   * @param host whether that device can use host memory
   * @throws IllegalArgumentException if the tensor is another device's, or lies where this one
   *     cannot reach it
   */
  public long address(TensorArena.Memory owner, boolean host) {
    if (!arena.isOf(owner)) {
      throw new IllegalArgumentException(this + " of another device");
    }
    if (block.memory() != null && (!host || !block.memory().isNative())) {
      throw new IllegalArgumentException(
          this
              + (host ? " on the Java heap, which" : " in host memory, which")
              + " this device cannot use");
    }
    return block.address() + offset;
  }

  /** Rows {@code from} (inclusive) to {@code to} (exclusive). */
  public Tensor rows(int from, int to) {
    if (from < 0 || to < from || to > shape[0]) {
      throw new IndexOutOfBoundsException(
          name + ": rows " + from + " to " + to + " of " + shape[0]);
    }
    int[] s = shape.clone();
    s[0] = to - from;
    return new Tensor(arena, name, dtype, s, rowStride, block, offset(from));
  }

  /**
   * Columns {@code from} (inclusive) to {@code to} (exclusive) of every row, as {@code [rows, to -
   * from]}.
   */
  public Tensor columns(int from, int to) {
    if (from < 0 || to < from || to > width()) {
      throw new IndexOutOfBoundsException(
          name + ": columns " + from + " to " + to + " of " + width());
    }
    int[] s = {shape[0], to - from};
    return new Tensor(
        arena, name, dtype, s, rowStride, block, offset + (long) from * dtype.bytes());
  }

  /** The same rows, their elements seen as {@code inner}: {@code [T, H·d]} as {@code [T, H, d]}. */
  public Tensor split(int... inner) {
    int[] s = new int[inner.length + 1];
    s[0] = shape[0];
    System.arraycopy(inner, 0, s, 1, inner.length);
    var view = new Tensor(arena, name, dtype, s, rowStride, block, offset);
    if (view.width() != width()) {
      throw new IllegalArgumentException(
          this + " cannot be split into rows of " + Arrays.toString(inner));
    }
    return view;
  }

  /**
   * Checks this argument of an operator, a vector, once, at the boundary. Nothing is allocated
   * unless it fails.
   *
   * @param role the parameter's name in the operator
   * @param type the element type wanted, or null for any floating-point type
   * @param n the size wanted; a negative one means any
   * @throws IllegalArgumentException with the tensor's name, what it is and what was wanted
   * @throws IllegalStateException if the arena that owns it is closed
   */
  public void expect(String role, DType type, int n) {
    expect(role, type, 1, n, -1, -1);
  }

  /** The same for a matrix. */
  public void expect(String role, DType type, int rows, int columns) {
    expect(role, type, 2, rows, columns, -1);
  }

  /** The same for three dimensions. */
  public void expect(String role, DType type, int rows, int heads, int channels) {
    expect(role, type, 3, rows, heads, channels);
  }

  private void expect(String role, DType type, int rank, int a, int b, int c) {
    if (!arena.isOpen()) {
      throw new IllegalStateException(
          role + ": tensor " + name + " is used after its arena '" + arena.name() + "' was closed");
    }
    if (block.memory() != null) {
      checkHost(role);
    }
    boolean fits =
        (type == null ? dtype.isFloat() : dtype == type)
            && shape.length == rank
            && (a < 0 || shape[0] == a)
            && (rank < 2 || b < 0 || shape[1] == b)
            && (rank < 3 || c < 0 || shape[2] == c);
    if (!fits) {
      int[] wanted = Arrays.copyOf(new int[] {a, b, c}, rank);
      throw new IllegalArgumentException(
          role
              + ": "
              + this
              + ", expected "
              + (type == null ? "a float type" : type)
              + Arrays.toString(wanted)
              + " (negative: any)");
    }
  }

  /** A caller's own memory may be closed, or another thread's. */
  private void checkHost(String role) {
    if (!block.memory().scope().isAlive()) {
      throw new IllegalStateException(role + ": the memory of tensor " + name + " is closed");
    }
    if (!block.memory().isAccessibleBy(Thread.currentThread())) {
      throw new WrongThreadException(
          role + ": the memory of tensor " + name + " belongs to another thread");
    }
  }

  @Override
  public String toString() {
    return name + " is " + dtype + Arrays.toString(shape);
  }
}
