package starling.model;

import java.util.Arrays;
import starling.device.Kv;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * One sequence's rows of a {@link KvPool}: keys and values of every layer, ragged. {@link
 * KvPool#take} makes a slot, {@link #copy} another one like it, {@link #grow} a larger one of it;
 * {@link #close} gives the rows back and is harmless when repeated. A tensor of a closed slot is
 * refused by every operator.
 */
final class Slot implements AutoCloseable {
  private final KvPool pool;
  private KvPool.Range range;
  private LayerRows rows;
  private TensorArena arena;
  private Tensor k; // all layers
  private Tensor v;
  private boolean closed;

  Slot(KvPool pool, KvPool.Range range, LayerRows rows) {
    this.pool = pool;
    this.range = range;
    this.rows = rows;
    this.arena = pool.device().arena("slot");
    this.k = arena.claim(range.k.rows(rows.from(), rows.to()));
    this.v = arena.claim(range.v.rows(rows.from(), rows.to()));
    range.add(this);
  }

  private void leave() {
    arena.close();
    range.slots.remove(this);
  }

  /** Another slot with the same rows; from then on neither sees what the other writes. */
  Slot copy() {
    checkOpen();
    Slot copy = pool.take(rows.capacity());
    try {
      pool.copyRows(k, v, copy.k, copy.v);
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
    if (!rows.fitsInto(larger)) {
      throw new IllegalArgumentException(
          "a slot of " + rows + " cannot grow to " + Arrays.toString(larger));
    }
    Slot next = pool.take(larger);
    try {
      for (int l = 0; l < larger.length; l++) {
        Kv from = own(l, null);
        Kv to = next.own(l, null);
        int n = capacity(l);
        pool.copyRows(from.k(), from.v(), to.k().rows(0, n), to.v().rows(0, n));
      }
    } catch (RuntimeException e) {
      next.close();
      throw e;
    }
    become(next);
  }

  /** Takes the rows of a slot that is none from then on; nothing of it can fail. */
  private void become(Slot next) {
    leave();
    range = next.range;
    rows = next.rows;
    arena = next.arena;
    k = next.k;
    v = next.v;
    range.slots.set(range.slots.indexOf(next), this);
    next.closed = true;
  }

  /** One layer's rows alone: a segment's {@code at} is 0. */
  Kv own(int layer, Segments segments) {
    checkOpen();
    int first = rows.first(layer);
    int end = first + capacity(layer);
    return new Kv(k.rows(first, end), v.rows(first, end), segments);
  }

  /** The pool's tensors, in which tables place this slot's rows and others'. */
  Kv shared(Segments segments) {
    checkOpen();
    return new Kv(range.k, range.v, segments);
  }

  /** The keys of the pool among which this slot's are. */
  Tensor keys() {
    checkOpen();
    return range.k;
  }

  /** Where a layer's rows begin in the pool's tensors: a segment's {@code at} beside others. */
  int at(int layer) {
    checkOpen();
    return rows.from() + rows.first(layer);
  }

  /** Its rows of the pool. */
  LayerRows rows() {
    return rows;
  }

  /** Rows of a layer. */
  int capacity(int layer) {
    return rows.capacity()[layer];
  }

  /** Bytes of its rows, padding included. */
  long bytes() {
    checkOpen();
    return 2L * k.rows() * k.rowStride() * k.dtype().bytes();
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
