package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;

/** Who does which item of a parallel loop, and when the threads end. */
class WorkersTest {
  private static final long MUCH = 1 << 17;

  /** Fails after half a minute instead of waiting for a thread that never comes. */
  private static void await(CountDownLatch latch) {
    try {
      assertTrue(latch.await(30, TimeUnit.SECONDS), "nobody else came");
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  /** The threads that {@code start} has started. */
  static List<Thread> startedBy(Runnable start) {
    Set<Thread> before = Thread.getAllStackTraces().keySet();
    start.run();
    return Thread.getAllStackTraces().keySet().stream()
        .filter(t -> t.getName().startsWith("starling-cpu-") && !before.contains(t))
        .toList();
  }

  /** Workers that ran the items; each item waits until {@code together} of them are under way. */
  private static Set<Integer> meet(Workers workers, int items, int together, long work) {
    var here = new CountDownLatch(together);
    Set<Integer> seen = ConcurrentHashMap.newKeySet();
    workers.run(
        (item, worker) -> {
          seen.add(worker);
          here.countDown();
          await(here);
        },
        items,
        work);
    return seen;
  }

  @Test
  void enoughWorkIsDoneByAllThreadsTheCallerIncluded() {
    try (var workers = new Workers(3)) {
      assertEquals(3, workers.count());
      for (int round = 0; round < 3; round++) {
        assertEquals(Set.of(0, 1, 2), meet(workers, 3, 3, MUCH));
      }
      assertEquals(Set.of(0, 1, 2), meet(workers, 30, 3, MUCH + 1));
    }
  }

  @Test
  void twoItemsMeet() {
    try (var workers = new Workers(2)) {
      assertEquals(Set.of(0, 1), meet(workers, 2, 2, MUCH));
    }
  }

  @Test
  void littleWorkOneItemOrConfinedMemoryIsTheCallersAlone() {
    try (var workers = new Workers(2)) {
      for (int round = 0; round < 20; round++) {
        assertEquals(Set.of(0), meet(workers, 50, 1, MUCH - 1));
        assertEquals(Set.of(0), meet(workers, 1, 1, MUCH));
      }
      workers.workAlone(true);
      for (int round = 0; round < 20; round++) {
        assertEquals(Set.of(0), meet(workers, 50, 1, MUCH));
      }
      workers.workAlone(false);
      assertEquals(Set.of(0, 1), meet(workers, 2, 2, MUCH));
    }
  }

  @Test
  void theCallerDoesLittleWorkOnItsOwnThread() {
    try (var workers = new Workers(2)) {
      workers.run((i, worker) -> assertFalse(Thread.currentThread().isDaemon()), 50, MUCH - 1);
      workers.workAlone(true);
      workers.run((i, worker) -> assertFalse(Thread.currentThread().isDaemon()), 50, MUCH);
    }
  }

  @Test
  void everyItemIsRunOnceAndDoneWhenRunReturns() {
    try (var workers = new Workers(3)) {
      for (int items : new int[] {0, 1, 2, 7, 1000}) {
        for (int round = 0; round < 50; round++) {
          var runs = new AtomicIntegerArray(Math.max(1, items));
          workers.run((item, worker) -> runs.incrementAndGet(item), items, MUCH);
          for (int i = 0; i < items; i++) {
            assertEquals(1, runs.get(i), "item " + i + " of " + items);
          }
        }
      }
    }
  }

  /** The other thread holds an item long after the caller has nothing left to claim. */
  @Test
  void runReturnsAfterTheSlowestItem() {
    try (var workers = new Workers(2)) {
      for (int round = 0; round < 3; round++) {
        var done = ConcurrentHashMap.newKeySet();
        var both = new CountDownLatch(2);
        workers.run(
            (item, worker) -> {
              both.countDown();
              await(both);
              if (worker == 1) {
                try {
                  Thread.sleep(100);
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              }
              done.add(item);
            },
            2,
            MUCH);
        assertEquals(Set.of(0, 1), done);
      }
    }
  }

  private static void assertSleeps(Thread thread) throws InterruptedException {
    for (int i = 0; i < 3000 && thread.getState() != Thread.State.WAITING; i++) {
      Thread.sleep(10);
    }
    assertEquals(Thread.State.WAITING, thread.getState(), "it sleeps when there is nothing to do");
  }

  @Test
  void aThreadThatSleepsIsWoken() throws InterruptedException {
    var made = new Workers[1];
    List<Thread> threads = startedBy(() -> made[0] = new Workers(2));
    try (Workers workers = made[0]) {
      assertEquals(1, threads.size());
      assertSleeps(threads.get(0));
      assertEquals(Set.of(0, 1), meet(workers, 2, 2, MUCH));
    }
  }

  @Test
  void whatAnItemThrowsIsThrownOnceAndEndsTheLoop() {
    try (var workers = new Workers(2)) {
      var runs = new AtomicIntegerArray(1);
      for (RuntimeException e : List.of(new IllegalStateException("an item"))) {
        assertSame(
            e,
            assertThrows(
                RuntimeException.class,
                () ->
                    workers.run(
                        (item, worker) -> {
                          runs.incrementAndGet(0);
                          throw e;
                        },
                        1000,
                        MUCH)));
      }
      assertTrue(runs.get(0) <= 2, "each thread meets one item that throws, and no other");
      var error = new AssertionError("an item");
      Workers.Task fails =
          (item, worker) -> {
            throw error;
          };
      assertSame(error, assertThrows(AssertionError.class, () -> workers.run(fails, 9, MUCH)));
      assertEquals(Set.of(0, 1), meet(workers, 2, 2, MUCH));
    }
  }

  /** The other thread finishes its item, and begins no more than it had time for. */
  @Test
  void behindAnItemThatThrowsTheOthersAreLeft() {
    try (var workers = new Workers(2)) {
      var runs = new AtomicIntegerArray(1);
      Workers.Task task =
          (item, worker) -> {
            if (item == 0) {
              throw new IllegalStateException("the first");
            }
            runs.incrementAndGet(0);
            LockSupport.parkNanos(2_000_000);
          };
      assertThrows(IllegalStateException.class, () -> workers.run(task, 3000, MUCH));
      assertTrue(runs.get(0) < 2999, "all others were done");
    }
  }

  @Test
  void theThreadsAreDaemonsAndEndWithTheDevice() throws InterruptedException {
    var made = new Workers[1];
    List<Thread> threads = startedBy(() -> made[0] = new Workers(3));
    assertEquals(2, threads.size());
    assertTrue(threads.stream().allMatch(Thread::isDaemon));
    for (Thread thread : threads) {
      assertSleeps(thread);
    }
    made[0].close();
    for (Thread thread : threads) {
      thread.join(10_000);
      assertFalse(thread.isAlive(), thread.getName());
    }
  }
}
