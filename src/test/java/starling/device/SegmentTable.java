package starling.device;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** Segment tables of tests. */
public final class SegmentTable {
  private SegmentTable() {}

  /** A table on a device, and what its segments have at most. */
  public static Segments of(Device device, TensorArena arena, Segment... segments) {
    int rows = 0;
    int keys = 0;
    for (Segment s : segments) {
      rows = Math.max(rows, s.rows());
      keys = Math.max(keys, s.length() + s.rows());
    }
    return of(device, arena, rows, keys, segments);
  }

  public static Segments of(
      Device device, TensorArena arena, int rows, int keys, Segment... segments) {
    Tensor table = arena.alloc("segments", DType.I32, segments.length, Segments.WIDTH);
    device.upload(table, MemorySegment.ofArray(Segments.table(List.of(segments))));
    return new Segments(table, rows, keys);
  }

  /** One segment of {@code rows} rows behind {@code length} keys, at the start of a cache. */
  public static Segments one(Device device, TensorArena arena, int rows, int length, int capacity) {
    return of(device, arena, Segment.of(0, rows, 0, capacity).behind(length).hidden(0));
  }

  /** A segment of one row, whose steps count the calls of {@code advance}. */
  public static Segments counter(Device device, TensorArena arena) {
    return of(device, arena, Segment.of(0, 1, 0, 1));
  }

  public static void count(Device device, Segments counter, int by) {
    for (int i = 0; i < by; i++) {
      device.advance(counter);
    }
  }

  /** The calls so far; waits for them. */
  public static int counted(Device device, Segments counter) {
    int[] numbers = new int[Segments.WIDTH];
    device.download(MemorySegment.ofArray(numbers), counter.table());
    return numbers[Segments.STEP];
  }

  /** One segment that draws its token {@code step}. */
  public static Segments drawing(Device device, TensorArena arena, int step, Sampling sampling) {
    return of(device, arena, Segment.of(0, 1, 0, 1).drawing(step, sampling));
  }
}
