package starling.device;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
  /** A thread to ask about: it owns no memory. */
  private static final Thread NOBODY = Thread.ofPlatform().unstarted(() -> {});

  private final TensorArena arena;
  private final String name;
  private final DType dtype;
  private final DType standsFor; // null unless a checkpoint stores it
  private final int[] shape;
  private final int rowStride;
  private final Block block;
  private final long offset;
  private final long start; // where element 0 lies; on the Java heap, counted from the array's
  private final long end; // behind the last element

  Tensor(
      TensorArena arena,
      String name,
      DType dtype,
      DType standsFor,
      int[] shape,
      int rowStride,
      Block block,
      long offset) {
    this.arena = arena;
    this.name = name;
    this.dtype = dtype;
    this.standsFor = standsFor;
    this.shape = shape;
    this.rowStride = rowStride;
    this.block = block;
    this.offset = offset;
    MemorySegment memory = block.memory();
    this.start = (memory == null ? block.address() : memory.address()) + offset;
    this.end = isEmpty() ? start : start + (rows() - 1) * strideBytes() + rowBytes();
  }

  /** What messages call it. */
  public String name() {
    return name;
  }

  /** Element type as it is stored. */
  public DType dtype() {
    return dtype;
  }

  /**
   * The type it counts as among an operator's arguments: {@link #dtype()}, except of a checkpoint's
   * tensor that is read where it is mapped.
   */
  DType type() {
    return standsFor == null ? dtype : standsFor;
  }

  /** Whether it lies in a checkpoint, at any alignment. */
  boolean isMapped() {
    return standsFor != null;
  }

  /** Number of dimensions, at least 1. */
  public int rank() {
    return shape.length;
  }

  /** Size of dimension {@code i}. */
  public int dim(int i) {
    return shape[i];
  }

  /** Size of the first dimension. */
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

  /**
   * The host segment that holds this tensor.
   *
   * @throws IllegalStateException if it lies in the memory of a GPU
   */
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
   * @param runner what runs its operators
   * @throws IllegalArgumentException if the tensor is another device's, or lies where this one
   *     cannot reach it
   */
  public long address(TensorArena.Memory owner, Arguments.Runner runner) {
    checkReach(owner, runner);
    return start;
  }

  void checkReach(TensorArena.Memory owner, Arguments.Runner runner) {
    if (!arena.isOf(owner)) {
      throw new IllegalArgumentException(this + " of another device");
    }
    String where = block.memory() == null ? runner.cannotReachDevice : runner.cannotReachHost;
    if (where == null && block.memory() != null && !block.memory().isNative()) {
      where = runner.cannotReachHeap;
    }
    if (where == null && isMapped()) {
      where = runner.cannotReachFiles;
    }
    if (where != null) {
      throw new IllegalArgumentException(this + " " + where + ", which this device cannot use");
    }
  }

  /** Checks a new view against its block: alive, long enough, and at a multiple of an element. */
  void checkBlock(long bytes) {
    MemorySegment memory = block.memory();
    if (memory == null && block.address() == 0) {
      throw new IllegalArgumentException(this + " at address 0, where no memory is");
    }
    if (memory != null && !memory.scope().isAlive()) {
      throw new IllegalStateException(this + " over memory that is already closed");
    }
    long has = block.bytes() == Block.UNKNOWN ? Long.MAX_VALUE : block.bytes();
    has = memory == null ? has : Math.min(has, memory.byteSize());
    if (bytes > has) {
      throw new IllegalArgumentException(
          this + ", which needs " + bytes + " bytes; its memory has " + has);
    }
    if (start % dtype.bytes() != 0) {
      throw new IllegalArgumentException(
          this + " at address " + start + ", which is no multiple of " + dtype.bytes());
    }
  }

  /**
   * Rows {@code from} (inclusive) to {@code to} (exclusive).
   *
   * @throws IndexOutOfBoundsException if there are no such rows
   */
  public Tensor rows(int from, int to) {
    if (from < 0 || to < from || to > shape[0]) {
      throw new IndexOutOfBoundsException(
          name + ": rows " + from + " to " + to + " of " + shape[0]);
    }
    int[] s = shape.clone();
    s[0] = to - from;
    return at(offset(from), s);
  }

  /**
   * Columns {@code from} (inclusive) to {@code to} (exclusive) of every row, as {@code [rows, to -
   * from]}.
   *
   * @throws IndexOutOfBoundsException if there are no such columns
   */
  public Tensor columns(int from, int to) {
    if (from < 0 || to < from || to > width()) {
      throw new IndexOutOfBoundsException(
          name + ": columns " + from + " to " + to + " of " + width());
    }
    return at(offset + (long) from * dtype.bytes(), shape[0], to - from);
  }

  /**
   * The same rows, their elements seen as {@code inner}: {@code [T, H·d]} as {@code [T, H, d]}.
   *
   * @throws IllegalArgumentException if a row has another number of elements
   */
  public Tensor split(int... inner) {
    int[] s = new int[inner.length + 1];
    s[0] = shape[0];
    System.arraycopy(inner, 0, s, 1, inner.length);
    long width = 1;
    for (int size : inner) {
      width = size < 0 || width < 0 ? -1 : Math.min(width * size, 1L << 31);
    }
    boolean vector = inner.length == 0 && rowStride != 1 && rows() > 1;
    if (width != width() || vector) {
      throw new IllegalArgumentException(
          this + ", which cannot be split into rows of " + Arrays.toString(inner));
    }
    return at(offset, s);
  }

  /**
   * {@code w} rows after each other seen as one: {@code [n·w, D]} as {@code [n, w·D]}, a vector of
   * {@code n·w} elements as {@code [n, w]}. No element may lie between one row and the next.
   *
   * @throws IllegalArgumentException if it does, or the rows are no multiple of {@code w}
   */
  public Tensor fold(int w) {
    if (w < 1 || rows() % w != 0 || (rows() > 1 && rowStride != width())) {
      throw new IllegalArgumentException(
          this + ", which cannot be seen with " + w + " rows as one");
    }
    int[] s = {rows() / w, w * width()};
    return new Tensor(arena, name, dtype, standsFor, s, w * width(), block, offset);
  }

  /** The same view, owned by another arena. */
  Tensor in(TensorArena other) {
    return new Tensor(other, name, dtype, standsFor, shape, rowStride, block, offset);
  }

  Block block() {
    return block;
  }

  private Tensor at(long offset, int... shape) {
    return new Tensor(arena, name, dtype, standsFor, shape, rowStride, block, offset);
  }

  // ---- for the checks of operators; nothing is allocated unless a check fails ----

  /** Whether Java can read what it holds. */
  boolean isReadable() {
    return block.memory() != null;
  }

  /** Element {@code j} of row {@code i} of a readable i32 tensor. */
  int index(int i, int j) {
    return block.memory().get(ValueLayout.JAVA_INT_UNALIGNED, offset(i) + 4L * j);
  }

  /** Whether every row, or the vector, starts at a multiple of {@code bytes}. */
  boolean rowsStartAt(int bytes) {
    return (rank() == 1 ? start : start | strideBytes()) % bytes == 0;
  }

  /** Whether no thread but its owner may touch its memory. */
  boolean isConfined() {
    return block.memory() != null && !block.memory().isAccessibleBy(NOBODY);
  }

  boolean isReadOnly() {
    return dtype != type() || (block.memory() != null && block.memory().isReadOnly());
  }

  /** Whether it is the same view as another: the same elements in the same places. */
  boolean isSame(Tensor t) {
    return t == this
        || (isInOneMemory(t)
            && start == t.start
            && rowStride == t.rowStride
            && dtype == t.dtype
            && Arrays.equals(shape, t.shape));
  }

  /** Whether an element of one lies where an element of the other does. */
  boolean overlaps(Tensor t) {
    if (start >= t.end || t.start >= end || isEmpty() || t.isEmpty() || !isInOneMemory(t)) {
      return false;
    }
    // Rows of one stride may lie side by side. A single row has the stride of the other tensor.
    long bytes = rowBytes();
    long otherBytes = t.rowBytes();
    long stride = rows() == 1 ? t.strideBytes() : strideBytes();
    long otherStride = t.rows() == 1 ? stride : t.strideBytes();
    if (stride != otherStride || bytes > stride || otherBytes > stride) {
      return true;
    }
    // Row j of the other tensor begins at most a stride before row i, or less than one behind it.
    long apart = t.start - start;
    long step = Math.floorDiv(-apart, stride);
    return (isStep(step, t) && apart + step * stride > -otherBytes)
        || (isStep(step + 1, t) && apart + (step + 1) * stride < bytes);
  }

  /** Whether there are rows i here and i + {@code step} in the other tensor. */
  private boolean isStep(long step, Tensor t) {
    return -rows() < step && step < t.rows();
  }

  private boolean isInOneMemory(Tensor t) {
    MemorySegment a = block.memory();
    MemorySegment b = t.block.memory();
    boolean heap = a != null && !a.isNative();
    boolean otherHeap = b != null && !b.isNative();
    return a == b || (heap == otherHeap && (!heap || a.asOverlappingSlice(b).isPresent()));
  }

  private boolean isEmpty() {
    return rows() == 0 || width() == 0;
  }

  private long rowBytes() {
    return (long) width() * dtype.bytes();
  }

  long strideBytes() {
    return (long) rowStride * dtype.bytes();
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
    expectOpen(role);
    boolean fits =
        (type == null ? dtype.isFloat() : type() == type)
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

  /** Of any type and shape: its arena is open, and a caller's own memory open and this thread's. */
  void expectOpen(String role) {
    if (!arena.isOpen()) {
      throw new IllegalStateException(
          role + ": tensor " + name + " is used after its arena '" + arena.name() + "' was closed");
    }
    MemorySegment memory = block.memory();
    if (memory != null && !memory.scope().isAlive()) {
      throw new IllegalStateException(role + ": the memory of tensor " + name + " is closed");
    }
    if (memory != null && !memory.isAccessibleBy(Thread.currentThread())) {
      throw new WrongThreadException(
          role + ": the memory of tensor " + name + " belongs to another thread");
    }
  }

  @Override
  public String toString() {
    return name + " is " + type() + Arrays.toString(shape);
  }
}
