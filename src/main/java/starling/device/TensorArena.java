package starling.device;

import java.lang.ref.Cleaner;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;

/**
 * Owns device memory. Tensors are views into it; closing it frees everything in reverse order of
 * allocation, once. An arena that is forgotten is freed when it is collected, and reported with the
 * place where it was opened.
 *
 * <p>Safe for one thread at a time.
 */
public final class TensorArena implements AutoCloseable {
  /** The memory of a device, from which arenas take their blocks. */
  public interface Memory {
    /** {@code bytes} zeroed bytes aligned to at least 64 bytes (256 on a GPU). */
    Block allocate(long bytes);

    /** Frees a block, after the work on it that is still to be done. */
    void free(Block block);

    /** Makes all bytes of a block or of a part of one 0, in the order of the device's work. */
    void zero(Block block);

    /**
     * {@code bytes} of a block are in use from now on. A block of which a part was ever claimed is
     * a pool: a device that checks what its kernels touch reports a kernel that touches the rest.
     */
    default void claim(Block block, long offset, long bytes) {}

    /** The part that was claimed at {@code offset} is no longer in use. */
    default void unclaim(Block block, long offset) {}
  }

  /**
   * Row strides are multiples of this many elements, so that a kernel may move 16 bytes at a time.
   */
  private static final int ROW_ALIGN = 8;

  private static final Cleaner CLEANER = Cleaner.create();
  private static final System.Logger LOG = System.getLogger("starling");

  private final String name;
  private final Blocks blocks;
  private final Cleaner.Cleanable cleanable;

  /**
   * An arena without tensors; {@link Device#arena} makes one of a device's memory.
   *
   * @param name what messages call it
   */
  public TensorArena(String name, Memory memory) {
    this(name, memory, null);
  }

  /**
   * An arena whose tensors are parts of a slab.
   *
   * @param slab of the same memory; null if each tensor is a block of its own
   */
  TensorArena(String name, Memory memory, Slab slab) {
    this.name = name;
    this.blocks = new Blocks(name, memory, slab, new Throwable("opened here"));
    this.cleanable = CLEANER.register(this, blocks);
  }

  /** What messages call it. */
  public String name() {
    return name;
  }

  boolean isOf(Memory memory) {
    return blocks.memory == memory;
  }

  /** Whether its tensors may still be used. */
  public boolean isOpen() {
    return blocks.open;
  }

  /** Bytes allocated and not yet freed. */
  public long bytes() {
    return blocks.bytes;
  }

  /**
   * A new zeroed tensor; its row stride is its width rounded up to a multiple of 8 elements.
   *
   * @param tensor what messages call it
   * @throws IllegalArgumentException if the shape is empty, negative or larger than memory can be
   * @throws IllegalStateException if this arena is closed
   * @throws OutOfMemoryException if the device has not that much left
   */
  public Tensor alloc(String tensor, DType dtype, int... shape) {
    return alloc(tensor, dtype, shape, true);
  }

  /**
   * The same without a promise of what is in it: of a tensor that is written before it is read.
   *
   * @throws IllegalArgumentException as {@link #alloc} does, and so the others
   */
  public Tensor empty(String tensor, DType dtype, int... shape) {
    return alloc(tensor, dtype, shape, false);
  }

  private Tensor alloc(String tensor, DType dtype, int[] shape, boolean zeroed) {
    int width = width(tensor, shape);
    int stride = shape.length == 1 ? 1 : aligned(tensor, width);
    long bytes = bytes(tensor, shape[0], stride, dtype);
    checkOpen(tensor);
    Block block = blocks.allocate(tensor, bytes, zeroed);
    return new Tensor(this, tensor, dtype, null, shape.clone(), stride, block, 0);
  }

  /**
   * A tensor over memory that somebody else owns and keeps alive while it is used: a caller's
   * buffer, on the host or on a GPU. Rows lie one behind the other. Read-only memory serves where
   * an operator only reads.
   *
   * @throws IllegalArgumentException if the block is shorter than the shape, does not start at a
   *     multiple of the element's size or is no memory at all, with the tensor's name
   * @throws IllegalStateException if the memory or this arena is closed
   */
  public Tensor view(String tensor, DType dtype, Block block, int... shape) {
    int width = width(tensor, shape);
    // One row has no next one, so any stride is true of it: one that every kernel takes.
    int stride = shape.length > 1 && shape[0] <= 1 ? aligned(tensor, width) : width;
    checkOpen(tensor);
    if (block == null) {
      throw new IllegalArgumentException(tensor + ": there is no block to view");
    }
    var view = new Tensor(this, tensor, dtype, null, shape.clone(), stride, block, 0);
    view.checkBlock(bytes(tensor, shape[0], width, dtype));
    return view;
  }

  /**
   * Rows of a tensor that another arena of the device owns, to be used while this arena is open.
   * The other arena must be closed later than this one.
   */
  public Tensor claim(Tensor rows) {
    checkOpen(rows.name());
    Tensor part = rows.in(this);
    blocks.claim(rows.block(), part.offset(), (long) rows.rows() * rows.strideBytes());
    return part;
  }

