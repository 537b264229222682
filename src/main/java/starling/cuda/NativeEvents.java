package starling.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Points in the work of a stream, the last {@value #KEPT} of them, and the time between two. */
final class NativeEvents {
  private static final int KEPT = 4096;

  private final NativeStream stream;
  private final MemorySegment millis;
  private final long[] events = new long[KEPT];
  private long recorded;

  NativeEvents(NativeStream stream) {
    this.stream = stream;
    this.millis = stream.arena().allocate(JAVA_DOUBLE);
  }

  /** Records an event; returns its number. */
  long record() {
    int slot = (int) (recorded % KEPT);
    if (events[slot] == 0) {
      events[slot] = create();
    }
    stream.check(stream.library().eventRecord(events[slot], stream.handle()));
    return recorded++;
  }

  private long create() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment out = arena.allocate(ADDRESS);
      stream.check(stream.library().eventCreate(out));
      return out.get(ADDRESS, 0).address();
    }
  }

  /** Waits for the later one. */
  double millis(long from, long to) {
    if (Math.min(from, to) < Math.max(0, recorded - KEPT) || Math.max(from, to) >= recorded) {
      throw new IllegalArgumentException(
          "events %d and %d: only the last %d can be asked for".formatted(from, to, KEPT));
    }
    long first = events[(int) (from % KEPT)];
    long second = events[(int) (to % KEPT)];
    stream.check(stream.library().eventElapsed(millis, first, second));
    return millis.get(JAVA_DOUBLE, 0);
  }

  void close() {
    for (long event : events) {
      if (event != 0) {
        stream.check(stream.library().eventDestroy(event));
      }
    }
  }
}
