package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

/** Who owns device memory, when it is freed, and what a forgotten arena says. */
class TensorArenaTest {
  /** Blocks by number, so that the order of freeing shows. */
  private static final class Counting implements TensorArena.Memory {
    private final List<Long> freed = Collections.synchronizedList(new ArrayList<>());
    private long next = 1;

    @Override
    public Block allocate(long bytes) {
      return new Block(Arena.ofAuto().allocate(bytes), next++);
    }

    @Override
    public void free(Block block) {
      freed.add(block.address());
    }
  }

  @Test
  void freesInReverseOrderOnce() {
    var memory = new Counting();
    var arena = new TensorArena("a", memory);
    for (int i = 0; i < 3; i++) {
      arena.alloc("t" + i, DType.F32, 4);
    }
    assertEquals(48, arena.bytes());
    arena.close();
    arena.close();
    assertEquals(List.of(3L, 2L, 1L), memory.freed);
    assertFalse(arena.isOpen());
    assertEquals(0, arena.bytes());
    assertTrue(
        assertThrows(IllegalStateException.class, () -> arena.alloc("late", DType.F32, 1))
            .getMessage()
            .contains("late"));
  }

  @Test
  void rowsAreEightElementsApartOrAMultiple() {
    try (var arena = new TensorArena("a", new Counting())) {
      Tensor t = arena.alloc("t", DType.BF16, 5, 3, 7);
      assertEquals(21, t.width());
      assertEquals(24, t.rowStride());
      assertEquals(3 * 24 * 2, t.offset(3));
      assertEquals(1, arena.alloc("v", DType.I32, 5).rowStride());
      Tensor view = t.rows(1, 4).columns(7, 14);
      assertEquals((24 + 7) * 2, view.offset());
      assertEquals(7, view.width());
      assertThrows(IndexOutOfBoundsException.class, () -> t.rows(2, 6));
      assertThrows(IndexOutOfBoundsException.class, () -> t.columns(0, 22));
      assertThrows(IllegalArgumentException.class, () -> t.split(4, 5));
    }
  }

  @Test
  void aForgottenArenaIsFreedAndReportedWithItsPlace() throws InterruptedException {
    var memory = new Counting();
    var records = Collections.synchronizedList(new ArrayList<LogRecord>());
    var handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            records.add(record);
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger logger = Logger.getLogger("starling");
    logger.addHandler(handler);
    logger.setUseParentHandlers(false);
    try {
      forget(memory);
      for (int i = 0; i < 100 && records.isEmpty(); i++) {
        System.gc();
        Thread.sleep(20);
      }
    } finally {
      logger.removeHandler(handler);
      logger.setUseParentHandlers(true);
    }
    assertEquals(List.of(1L), memory.freed);
    assertEquals("arena 'forgotten' with 64 bytes was never closed", records.get(0).getMessage());
    assertTrue(
        List.of(records.get(0).getThrown().getStackTrace()).stream()
            .anyMatch(f -> f.getMethodName().equals("forget")));
  }

  private static void forget(Counting memory) {
    new TensorArena("forgotten", memory).alloc("t", DType.F32, 16);
  }
}
