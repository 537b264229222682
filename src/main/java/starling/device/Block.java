package starling.device;

import java.lang.foreign.MemorySegment;

/**
 * One allocation of a device.
 *
 * @param memory the host segment it lies in, or null if it is not host memory
 * @param address the address that native code uses; 0 for memory on the Java heap
 */
public record Block(MemorySegment memory, long address) {
  /**
   * Host memory, for example of a caller. The cpu device takes any segment that its threads may
   * read, the emulated device any native one.
   */
  public static Block of(MemorySegment memory) {
    return new Block(memory, memory.isNative() ? memory.address() : 0);
  }
}
