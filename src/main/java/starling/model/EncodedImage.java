package starling.model;

import java.util.List;
import starling.device.Device;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.prune.ImageTokens;

/**
 * An image in the tower of a model, as far as no question changes it: the rows that enter the last
 * block and its attention. A question about it starts there; what its method cuts, and the
 * projector, are its own work.
 *
 * <p>Ownership: behind {@link #close} the memory goes back as soon as no question needs it that was
 * asked before; closing again is harmless. A question that is asked afterwards is refused. Safe for
 * several threads.
 */
public final class EncodedImage implements AutoCloseable {
  private final LoadedModel model;
  private final ImageTokens tokens;
  private final ImageOptions options;
  private final ImageEncoder.Seen seen;
  private final TensorArena arena;
  private volatile Runnable whenGone = this::free;
  private int users = 1; // questions, and whoever holds this
  private boolean closed;

  EncodedImage(
      LoadedModel model,
      ImageTokens tokens,
      ImageOptions options,
      ImageEncoder.Seen seen,
      TensorArena arena) {
    this.model = model;
    this.tokens = tokens;
    this.options = options;
    this.seen = seen;
    this.arena = arena;
  }

  /** Its visual tokens. */
  public ImageTokens tokens() {
    return tokens;
  }

  /** How it became visual tokens; a question about it has the same options. */
  public ImageOptions options() {
    return options;
  }

  /**
   * Says what is to happen when nobody needs the memory; it calls {@link #free}, and does not wait.
   */
  public void whenGone(Runnable then) {
    whenGone = then;
  }

  boolean isOf(LoadedModel other) {
    return model == other;
  }

  synchronized boolean isGone() {
    return users == 0;
  }

  /** Gives the memory back, whoever uses it; harmless when repeated. By who uses the device. */
  public synchronized void free() {
    closed = true;
    arena.close();
  }

  /** Bytes that it takes on the device. */
  public long bytes() {
    return arena.bytes();
  }

  /**
   * Keeps the memory for a question, which calls {@link #release}.
   *
   * @throws IllegalStateException if this is closed
   */
  public synchronized void retain() {
    if (closed) {
      throw new IllegalStateException("an encoded image is asked about after it was closed");
    }
    users++;
  }

  /** A question that has called {@link #retain} needs it no more. */
  public void release() {
    boolean last;
    synchronized (this) {
      users--;
      last = users == 0;
    }
    if (last) {
      whenGone.run(); // not inside: it may wait for who releases another
    }
  }

  /** What is in the tower; the rows that the next step writes to are a copy. */
  ImageEncoder.Seen lend(Device device, TensorArena work, Tensor iota) {
    Tensor x = work.empty("vision rows", seen.x().dtype(), seen.x().rows(), seen.x().width());
    device.gatherRows(List.of(x), List.of(seen.x()), iota.rows(0, x.rows()));
    return new ImageEncoder.Seen(seen.in(), seen.lse(), x, seen.attn());
  }

  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
    }
    release();
  }
}
