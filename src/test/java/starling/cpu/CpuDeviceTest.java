package starling.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import starling.device.Activation;
import starling.device.AttentionInputs;
import starling.device.Block;
import starling.device.Candidates;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Kv;
import starling.device.Linear;
import starling.device.Mask;
import starling.device.Norm;
import starling.device.Rope;
import starling.device.Segment;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.Span;
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

  @Test
  void closingItEndsItsThreads() throws InterruptedException {
    var made = new CpuDevice[1];
    for (Thread thread : WorkersTest.startedBy(() -> made[0] = CpuDevice.open(3))) {
      made[0].close();
      thread.join(10_000);
      assertFalse(thread.isAlive(), thread.getName());
    }
  }

  /** Each behind a call in which all threads worked, for memory that one thread alone may touch. */
  @Test
  void everyOperatorSeesForItselfWhoseMemoryItIs() {
    int n = 256;
    try (CpuDevice device = CpuDevice.open(2);
        var arena = device.arena("shared");
        var confined = Arena.ofConfined()) {
      Tensor shared = arena.alloc("shared", DType.F32, n, 512);
      MemorySegment memory = confined.allocate(4L * n * 512, 64);
      Tensor x = arena.view("x", DType.F32, Block.of(memory), n, 512);
      Tensor heads = x.split(16, 32);
      Tensor lse = arena.alloc("lse", DType.F32, 16, n);
      var in = new AttentionInputs(heads, new Kv(heads, heads, null), Mask.NONE, 1);
      var norm = new Norm(arena.alloc("weight", DType.F32, 512), null, 1e-5f);
      var span = new Span(0, n);
      var keys = new Candidates(0, n, null);
      Tensor nonFinite = arena.alloc("nonFinite", DType.I32, 1);
      Tensor keep = arena.alloc("keep", DType.I32, 9);
      Tensor score = arena.alloc("score", DType.F32, n);
      Tensor cosines = arena.alloc("cosines", DType.F32, n, n);
      Linear w = device.asLinear(arena.alloc("w", DType.F32, 512, 512), null);
      Tensor turned = arena.alloc("turned", DType.F32, n, 16);
      var own = SegmentTable.one(device, arena, n, 0, n);
      Tensor k = arena.alloc("k", DType.F32, n, 1, 32);
      Tensor v = arena.alloc("v", DType.F32, n, 1, 32);
      Tensor q = arena.alloc("q", DType.F32, n, 14, 32);
      List<Runnable> calls =
          List.of(
              () -> device.rmsnorm(x, x, norm),
              () -> device.layernorm(x, x, new Norm(norm.weight(), norm.weight(), 1e-5f)),
              () -> device.gemm(x, shared, w, null, Activation.NONE, null),
              () -> device.attention(arena.alloc("out", DType.F32, n, 16, 32), lse, in),
              () ->
                  device.attentionColsum(
                      arena.alloc("sums", DType.F32, 16, n), in, lse, span, keys),
              () -> device.colsumSelect(keep, score, in, lse, span, keys, nonFinite),
              () -> device.cosines(cosines, x, nonFinite),
              () ->
                  device.rope(
                      q,
                      new Kv(k, v, own),
                      x,
                      arena.alloc("positions", DType.I32, n),
                      new Rope(turned, turned)));
      for (Runnable call : calls) {
        device.rmsnorm(shared, shared, norm);
        call.run();
      }
    }
  }
}
