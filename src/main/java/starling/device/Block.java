package starling.device;

import java.lang.foreign.MemorySegment;

/**
 * One piece of memory: a device's own, or a caller's whose tensors are made by {@link
 * TensorArena#view}.
 *
 * @param memory the host segment it lies in, or null if it is not host memory
 * @param address the address that native code uses; of host memory the segment's own counts
 * @param bytes its size, which no view may exceed; {@link #UNKNOWN} leaves that to the caller
 */
public record Block(MemorySegment memory, long address, long bytes) {
  /** The size of memory that nobody stated. */
  public static final long UNKNOWN = -1;

  public Block {
    if (bytes < UNKNOWN) {
      throw new IllegalArgumentException("a block of " + bytes + " bytes");
    }
  }

  /**
   * Host memory, whose size is the segment's; or, with null, memory of a GPU of unknown size: there
   * nobody notices that a view is longer than the memory, and it reads and writes what lies behind.
   */
  public Block(MemorySegment memory, long address) {
    this(memory, address, memory == null ? UNKNOWN : memory.byteSize());
  }

  /**
   * Host memory, for example of a caller. The cpu device takes any segment that its threads may
   * read, the emulated device any native one. A read-only one is taken where nothing is written.
   */
  public static Block of(MemorySegment memory) {
    return new Block(memory, memory.isNative() ? memory.address() : 0);
  }
}
