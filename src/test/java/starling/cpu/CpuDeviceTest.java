package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.Tensor;

/** What the device says of itself, its memory and clock, and the step of its segments. */
class CpuDeviceTest {
  @Test
  void itSaysWhatItIs() {
    int cores = Runtime.getRuntime().availableProcessors();
    try (CpuDevice three = CpuDevice.open(3);
        CpuDevice all = CpuDevice.open();
        CpuDevice scalar = CpuDevice.scalar()) {
      assertEquals("3 threads, " + Lanes.best().description(), three.description());
      assertEquals(cores + " threads, " + Lanes.best().description(), all.description());
      assertEquals(
          cores + " threads, scalar (the module jdk.incubator.vector is not in use)",
          scalar.description());
      assertEquals(DeviceType.CPU, three.type());
      assertEquals("f32, bf16, f16 and block formats as they are stored", three.weightFormats());
      assertEquals(72, three.headSize(72));
      assertEquals(Fma.FAST, CpuDevice.fma());
    }
    assertThrows(IllegalArgumentException.class, () -> CpuDevice.open(0));
    CpuDevice.open(1).close();
  }

  @Test
  void eventsAreTimesOfItsClock() {
    try (CpuDevice device = CpuDevice.open(1)) {
      long before = System.nanoTime();
      long event = device.recordEvent();
      long after = System.nanoTime();
      assertTrue(event - before >= 0 && after - event >= 0);
      assertEquals(1.5, device.elapsedMillis(2_000_000, 3_500_000));
    }
  }

  @Test
  void memoryOfAClosedArenaIsGivenBack() {
    try (CpuDevice device = CpuDevice.open(1)) {
      var arena = device.arena("given back");
      MemorySegment memory = arena.alloc("x", DType.F32, 4).memory();
      assertTrue(memory.scope().isAlive());
      arena.close();
      assertThrows(IllegalStateException.class, () -> memory.get(Rows.U16, 0));
    }
  }

  /** Lengths and positions grow by the rows, a step is one, hidden and idle segments stay. */
  @Test
  void advanceCountsTheRowsOfEverySegment() {
    try (CpuDevice device = CpuDevice.open(1);
        var arena = device.arena("advance")) {
      Segments segments =
          SegmentTable.of(
              device,
              arena,
              Segment.of(0, 3, 0, 20).behind(4).hidden(2),
              Segment.idle(),
              Segment.of(3, 1, 20, 30).behind(5));
      Tensor table = segments.table();
      int[] before = new int[3 * Segments.WIDTH];
      device.download(MemorySegment.ofArray(before), table);
      device.advance(segments);
      int[] expected = before.clone();
      for (int s : new int[] {0, 2}) {
        int rows = before[s * Segments.WIDTH + Segments.ROWS];
        expected[s * Segments.WIDTH + Segments.LENGTH] += rows;
        for (int axis = 0; axis < Segments.AXES; axis++) {
          expected[s * Segments.WIDTH + Segments.POSITION + axis] += rows;
        }
        expected[s * Segments.WIDTH + Segments.STEP]++;
      }
      int[] after = new int[3 * Segments.WIDTH];
      device.download(MemorySegment.ofArray(after), table);
      assertArrayEquals(expected, after);
    }
  }
}
