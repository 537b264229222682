package starling.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Who owns device memory, when it is freed, and what a forgotten arena says. */
class TensorArenaTest {
  private static final Class<IllegalArgumentException> BAD = IllegalArgumentException.class;

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

    @Override
    public void zero(Block block) {
      block.memory().fill((byte) 0);
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

  private static String refused(Class<? extends Exception> type, Executable call) {
    return assertThrows(type, call).getMessage();
  }

  /** A view never reaches beyond its memory: by rows, by columns, or by one byte. */
  @Test
  void aViewIsHeldAgainstItsMemory() {
    try (var arena = new TensorArena("a", new Counting());
        var host = Arena.ofConfined()) {
      MemorySegment memory = host.allocate(96, 64);
      Block block = Block.of(memory);
      assertEquals(24, arena.view("t", DType.F32, block, 3, 8).rows() * 8);
      assertEquals(96, arena.view("t", DType.U8, block, 96).rows());
      assertEquals(0, arena.view("t", DType.F32, Block.of(memory.asSlice(96)), 0, 8).rows());
      String[] shorter = {
        refused(BAD, () -> arena.view("my t", DType.F32, block, 4, 8)),
        refused(BAD, () -> arena.view("my t", DType.F32, block, 3, 9)),
        refused(BAD, () -> arena.view("my t", DType.F32, block, 3, 3, 3)),
        refused(BAD, () -> arena.view("my t", DType.BF16, block, 49)),
        refused(BAD, () -> arena.view("my t", DType.F32, Block.of(memory.asSlice(0, 95)), 3, 8)),
        refused(BAD, () -> arena.view("my t", DType.U8, new Block(null, 256, 5), 6)),
        // Whose size is said to be more than the segment's.
        refused(BAD, () -> arena.view("my t", DType.U8, new Block(memory, 256, 200), 97)),
      };
      String[] sizes = {
        "F32[4, 8], which needs 128 bytes; its memory has 96",
        "F32[3, 9], which needs 108 bytes; its memory has 96",
        "F32[3, 3, 3], which needs 108 bytes; its memory has 96",
        "BF16[49], which needs 98 bytes; its memory has 96",
        "F32[3, 8], which needs 96 bytes; its memory has 95",
        "U8[6], which needs 6 bytes; its memory has 5",
        "U8[97], which needs 97 bytes; its memory has 96",
      };
      for (int i = 0; i < sizes.length; i++) {
        assertEquals("my t is " + sizes[i], shorter[i]);
      }
      assertEquals(5, arena.view("t", DType.U8, new Block(null, 256, 5), 5).rows());
      assertEquals(99, arena.view("t", DType.F32, new Block(null, 256), 99, 99).rows());
      assertEquals(
          "a block of -2 bytes",
          refused(BAD, () -> Block.of(memory).equals(new Block(null, 1, -2))));
    }
  }

  @Test
  void aViewStartsAtAMultipleOfItsElement() {
    try (var arena = new TensorArena("a", new Counting());
        var host = Arena.ofConfined()) {
      MemorySegment memory = host.allocate(96, 64);
      MemorySegment heap = MemorySegment.ofArray(new byte[96]);
      for (int shift = 0; shift < 8; shift++) {
        for (MemorySegment m : List.of(memory, heap)) {
          for (DType type : DType.values()) {
            Block block = Block.of(m.asSlice(shift));
            if (shift % type.bytes() == 0) {
              assertEquals(2, arena.view("t", type, block, 2, 8).rows());
            } else {
              String sentence = refused(BAD, () -> arena.view("my t", type, block, 2, 8));
              assertTrue(sentence.startsWith("my t is " + type + "[2, 8] at address "), sentence);
              assertTrue(sentence.endsWith("is no multiple of " + type.bytes()), sentence);
            }
          }
        }
      }
      assertEquals(
          "my t is F32[1] at address 0, where no memory is",
          refused(BAD, () -> arena.view("my t", DType.F32, new Block(null, 0), 1)));
      assertEquals(
          "my t is F32[1] at address 258, which is no multiple of 4",
          refused(BAD, () -> arena.view("my t", DType.F32, new Block(null, 258), 1)));
    }
  }

  @Test
  void sizesThatAreNegativeOrMoreThanAnIntAreRefusedByName() {
    try (var arena = new TensorArena("a", new Counting())) {
      Block block = Block.of(Arena.ofAuto().allocate(96, 64));
      int most = Integer.MAX_VALUE;
      List<int[]> shapes =
          List.of(
              new int[] {},
              new int[] {-1},
              new int[] {-2, -3},
              new int[] {2, -3},
              new int[] {2, -2, -2},
              new int[] {1, 1 << 16, 1 << 16}, // 2^32: 0 in an int
              new int[] {1, 1 << 30, 3},
              new int[] {1, most, most, most},
              new int[] {most, most - 7},
              new int[] {most, most});
      for (int[] shape : shapes) {
        String view = refused(BAD, () -> arena.view("my t", DType.F32, block, shape));
        assertTrue(view.startsWith("my t"), view);
        if (shape.length != 2 || shape[0] < 0 || shape[1] < 0 || shape[1] == most) {
          String alloc = refused(BAD, () -> arena.alloc("my t", DType.F32, shape));
          assertTrue(alloc.startsWith("my t"), alloc);
        }
      }
      assertEquals(0, arena.bytes());
    }
  }

  @Test
  void closedMemoryAndAClosedArenaAreRefusedByName() {
    var arena = new TensorArena("a", new Counting());
    Arena host = Arena.ofConfined();
    Block block = Block.of(host.allocate(96, 64));
    host.close();
    assertEquals(
        "my t is F32[3, 8] over memory that is already closed",
        refused(IllegalStateException.class, () -> arena.view("my t", DType.F32, block, 3, 8)));
    arena.close();
    assertEquals(
        "my t: arena 'a' is closed",
        refused(IllegalStateException.class, () -> arena.view("my t", DType.F32, block, 3, 8)));
  }

  @Test
  void theOneRowOfAViewHasAStrideThatKernelsTake() {
    try (var arena = new TensorArena("a", new Counting())) {
      Block block = Block.of(Arena.ofAuto().allocate(24, 64));
      assertEquals(8, arena.view("t", DType.F32, block, 1, 6).rowStride());
      assertEquals(3, arena.view("t", DType.F32, block, 2, 3).rowStride());
      assertEquals(1, arena.view("t", DType.F32, block, 6).rowStride());
    }
  }

  @Test
  void aSplitKeepsTheElementsOfARow() {
    try (var arena = new TensorArena("a", new Counting())) {
      Tensor t = arena.alloc("my t", DType.F32, 3, 6);
      assertEquals(3, t.split(2, 3).dim(2));
      assertEquals(6, t.split(6, 1, 1).dim(1));
      List<int[]> wrong =
          List.of(
              new int[] {},
              new int[] {-2, -3},
              new int[] {-1, -6},
              new int[] {2, 4},
              new int[] {1 << 16, 1 << 16, 6},
              new int[] {Integer.MAX_VALUE, Integer.MAX_VALUE, 2},
              new int[] {0, 6});
      for (int[] inner : wrong) {
        String sentence = refused(BAD, () -> t.split(inner));
        assertTrue(
            sentence.startsWith("my t is F32[3, 6], which cannot be split into rows of"), sentence);
      }
      // A vector's elements lie one behind the other; those of a column do not.
      Tensor column = arena.alloc("my column", DType.F32, 3, 1);
      assertThrows(BAD, () -> column.split());
      assertEquals(1, column.rows(1, 2).split().rank());
      assertEquals(3, arena.alloc("v", DType.F32, 3).columns(0, 1).split().rows());
    }
  }

  /** By the bytes that each touches; with strides that differ it may err on the safe side. */
  @Test
  void overlapIsByElementsAndNotByRanges() {
    var random = new Random(3);
    int exact = 0;
    try (var arena = new TensorArena("a", new Counting())) {
      MemorySegment memory = Arena.ofAuto().allocate(4096, 64);
      for (int round = 0; round < 20_000; round++) {
        int width = 1 + random.nextInt(12);
        int[] widths = {width, random.nextInt(4) == 0 ? 1 + random.nextInt(12) : width};
        Tensor[] t = new Tensor[2];
        var bytes = List.of(new BitSet(), new BitSet());
        for (int i = 0; i < 2; i++) {
          DType type = random.nextInt(8) == 0 ? DType.BF16 : DType.F32;
          Block block = Block.of(memory.asSlice(4L * random.nextInt(40)));
          int from = random.nextInt(widths[i]);
          t[i] =
              arena
                  .view("t", type, block, 1 + random.nextInt(5), widths[i])
                  .columns(from, from + random.nextInt(widths[i] - from + 1));
          t[i] = t[i].rows(random.nextInt(t[i].rows()), t[i].rows());
          for (int row = 0; row < t[i].rows(); row++) {
            long start = t[i].memory().address() - memory.address() + t[i].offset(row);
            bytes.get(i).set((int) start, (int) (start + (long) t[i].width() * type.bytes()));
          }
        }
        boolean overlap = bytes.get(0).intersects(bytes.get(1));
        boolean sameStride =
            t[0].rowStride() * t[0].dtype().bytes() == t[1].rowStride() * t[1].dtype().bytes();
        if (sameStride || overlap) {
          exact++;
          String what = t[0] + " and " + t[1] + " in round " + round;
          assertEquals(overlap, t[0].overlaps(t[1]), what);
          assertEquals(overlap, t[1].overlaps(t[0]), what);
        }
      }
      assertTrue(exact > 5_000, exact + " pairs were held to the bytes they touch");
      Tensor heap = arena.view("h", DType.F32, Block.of(MemorySegment.ofArray(new float[8])), 8);
      MemorySegment array = MemorySegment.ofArray(new float[8]);
      Tensor a = arena.view("a", DType.F32, Block.of(array), 8);
      Tensor b = arena.view("b", DType.F32, Block.of(array.asSlice(16).asReadOnly()), 4);
      assertFalse(heap.overlaps(a));
      assertTrue(a.overlaps(b));
      assertFalse(a.rows(0, 4).overlaps(b));
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
