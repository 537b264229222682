package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.device.Activation;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.GemmProvider;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.Providers;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * Memory, work and captures in the order of one stream, on a made-up GPU that does everything as
 * late as it may ({@code native/test/fake_cuda}), with memory in stream order and without.
 */
class StreamOrderTest {
  private static int[] values(NativeDevice device, Tensor t) {
    int[] values = new int[t.rows() * t.width()];
    device.download(MemorySegment.ofArray(values), t);
    return values;
  }

  @ParameterizedTest
  @ValueSource(strings = {"pools=1", "pools=0"})
  void freshMemoryIsZeroBeforeItsFirstWork(String orders) {
    try (var _ = new FakeCuda(orders);
        NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("a")) {
      Tensor fresh = arena.alloc("fresh", DType.I32, 3, 8);
      Tensor out = arena.alloc("out", DType.I32, 3, 8);
      device.gatherRows(List.of(out), List.of(fresh), arena.alloc("rows", DType.I32, 3));
      assertArrayEquals(new int[24], values(device, out));
    }
  }

  /** As an image's arena is, whose tower has only been enqueued. */
  @ParameterizedTest
  @ValueSource(strings = {"pools=1", "pools=0"})
  void anArenaMayCloseBeforeItsWorkIsDone(String orders) {
    try (var gpu = new FakeCuda(orders);
        NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("a")) {
      Tensor out = arena.alloc("out", DType.I32, 4, 8);
      Tensor rows = arena.alloc("rows", DType.I32, 4);
      for (int i = 1; i <= 3; i++) {
        try (TensorArena own = device.arena("image")) {
          Tensor in = own.alloc("in", DType.I32, 1, 8);
          device.upload(in, MemorySegment.ofArray(new int[] {i, 2 * i, 3 * i, 4 * i, 5, 6, 7, 8}));
          device.advance(new Segments(own.alloc("idle", DType.I32, 100, Segments.WIDTH), 1, 1));
          device.gatherRows(List.of(out), List.of(in), rows);
        }
      }
      int[] last = new int[8];
      device.download(MemorySegment.ofArray(last), out.rows(3, 4));
      assertArrayEquals(new int[] {3, 6, 9, 12, 5, 6, 7, 8}, last);
      assertEquals("", gpu.faults());
    }
  }

  @Test
  void anArenaMayCloseAfterItsDevice() {
    try (var _ = new FakeCuda("")) {
      NativeDevice device = NativeDevice.open(DeviceType.CUDA);
      TensorArena arena = device.arena("a");
      device.advance(SegmentTable.counter(device, arena));
      device.close();
      assertThrows(IllegalStateException.class, () -> arena.alloc("more", DType.I32, 3));
      arena.close();
    }
  }

  private record Product(Tensor y, Tensor x, Linear w, Norm norm) {
    static Product of(NativeDevice device, TensorArena arena, int rows) {
      var random = new Random(rows);
      return new Product(
          arena.alloc("y", DType.BF16, rows, 24),
          device.table(arena, DType.BF16, Gaussian.of(random, 1, rows, 64)),
          device.linear(arena, DType.BF16, Linear.Source.of(Gaussian.of(random, 1, 24, 64), null)),
          new Norm(device.table(arena, DType.BF16, Gaussian.of(random, 1, 64)), null, 1e-5f));
    }

    void run(NativeDevice device) {
      device.gemm(y, x, w, norm, Activation.NONE, null);
    }
  }

  /** Nobody waits between a product and one with more rows, for which scratch memory grows. */
  @ParameterizedTest
  @EnumSource(names = {"OWN", "CUBLASLT"})
  void scratchMemoryGrowsUnderWork(GemmProvider gemm) {
    try (var _ = new FakeCuda("");
        var _ = new PlayedLibrary("cublaslt");
        NativeDevice device = NativeDevice.open(DeviceType.CUDA, Providers.gemm(gemm));
        TensorArena arena = device.arena("a")) {
      List<Product> products =
          List.of(40, 150, 300).stream().map(n -> Product.of(device, arena, n)).toList();
      products.forEach(p -> p.run(device));
      List<float[]> first = products.stream().map(p -> Floats.of(device, p.y)).toList();
      for (int i = 0; i < products.size(); i++) {
        products.get(i).run(device); // with all the scratch memory there is
        assertArrayEquals(first.get(i), Floats.of(device, products.get(i).y));
        assertTrue(first.get(i)[0] != 0);
      }
    }
  }

  // ---- captures ----