  /**
   * A tensor of a plain type where a checkpoint stores it, read-only or not and at any alignment,
   * counting as one of {@code type}: what is stored narrower is widened when it is read. Only the
   * cpu device can do so.
   */
  public Tensor mapped(DType type, StoredTensor stored) {
    DType stands = ((PlainFormat) stored.format()).dtype();
    return mapped(stored, stands, type, stored.shape().stream().mapToInt(d -> d).toArray());
  }

  /** The bytes of a matrix of any format in the same place: u8 {@code [rows, bytes of a row]}. */
  public Tensor mappedBytes(StoredTensor matrix) {
    int rows = matrix.shape().get(0);
    int bytes = Math.toIntExact(matrix.format().bytes(matrix.shape().get(1)));
    return mapped(matrix, DType.U8, DType.U8, rows, bytes);
  }

  private Tensor mapped(StoredTensor stored, DType dtype, DType type, int... shape) {
    int width = width(stored.name(), shape);
    checkOpen(stored.name());
    Block block = Block.of(stored.bytes());
    return new Tensor(this, stored.name(), dtype, type, shape, width, block, 0);
  }

  private void checkOpen(String tensor) {
    if (!blocks.open) {
      throw new IllegalStateException(tensor + ": arena '" + name + "' is closed");
    }
  }

  /** Elements of a row. */
  private static int width(String tensor, int[] shape) {
    if (shape.length == 0) {
      throw new IllegalArgumentException(tensor + ": a tensor has at least one dimension");
    }
    long width = 1;
    for (int i = 0; i < shape.length; i++) {
      if (shape[i] < 0) {
        throw new IllegalArgumentException(tensor + ": " + Arrays.toString(shape) + " is negative");
      }
      width *= i == 0 ? 1 : shape[i]; // at most 2^31 times 2^31 before it is looked at
      if (width > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            tensor + ": a row of " + Arrays.toString(shape) + " has more than 2^31 - 1 elements");
      }
    }
    return (int) width;
  }

  private static int aligned(String tensor, int width) {
    if (width > Integer.MAX_VALUE - ROW_ALIGN) {
      throw new IllegalArgumentException(tensor + ": a row of " + width + " elements is too long");
    }
    return Math.ceilDiv(width, ROW_ALIGN) * ROW_ALIGN;
  }

  private static long bytes(String tensor, int rows, int stride, DType dtype) {
    long elements = (long) rows * stride;
    if (elements > Long.MAX_VALUE / dtype.bytes()) {
      throw new IllegalArgumentException(
          tensor + ": " + rows + " rows of " + stride + " elements are more than memory can hold");
    }
    return elements * dtype.bytes();
  }

  /** Frees everything; harmless when repeated. */
  @Override
  public void close() {
    blocks.closed = true;
    cleanable.clean();
  }

  /** Part of another arena's block. */
  private record Claim(Block block, long offset) {}

  /** What outlives the arena object, so that the cleaner can free it. */
  private static final class Blocks implements Runnable {
    private final String name;
    private final Memory memory;
    private final Slab slab; // null: the memory's own blocks
    private final Throwable site;
    private final Deque<Block> stack = new ArrayDeque<>();
    private final Deque<Claim> claims = new ArrayDeque<>();
    private long bytes;
    private volatile boolean open = true;
    private boolean closed;

    Blocks(String name, Memory memory, Slab slab, Throwable site) {
      this.name = name;
      this.memory = memory;
      this.slab = slab;
      this.site = site;
    }

    Block allocate(String tensor, long size, boolean zeroed) {
      Block block = allocate(tensor, size);
      stack.push(block);
      bytes += size;
      if (zeroed && slab != null) {
        memory.zero(block);
      }
      return block;
    }

    void claim(Block block, long offset, long size) {
      memory.claim(block, offset, size);
      claims.push(new Claim(block, offset));
    }

    private Block allocate(String tensor, long size) {
      try {
        return slab == null ? memory.allocate(size) : slab.take(size);
      } catch (OutOfMemoryException e) {
        throw new OutOfMemoryException(
            e.getMessage()
                + ", for '"
                + tensor
                + "' of '"
                + name
                + "', which holds "
                + bytes
                + "; fewer visual tokens (--prune), a smaller --max-tokens or a 16-bit --dtype need"
                + " less");
      }
    }

    @Override
    public void run() {
      if (!closed && !(stack.isEmpty() && claims.isEmpty())) {
        LOG.log(
            System.Logger.Level.WARNING,
            "arena '" + name + "' with " + bytes + " bytes was never closed",
            site);
      }
      open = false;
      while (!claims.isEmpty()) {
        Claim claim = claims.pop();
        memory.unclaim(claim.block, claim.offset);
      }
      while (!stack.isEmpty()) {
        Block block = stack.pop();
        if (slab == null) {
          memory.free(block);
        } else {
          slab.give(block);
        }
      }
      bytes = 0;
    }
  }
}
