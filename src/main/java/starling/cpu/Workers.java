package starling.cpu;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * The threads of a device. The caller works too; the others are daemons that sleep when there is
 * nothing to do. Items are claimed one by one, so which thread computes an item varies, but what an
 * item computes does not. A run allocates nothing.
 */
final class Workers implements AutoCloseable {
  /** A parallel loop: items are independent of each other. */
  interface Task {
    /**
     * @param worker number of the thread that runs it, for scratch memory of its own
     */
    void run(int item, int worker);
  }

  private static final int SPINS = 2000;

  /** Some ten microseconds of one core. */
  private static final long WORTH_WAKING = 1 << 17;

  private final Thread[] threads;
  private final AtomicInteger next = new AtomicInteger();
  private final AtomicInteger pending = new AtomicInteger();
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private final AtomicInteger round = new AtomicInteger();
  private volatile boolean closed;
  private volatile Thread caller;
  private Task task;
  private int items;
  private boolean alone;

  Workers(int count) {
    threads = new Thread[count - 1];
    for (int i = 0; i < threads.length; i++) {
      int worker = i + 1;
      threads[i] = new Thread(() -> loop(worker), "starling-cpu-" + worker);
      threads[i].setDaemon(true);
      threads[i].start();
    }
  }

  /** Threads, the caller included. */
  int count() {
    return threads.length + 1;
  }

  /** Whether the caller does what follows without the others, who may not touch its memory. */
  void workAlone(boolean alone) {
    this.alone = alone;
  }

  /**
   * Runs all items and returns when they are done.
   *
   * @param work multiplications in all items together, about; for a few the caller works alone,
   *     since waking the others takes longer
   */
  void run(Task task, int items, long work) {
    if (alone || items <= 1 || threads.length == 0 || work < WORTH_WAKING) {
      for (int i = 0; i < items; i++) {
        task.run(i, 0);
      }
      return;
    }
    this.task = task;
    this.items = items;
    next.set(0);
    pending.set(threads.length);
    caller = Thread.currentThread();
    round.incrementAndGet();
    for (Thread thread : threads) {
      LockSupport.unpark(thread);
    }
    work(0);
    for (int spins = 0; pending.get() > 0; spins++) {
      pause(spins);
    }
    Throwable thrown = failure.getAndSet(null);
    if (thrown instanceof RuntimeException e) {
      throw e;
    } else if (thrown instanceof Error e) {
      throw e;
    }
  }

  private void loop(int worker) {
    int seen = 0;
    while (!closed) {
      for (int spins = 0; round.get() == seen && !closed; spins++) {
        pause(spins);
      }
      if (closed) {
        return;
      }
      seen = round.get();
      work(worker);
      if (pending.decrementAndGet() == 0) {
        LockSupport.unpark(caller);
      }
    }
  }

  private void pause(int spins) {
    if (spins < SPINS) {
      Thread.onSpinWait();
    } else {
      LockSupport.park(this);
    }
  }

  private void work(int worker) {
    try {
      for (int i = next.getAndIncrement(); i < items; i = next.getAndIncrement()) {
        task.run(i, worker);
      }
    } catch (RuntimeException | Error e) {
      failure.compareAndSet(null, e);
      next.set(items);
    }
  }

  @Override
  public void close() {
    closed = true;
    for (Thread thread : threads) {
      LockSupport.unpark(thread);
    }
  }
}
