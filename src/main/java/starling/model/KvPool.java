package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.DType;
import starling.device.Device;
import starling.device.OutOfMemoryException;
import starling.device.Slab;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Rows for the keys and values of all sequences of a model. A sequence's {@link Slot} is one run of
 * rows, its layers one behind the other, each as long as that layer needs; rows that a slot gives
 * back are handed out again.
 *
 * <p>Contiguous, not paged. Pages buy sequences of unknown length; here the rows of every layer are
 * counted before most of it runs. In return a compaction is a move inside a range, a mask is a
 * range of bytes, a kernel needs one offset, and what pruning frees is really free.
 *
 * <p>The pool is one allocation as long as what is asked for fits, as large as the first sequence
 * needs. One that does not fit beside others gets a new allocation, with room for more like it:
 * sequences step together if they lie in the same one. Allocations that nobody uses go when a
 * larger one is needed, or with the pool. All of them together stay below a limit. One thread at a
 * time.
 */
final class KvPool implements AutoCloseable {
  private final Device device;
  private final Slab slab;
  private final DType dtype;
  private final int heads;
  private final int head;
  private final List<Range> ranges = new ArrayList<>(); // the latest first
  private int limit = Integer.MAX_VALUE;
  private int sequences = 1;

  /**
   * @param slab for what a copy needs on the way
   * @param heads key heads of a layer
   * @param head channels of a head, as the device stores them
   */
  KvPool(Device device, Slab slab, DType dtype, int heads, int head) {
    this.device = device;
    this.slab = slab;
    this.dtype = dtype;
    this.heads = heads;
    this.head = head;
  }

  /** One allocation, and its slots in order of their rows. */
  final class Range {
    final TensorArena arena = device.arena("keys and values");
    final Tensor k;
    final Tensor v;
    final List<Slot> slots = new ArrayList<>();

    Range(int rows) {
      try {
        this.k = arena.alloc("keys", dtype, rows, heads, head);
        this.v = arena.alloc("values", dtype, rows, heads, head);
      } catch (RuntimeException e) {
        arena.close();
        throw e;
      }
    }

    /** The first of {@code rows} free rows in a row, -1 if there are none. */
    private int free(int rows) {
      int from = 0;
      for (Slot slot : slots) {
        if (slot.rows().from() - from >= rows) {
          return from;
        }
        from = slot.rows().to();
      }
      return k.rows() - from >= rows ? from : -1;
    }

    /** How many runs of {@code rows} free rows there are. */
    private long roomFor(long rows) {
      long found = 0;
      int from = 0;
      for (Slot slot : slots) {
        found += (slot.rows().from() - from) / rows;
        from = slot.rows().to();
      }
      return found + (k.rows() - from) / rows;
    }

    void add(Slot slot) {
      int i = 0;
      while (i < slots.size() && slots.get(i).rows().from() < slot.rows().from()) {
        i++;
      }
      slots.add(i, slot);
    }
  }

  Device device() {
    return device;
  }

  /**
   * Says how large the pool may become, as long as nothing is in it.
   *
   * @param bytes of all keys and values
   * @param most sequences that are to find room in one allocation
   */
  void limit(long bytes, int most) {
    limit = (int) Math.min(bytes / rowBytes(), Integer.MAX_VALUE);
    sequences = most;
  }

  /** Bytes of a key and a value of all heads, padding included. */
  private long rowBytes() {
    int row = heads * head;
    return 2L * Math.ceilDiv(row, 8) * 8 * dtype.bytes();
  }

  /** Whether so many sequences of so many rows fit when nothing else is here. */
  boolean holds(long rows, int times) {
    return rows <= limit / times;
  }

  /** Whether there is room for so many more sequences of so many rows. */
  boolean hasRoom(long rows, int times) {
    long found = (limit - taken(true)) / Math.max(1, rows);
    for (Range range : ranges) {
      found += range.slots.isEmpty() ? 0 : range.roomFor(rows);
    }
    return found >= times;
  }

  /** Rows of all allocations, or of those that have slots. */
  private long taken(boolean used) {
    return ranges.stream()
        .filter(range -> !used || !range.slots.isEmpty())
        .mapToLong(range -> range.k.rows())
        .sum();
  }

  /**
   * Rows for one more sequence. What is in them is not defined.
   *
   * @param capacity rows of each layer
   * @throws starling.device.OutOfMemoryException if the device has no room for them
   */
  Slot take(int[] capacity) {
    return take(capacity, sequences);
  }

  /** The same for rows that take part in no step: if there is no room, just as many are added. */
  Slot takeExactly(int[] capacity) {
    return take(capacity, 1);
  }

  private Slot take(int[] capacity, int ahead) {
    int rows = new LayerRows(0, capacity).total();
    for (Range range : ranges) {
      int from = range.free(rows);
      if (from >= 0) {
        return new Slot(this, range, new LayerRows(from, capacity));
      }
    }
    ranges.removeIf(
        range -> {
          boolean unused = range.slots.isEmpty();
          if (unused) {
            range.arena.close();
          }
          return unused;
        });
    long free = limit - taken(false);
    if (rows > free) {
      throw new OutOfMemoryException(
          "the cache has no room for " + rows + " rows of keys and values more");
    }
    long wanted = ranges.isEmpty() ? rows : (long) rows * ahead;
    ranges.addFirst(new Range((int) Math.min(wanted, free)));
    return new Slot(this, ranges.getFirst(), new LayerRows(0, capacity));
  }

  /** Copies the rows of one sequence's keys and values into as many of another's. */
  void copyRows(Tensor k, Tensor v, Tensor toK, Tensor toV) {
    try (TensorArena scratch = slab.arena("copy")) {
      Tensor index = scratch.empty("rows", DType.I32, k.rows());
      device.upload(index, MemorySegment.ofArray(IntStream.range(0, k.rows()).toArray()));
      device.gatherRows(
          List.of(toK.split(k.width()), toV.split(v.width())),
          List.of(k.split(k.width()), v.split(v.width())),
          index);
    }
  }

  /** Bytes of the rows that sequences have. */
  long usedBytes() {
    return rowBytes()
        * ranges.stream()
            .flatMap(range -> range.slots.stream())
            .mapToLong(slot -> slot.rows().total())
            .sum();
  }

  /** Bytes of all allocations. */
  long bytes() {
    return ranges.stream().mapToLong(range -> range.arena.bytes()).sum();
  }

  /** Closes every slot, and frees everything. */
  @Override
  public void close() {
    for (Range range : ranges) {
      List.copyOf(range.slots).forEach(Slot::close);
      range.arena.close();
    }
    ranges.clear();
  }
}
