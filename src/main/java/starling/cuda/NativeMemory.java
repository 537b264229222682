package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.MemorySegment;
import starling.device.Arguments;
import starling.device.Block;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Memory of a device, in the order of its stream: an arena may be closed while work on it is still
 * to be done, and after the device.
 */
final class NativeMemory implements TensorArena.Memory {
  private final NativeStream stream;
  private final Arguments.Runner runner;
  private final Object lock;
  private final MemorySegment out;

  /**
   * @param lock what every call of the device holds
   */
  NativeMemory(NativeStream stream, Arguments.Runner runner, Object lock) {
    this.stream = stream;
    this.runner = runner;
    this.lock = lock;
    this.out = stream.arena().allocate(ADDRESS);
  }

  /** The one place where a tensor becomes a number; 0 for null. */
  long address(Tensor t) {
    return t == null ? 0 : t.address(this, runner);
  }

  @Override
  public Block allocate(long bytes) {
    synchronized (lock) {
      stream.checkOpen();
      stream.check(stream.library().allocate(out, bytes, stream.handle()));
      return new Block(null, out.get(ADDRESS, 0).address(), bytes);
    }
  }

  @Override
  public void free(Block block) {
    synchronized (lock) {
      MemorySegment order = stream.isClosed() ? MemorySegment.NULL : stream.handle();
      stream.check(stream.library().free(block.address(), order));
    }
  }

  @Override
  public void zero(Block block) {
    synchronized (lock) {
      stream.checkOpen();
      stream.check(stream.library().zero(block.address(), block.bytes(), stream.handle()));
    }
  }

  @Override
  public void claim(Block block, long offset, long bytes) {
    synchronized (lock) {
      stream.check(stream.library().slotClaim(block.address() + offset, bytes));
    }
  }

  @Override
  public void unclaim(Block block, long offset) {
    synchronized (lock) {
      stream.check(stream.library().slotRelease(block.address() + offset));
    }
  }
}
