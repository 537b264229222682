package starling.server;

import java.util.concurrent.Semaphore;

/**
 * The bytes of the heap that requests may hold together: bodies, and the pixels of their images. A
 * request that there are none left for is refused at once, so that the rest can be answered.
 */
final class Memory {
  private static final int UNIT = 4096; // a semaphore counts in ints

  private final int units;
  private final Semaphore free;

  Memory(long bytes) {
    units = (int) Math.min(Integer.MAX_VALUE, bytes / UNIT);
    free = new Semaphore(units);
  }

  /** What one request has taken; closing gives it back. One thread at a time. */
  final class Room implements AutoCloseable {
    private int taken;

    /**
     * Takes some more.
     *
     * @throws Refusal if there is not as much
     */
    void take(long bytes) {
      long wanted = Math.ceilDiv(bytes, (long) UNIT);
      if (wanted > units) {
        throw Refusal.tooLong((long) units * UNIT);
      }
      if (!free.tryAcquire((int) wanted)) {
        throw Refusal.busy("the server has no memory left for this request");
      }
      taken += (int) wanted;
    }

    @Override
    public void close() {
      free.release(taken);
      taken = 0;
    }
  }

  Room room() {
    return new Room();
  }

  /** Bytes that nobody has taken. */
  long freeBytes() {
    return (long) free.availablePermits() * UNIT;
  }
}
