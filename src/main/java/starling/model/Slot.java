package starling.model;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import starling.device.DType;
import starling.device.Kv;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * One sequence's rows of a {@link KvPool}: keys and values of every layer, ragged. Closing it gives
 * them back and is harmless when repeated; a tensor of a closed slot is refused by every operator.
 */
final class Slot implements AutoCloseable {
  private final KvPool pool;
  private KvPool.Range range;
  private TensorArena arena;
  private int from;
  private int[] capacity;
  private Tensor k; // all layers
  private Tensor v;
  private boolean closed;

  Slot(KvPool pool, KvPool.Range range, int from, int[] capacity) {
    this.pool = pool;
    place(range, from, capacity);
  }

  private void place(KvPool.Range range, int from, int[] capacity) {
    this.range = range;
    this.from = from;
    this.capacity = capacity.clone();
    this.arena = pool.device().arena("slot");
    this.k = arena.claim(range.k.rows(from, to()));
    this.v = arena.claim(range.v.rows(from, to()));
    range.add(this);
  }

  int from() {
    return from;
  }

  /** The row behind its last. */
  int to() {
    return from + IntStream.of(capacity).sum();
  }

  int layers() {
    return capacity.length;
  }

  int capacity(int layer) {
    return capacity[layer];
  }

  private int first(int layer) {
    return IntStream.range(0, layer).map(l -> capacity[l]).sum();
  }

  /** Where a layer's rows begin in the pool's tensors: a segment's {@code at} beside others. */
  int at(int layer) {
    checkOpen();
    return from + first(layer);
  }

  /** The pool's tensors, in which tables place this slot's rows and others'. */
  Kv shared(Segments segments) {
    checkOpen();
    return new Kv(range.k, range.v, segments);
  }

  /** One layer's rows alone: a segment's {@code at} is 0. */
  Kv own(int layer, Segments segments) {
    checkOpen();
    int first = first(layer);
    int end = first + capacity[layer];
    return new Kv(k.rows(first, end), v.rows(first, end), segments);
  }

  /** Bytes of its rows, padding included. */
  long bytes() {
    checkOpen();
    return 2L * k.rows() * k.rowStride() * k.dtype().bytes();
  }

  /** Another slot with the same rows; from then on neither sees what the other writes. */
  Slot copy() {
    checkOpen();
    Slot copy = pool.take(capacity);
    try {
      fill(List.of(copy.k, copy.v), List.of(k, v), IntStream.range(0, k.rows()).toArray());
    } catch (RuntimeException e) {
      copy.close();
      throw e;
    }
    return copy;
  }

  /**
   * Gives every layer the rows that {@code larger} says, and moves what is there. Tensors and
   * places that were asked for before are no longer this slot's.
   */
  void grow(int[] larger) {
    checkOpen();
    if (larger.length != capacity.length
        || IntStream.range(0, larger.length).anyMatch(l -> larger[l] < capacity[l])) {
      throw new IllegalArgumentException(
          "a slot of "
              + Arrays.toString(capacity)
              + " rows cannot grow to "
              + Arrays.toString(larger));
    }
    Slot next = pool.take(larger);
    try {
      for (int l = 0; l < capacity.length; l++) {
        int n = capacity[l];
        Kv was = own(l, null);
        Kv to = next.own(l, null);
        fill(
            List.of(to.k().rows(0, n), to.v().rows(0, n)),
            List.of(was.k(), was.v()),
            IntStream.range(0, n).toArray());
      }
    } catch (RuntimeException e) {
      next.close();
      throw e;
    }
    leave();
    next.close();
    place(next.range, next.from, larger);
  }

  private void fill(List<Tensor> out, List<Tensor> in, int[] rows) {
    try (TensorArena scratch = pool.device().arena("copy")) {
      Tensor index = scratch.alloc("rows", DType.I32, rows.length);
      pool.device().upload(index, MemorySegment.ofArray(rows));
      pool.device().gatherRows(flat(out), flat(in), index);
    }
  }

  private static List<Tensor> flat(List<Tensor> tensors) {
    var flat = new ArrayList<Tensor>();
    for (Tensor t : tensors) {
      flat.add(t.split(t.width()));
    }
    return flat;
  }

  private void leave() {
    arena.close();
    range.slots.remove(this);
  }

  private void checkOpen() {
    if (closed) {
      throw new IllegalStateException("a slot is used after it was closed");
    }
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      leave();
    }
  }
}
