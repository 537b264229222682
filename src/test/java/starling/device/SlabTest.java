package starling.device;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import starling.cpu.CpuDevice;

/** Memory that is taken once and handed out many times. */
class SlabTest {
  /** Blocks that are held, and parts of them that are claimed. */
  private static final class Counting implements TensorArena.Memory {
    private final List<Block> held = new ArrayList<>();
    private final List<Long> claims = new ArrayList<>();
    private int allocations;
    private long room = Long.MAX_VALUE;

    @Override
    public Block allocate(long bytes) {
      if (bytes > room) {
        throw new OutOfMemoryException("out of memory");
      }
      allocations++;
      var block = new Block(Arena.ofAuto().allocate(bytes, 64), 0, bytes);
      held.add(block);
      return block;
    }

    @Override
    public void free(Block block) {
      assertTrue(held.remove(block), "freed once");
    }

    @Override
    public void zero(Block block) {
      block.memory().fill((byte) 0);
    }

    @Override
    public void claim(Block block, long offset, long bytes) {
      assertTrue(held.contains(block));
      assertTrue(offset + bytes <= block.bytes());
      claims.add(block.memory().address() + offset);
    }

    @Override
    public void unclaim(Block block, long offset) {
      assertTrue(claims.remove((Long) (block.memory().address() + offset)));
    }
  }

  private final Counting memory = new Counting();
  private final Slab slab = new Slab("questions", memory);

  /** Tensors of a question, some of which go before the others. */
  private void question() {
    try (TensorArena whole = slab.arena("whole")) {
      whole.empty("a", DType.F32, 1000);
      try (TensorArena image = slab.arena("image")) {
        image.empty("b", DType.F32, 5000);
        image.empty("c", DType.F32, 300);
      }
      whole.empty("d", DType.F32, 7000);
    }
  }

  @Test
  void theSecondQuestionOfASizeAllocatesNothing() {
    question();
    assertEquals(1, memory.held.size(), "blocks are joined when nobody uses them");
    int first = memory.allocations;
    question();
    question();
    assertEquals(first, memory.allocations);
    assertEquals(0, slab.used());
    slab.close();
    slab.close();
    assertEquals(List.of(), memory.held);
    assertEquals(List.of(), memory.claims);
  }

  @Test
  void whatIsAskedForAsZeroIsZeroAgain() {
    for (int i = 0; i < 2; i++) {
      try (TensorArena arena = slab.arena("a")) {
        Tensor zero = arena.alloc("zero", DType.F32, 64);
        assertEquals(-1, zero.memory().mismatch(Arena.ofAuto().allocate(256)));
        zero.memory().fill((byte) 7);
      }
    }
    try (TensorArena arena = slab.arena("a")) {
      assertEquals(7, arena.empty("empty", DType.F32, 64).memory().get(ValueLayout.JAVA_BYTE, 3));
    }
  }

  /** Random takes and gives: parts never overlap, and all of it can be had again at the end. */
  @Test
  void partsNeverOverlap() {
    var random = new Random(5);
    var open = new ArrayList<TensorArena>();
    var tensors = new ArrayList<Tensor>();
    for (int i = 0; i < 2000; i++) {
      if (open.isEmpty() || random.nextInt(5) < 3) {
        TensorArena arena = slab.arena("a" + i);
        Tensor t = arena.empty("t", DType.U8, 1 + random.nextInt(2000));
        t.memory().fill((byte) i);
        open.add(arena);
        tensors.add(t);
      } else {
        int at = random.nextInt(open.size());
        byte[] bytes = tensors.get(at).memory().toArray(ValueLayout.JAVA_BYTE);
        byte[] same = new byte[bytes.length];
        Arrays.fill(same, bytes[0]);
        assertArrayEquals(same, bytes);
        open.remove(at).close();
        tensors.remove(at);
      }
    }
    open.forEach(TensorArena::close);
    long bytes = slab.bytes();
    int before = memory.allocations;
    try (TensorArena arena = slab.arena("all")) {
      arena.empty("all", DType.U8, Math.toIntExact(bytes));
    }
    assertEquals(before, memory.allocations);
  }

  @Test
  void aFullDeviceIsToldWithTheTensorAndNothingIsLost() {
    question();
    memory.room = 1000;
    try (TensorArena arena = slab.arena("big")) {
      String sentence =
          assertThrows(OutOfMemoryException.class, () -> arena.empty("huge", DType.F32, 1_000_000))
              .getMessage();
      assertTrue(sentence.contains("'huge' of 'big'"), sentence);
    }
    question();
    assertEquals(0, slab.used());
  }

  @Test
  void aSlabMayCloseBeforeItsArenas() {
    TensorArena arena = slab.arena("a");
    arena.empty("t", DType.F32, 10);
    slab.close();
    assertEquals(1, memory.held.size());
    assertTrue(
        assertThrows(IllegalStateException.class, () -> slab.arena("b").empty("u", DType.F32, 1))
            .getMessage()
            .contains("'questions' is closed"));
    arena.close();
    assertEquals(List.of(), memory.held);
  }

  @Test
  void tensorsOfASlabAreTheDevices() {
    try (CpuDevice device = CpuDevice.open(1);
        Slab own = device.slab("own");
        TensorArena arena = own.arena("a")) {
      Tensor x = arena.alloc("x", DType.F32, 2, 8);
      device.gatherRows(
          List.of(arena.empty("out", DType.F32, 2, 8)),
          List.of(x),
          arena.alloc("rows", DType.I32, 2));
    }
  }
}
