package starling.device;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Memory of a device that is taken once and handed out many times: its arenas take their tensors
 * from it and give them back to it, in the order of the device's work, so that the second question
 * of a size allocates nothing. It grows by what does not fit. When everything was given back after
 * it grew, what it has becomes one block that fits all of it.
 *
 * <p>Safe for several threads. A slab may be closed before its arenas: it then goes with the last.
 */
public final class Slab implements AutoCloseable {
  private static final long ALIGN = 256;

  /** One block of the device, and what of it is free: bytes by offset. */
  private record Extent(Block block, TreeMap<Long, Long> free) {
    static Extent of(Block block) {
      var free = new TreeMap<Long, Long>();
      free.put(0L, block.bytes());
      return new Extent(block, free);
    }

    /** The offset of the first place with room; -1 if there is none. */
    long take(long bytes) {
      Map.Entry<Long, Long> room = null;
      for (Map.Entry<Long, Long> place : free.entrySet()) {
        if (place.getValue() >= bytes) {
          room = place;
          break;
        }
      }
      if (room == null) {
        return -1;
      }
      long at = room.getKey();
      long left = room.getValue() - bytes;
      free.remove(at);
      if (left > 0) {
        free.put(at + bytes, left);
      }
      return at;
    }

    void give(long at, long bytes) {
      Map.Entry<Long, Long> before = free.lowerEntry(at);
      Long behind = free.remove(at + bytes);
      long size = bytes + (behind == null ? 0 : behind);
      if (before != null && before.getKey() + before.getValue() == at) {
        free.put(before.getKey(), before.getValue() + size);
      } else {
        free.put(at, size);
      }
    }
  }

  private record Part(Extent extent, long at, long bytes) {}

  private final String name;
  private final TensorArena.Memory memory;
  private final List<Extent> extents = new ArrayList<>();
  private final IdentityHashMap<Block, Part> parts = new IdentityHashMap<>();
  private boolean closed;

  /**
   * A slab without memory; {@link Device#slab} makes one of a device's.
   *
   * @param name what messages call it
   */
  public Slab(String name, TensorArena.Memory memory) {
    this.name = name;
    this.memory = memory;
  }

  /**
   * An arena whose tensors lie in this slab.
   *
   * @param arena what messages call it
   */
  public TensorArena arena(String arena) {
    return new TensorArena(arena, memory, this);
  }

  /** Bytes taken of the device. */
  public synchronized long bytes() {
    return extents.stream().mapToLong(e -> e.block().bytes()).sum();
  }

  /** Bytes that arenas hold, each tensor rounded up to {@value #ALIGN}. */
  public synchronized long used() {
    return parts.values().stream().mapToLong(Part::bytes).sum();
  }

  /** Memory for a tensor; what is in it is not defined. */
  synchronized Block take(long bytes) {
    if (closed) {
      throw new IllegalStateException("slab '" + name + "' is closed");
    }
    long size = Math.max(1, Math.ceilDiv(bytes, ALIGN)) * ALIGN;
    for (Extent extent : extents) {
      long at = extent.take(size);
      if (at >= 0) {
        return part(extent, at, size, bytes);
      }
    }
    Extent more = Extent.of(memory.allocate(size));
    extents.add(more);
    return part(more, more.take(size), size, bytes);
  }

  private Block part(Extent extent, long at, long size, long bytes) {
    Block whole = extent.block();
    Block part =
        whole.memory() == null
            ? new Block(null, whole.address() + at, bytes)
            : Block.of(whole.memory().asSlice(at, bytes));
    memory.claim(whole, at, bytes);
    parts.put(part, new Part(extent, at, size));
    return part;
  }

  /** Takes a part back, for work behind all that there is now. */
  synchronized void give(Block block) {
    Part part = parts.remove(block);
    memory.unclaim(part.extent().block(), part.at());
    part.extent().give(part.at(), part.bytes());
    if (!parts.isEmpty()) {
      return;
    }
    if (closed) {
      release();
    } else if (extents.size() > 1) {
      join();
    }
  }

  /** One block in place of several, none of which is in use; none at all if the device is full. */
  private void join() {
    long bytes = bytes();
    release();
    try {
      extents.add(Extent.of(memory.allocate(bytes + bytes / 8 / ALIGN * ALIGN)));
    } catch (OutOfMemoryException | IllegalStateException e) {
      return; // full or closed; what is asked for next is allocated then
    }
  }

  private void release() {
    extents.forEach(e -> memory.free(e.block()));
    extents.clear();
  }

  /** Gives its memory back to the device, when its arenas have; harmless when repeated. */
  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      if (parts.isEmpty()) {
        release();
      }
    }
  }
}
