package starling.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class MemoryTest {
  private static Refusal refused(Memory.Room room, long bytes) {
    return assertThrows(Refusal.class, () -> room.take(bytes));
  }

  @Test
  void requestsShareWhatThereIsAndGiveItBack() {
    var memory = new Memory(10 * 4096);
    try (Memory.Room one = memory.room();
        Memory.Room two = memory.room()) {
      one.take(1);
      one.take(4097);
      assertEquals(7 * 4096, memory.freeBytes());
      Refusal busy = refused(two, 7 * 4096 + 1);
      assertEquals(429, busy.status());
      assertEquals(
          "the server has no memory left for this request; try again later", busy.getMessage());
      two.take(7 * 4096);
      assertEquals(429, refused(one, 1).status());
    }
    assertEquals(10 * 4096, memory.freeBytes());
  }

  @Test
  void whatNeverFitsIsNotAskedToComeBack() {
    var memory = new Memory(10 * 4096);
    try (Memory.Room room = memory.room()) {
      assertEquals(413, refused(room, 10 * 4096 + 1).status());
      room.take(10 * 4096);
    }
    assertEquals(10 * 4096, memory.freeBytes());
  }
}
