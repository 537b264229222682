package starling.device;

import java.lang.ref.Cleaner;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Owns device memory. Tensors are views into it; closing it frees everything in reverse order of
 * allocation, once. An arena that is forgotten is freed when it is collected, and reported with the
 * place where it was opened.
 *
 * <p>Safe for one thread at a time.
 */
public final class TensorArena implements AutoCloseable {
  /** Where blocks come from: the two calls a device supplies. */
  public interface Memory {
    /** {@code bytes} zeroed bytes aligned to at least 64 bytes (256 on a GPU). */
    Block allocate(long bytes);

    /** Behind the work on it, which may still be to be done. */
    void free(Block block);
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

  public TensorArena(String name, Memory memory) {
    this.name = name;
    this.blocks = new Blocks(name, memory, new Throwable("opened here"));
    this.cleanable = CLEANER.register(this, blocks);
  }

  public String name() {
    return name;
  }

  boolean isOf(Memory memory) {
    return blocks.memory == memory;
  }

  public boolean isOpen() {
    return blocks.open;
  }

  /** Bytes allocated and not yet freed. */
  public long bytes() {
    return blocks.bytes;
  }

  /** A new zeroed tensor; its row stride is its width rounded up to a multiple of 8 elements. */
  public Tensor alloc(String tensor, DType dtype, int... shape) {
    int width = 1;
    for (int i = 1; i < shape.length; i++) {
      width = Math.multiplyExact(width, shape[i]);
    }
    int stride = shape.length == 1 ? 1 : Math.ceilDiv(width, ROW_ALIGN) * ROW_ALIGN;
    long bytes = Math.multiplyExact((long) shape[0] * stride, (long) dtype.bytes());
    return new Tensor(
        this, tensor, dtype, shape.clone(), stride, blocks.allocate(tensor, bytes), 0);
  }

  /**
   * A tensor over memory that somebody else owns and keeps alive while it is used: a mapped file, a
   * caller's buffer. Rows lie one behind the other.
   */
  public Tensor view(String tensor, DType dtype, Block block, int... shape) {
    int width = 1;
    for (int i = 1; i < shape.length; i++) {
      width = Math.multiplyExact(width, shape[i]);
    }
    return new Tensor(this, tensor, dtype, shape.clone(), width, block, 0);
  }

  /** Frees everything; harmless when repeated. */
  @Override
  public void close() {
    blocks.closed = true;
    cleanable.clean();
  }

  /** What outlives the arena object, so that the cleaner can free it. */
  private static final class Blocks implements Runnable {
    private final String name;
    private final Memory memory;
    private final Throwable site;
    private final Deque<Block> stack = new ArrayDeque<>();
    private long bytes;
    private volatile boolean open = true;
    private boolean closed;

    Blocks(String name, Memory memory, Throwable site) {
      this.name = name;
      this.memory = memory;
      this.site = site;
    }

    Block allocate(String tensor, long size) {
      if (!open) {
        throw new IllegalStateException(tensor + ": arena '" + name + "' is closed");
      }
      Block block = allocate(tensor, size, memory);
      stack.push(block);
      bytes += size;
      return block;
    }

    private Block allocate(String tensor, long size, Memory from) {
      try {
        return from.allocate(size);
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
      if (!closed && !stack.isEmpty()) {
        LOG.log(
            System.Logger.Level.WARNING,
            "arena '" + name + "' with " + bytes + " bytes was never closed",
            site);
      }
      open = false;
      while (!stack.isEmpty()) {
        memory.free(stack.pop());
      }
      bytes = 0;
    }
  }
}