  private static void works(NativeDevice device, Segments counter) {
    int before = SegmentTable.counted(device, counter);
    device.advance(counter);
    assertEquals(before + 1, SegmentTable.counted(device, counter));
    MemorySegment graph = device.capture(() -> SegmentTable.count(device, counter, 10));
    device.call((library, stream) -> library.graphLaunch(graph, stream));
    device.call((library, stream) -> library.graphDestroy(graph));
    assertEquals(before + 11, SegmentTable.counted(device, counter));
  }

  /** On the host layer and on the GPU. */
  @ParameterizedTest
  @EnumSource(names = {"EMULATED", "CUDA"})
  void aStepThatFailsLeavesAStreamThatWorks(DeviceType type) {
    Native.needs(Native.HOST);
    try (var _ = new FakeCuda("");
        NativeDevice device = NativeDevice.open(type);
        TensorArena arena = device.arena("a")) {
      Segments counter = SegmentTable.counter(device, arena);
      works(device, counter);
      assertThrows(
          ArithmeticException.class,
          () ->
              device.capture(
                  () -> {
                    SegmentTable.count(device, counter, 100);
                    throw new ArithmeticException();
                  }));
      works(device, counter);
      refused(device, "bytes are downloaded", () -> SegmentTable.counted(device, counter));
      works(device, counter);
      refused(device, "bytes of the host are uploaded", () -> upload(device, counter));
      works(device, counter);
      refused(device, "memory is allocated", () -> arena.alloc("more", DType.I32, 4));
      works(device, counter);
      refused(device, "an event is recorded", device::recordEvent);
      works(device, counter);
      refused(device, "a capture has begun already", () -> device.capture(() -> {}));
      works(device, counter);
      Product product = Product.of(device, arena, 90);
      refused(device, "run the same operators once before", () -> product.run(device));
      works(device, counter);
      product.run(device);
      MemorySegment graph = device.capture(() -> product.run(device));
      device.call((library, stream) -> library.graphDestroy(graph));
    }
  }

  private static void upload(NativeDevice device, Segments counter) {
    device.upload(counter.table(), MemorySegment.ofArray(new int[Segments.WIDTH]));
  }

  private static void refused(NativeDevice device, String part, Runnable step) {
    String sentence =
        assertThrows(IllegalArgumentException.class, () -> device.capture(step)).getMessage();
    assertTrue(sentence.contains(part), sentence);
  }

  /** Also where the step hides what went wrong. */
  @Test
  void aCaptureThatLacksAnOperatorIsNoGraph() {
    try (var _ = new FakeCuda("");
        NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("a")) {
      Product product = Product.of(device, arena, 90);
      refused(
          device,
          "capture_end: there is no graph",
          () -> assertThrows(IllegalArgumentException.class, () -> product.run(device)));
      works(device, SegmentTable.counter(device, arena));
    }
  }

  @Test
  void anArenaMayCloseInACapture() {
    try (var _ = new FakeCuda("");
        NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("a")) {
      Segments counter = SegmentTable.counter(device, arena);
      TensorArena other = device.arena("b");
      other.alloc("t", DType.I32, 100);
      MemorySegment graph =
          device.capture(
              () -> {
                SegmentTable.count(device, counter, 2);
                other.close();
              });
      device.call((library, stream) -> library.graphLaunch(graph, stream));
      device.call((library, stream) -> library.graphDestroy(graph));
      assertEquals(2, SegmentTable.counted(device, counter));
    }
  }

  /** Another thread's work is not captured with the step's. */
  @Test
  void otherThreadsWaitForTheEndOfACapture() throws Exception {
    try (var _ = new FakeCuda("");
        NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("a")) {
      Segments mine = SegmentTable.counter(device, arena);
      Segments theirs = SegmentTable.counter(device, arena);
      var ended = new AtomicBoolean();
      var sawTheEnd = new AtomicBoolean();
      Thread[] other = new Thread[1];
      MemorySegment graph =
          device.capture(
              () -> {
                other[0] =
                    Thread.ofPlatform()
                        .start(
                            () -> {
                              SegmentTable.count(device, theirs, 5);
                              sawTheEnd.set(ended.get());
                            });
                while (other[0].getState() != Thread.State.BLOCKED && other[0].isAlive()) {
                  Thread.onSpinWait();
                }
                device.advance(mine);
                ended.set(true);
              });
      other[0].join();
      assertTrue(sawTheEnd.get());
      assertEquals(5, SegmentTable.counted(device, theirs));
      assertEquals(0, SegmentTable.counted(device, mine));
      device.call((library, stream) -> library.graphDestroy(graph));
    }
  }
}
