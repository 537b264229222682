package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import starling.cpu.CpuDevice;
import starling.cuda.abi.AbiConstants;
import starling.device.Activation;
import starling.device.Block;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.Linear;
import starling.device.Norm;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/** Memory, threads and lifetimes of the native device, and what its calls refuse. */
class LifetimesTest {
  private NativeDevice nativeDevice;

  @BeforeEach
  void open() {
    Native.needsDevice();
    nativeDevice = NativeDevice.open(Native.DEVICE);
  }

  @AfterEach
  void close() {
    if (nativeDevice != null) {
      nativeDevice.close();
    }
  }

  /** The structures of its calls, the stream's segment and the places of results. */
  @Test
  void closingGivesBackWhatItsCallsLieIn() {
    NativeDevice device = NativeDevice.open(Native.DEVICE);
    var stream = new MemorySegment[1];
    device.call(
        (library, own) -> {
          stream[0] = own;
          return AbiConstants.OK;
        });
    assertTrue(stream[0].scope().isAlive());
    device.close();
    assertFalse(stream[0].scope().isAlive());
    device.close();
  }

  @Test
  void deviceMemoryCannotBeTouchedFromJava() {
    try (TensorArena arena = nativeDevice.arena("a")) {
      Tensor t = arena.alloc("secret", DType.F32, 4);
      assertTrue(
          assertThrows(IllegalStateException.class, t::memory)
              .getMessage()
              .contains("secret lies in device memory"));
    }
  }

  /** JV-6. */
  @Test
  void hostMemoryOfAnyKindIsTakenOrRefusedByName() throws Exception {
    try (TensorArena arena = nativeDevice.arena("a")) {
      Tensor t = arena.alloc("t", DType.F32, 4);
      nativeDevice.upload(t, MemorySegment.ofArray(new float[4]));
      nativeDevice.upload(t, Arena.ofAuto().allocate(16));
      nativeDevice.upload(t, Arena.global().allocate(16));
      try (Arena shared = Arena.ofShared();
          Arena confined = Arena.ofConfined()) {
        nativeDevice.upload(t, shared.allocate(16));
        nativeDevice.download(confined.allocate(16), t);
      }
      Arena closed = Arena.ofConfined();
      MemorySegment gone = closed.allocate(16);
      closed.close();
      assertEquals(
          "src: its memory is already closed",
          assertThrows(IllegalStateException.class, () -> nativeDevice.upload(t, gone))
              .getMessage());
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () -> nativeDevice.upload(t, MemorySegment.ofArray(new float[3])))
              .getMessage()
              .startsWith("src has 12 bytes"));
      var other = new AtomicReference<MemorySegment>();
      var done = new CountDownLatch(1);
      var made = new CountDownLatch(1);
      var owner =
          new Thread(
              () -> {
                try (Arena mine = Arena.ofConfined()) {
                  other.set(mine.allocate(16));
                  made.countDown();
                  done.await();
                } catch (InterruptedException e) {
                  throw new AssertionError(e);
                }
              });
      owner.start();
      made.await();
      assertEquals(
          "src: its memory belongs to another thread",
          assertThrows(WrongThreadException.class, () -> nativeDevice.upload(t, other.get()))
              .getMessage());
      done.countDown();
      owner.join();
    }
  }

  /** JV-6: a caller's own buffers as tensors. */
  @Test
  void aCallersBufferIsUsedInPlaceOrRefusedByName() throws Exception {
    try (TensorArena arena = nativeDevice.arena("a");
        Arena memory = Arena.ofShared()) {
      MemorySegment mine = memory.allocate(4 * 8 * 4, 16);
      for (int i = 0; i < 32; i++) {
        mine.setAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, i, i);
      }
      Tensor in = arena.view("mine", DType.F32, Block.of(mine), 4, 8);
      MemorySegment result = memory.allocate(2 * 8 * 4, 16);
      Tensor out = arena.view("result", DType.F32, Block.of(result), 2, 8);
      Tensor rows = arena.alloc("rows", DType.I32, 2);
      nativeDevice.upload(rows, MemorySegment.ofArray(new int[] {3, 1}));
      if (Native.DEVICE == DeviceType.CUDA) {
        assertEquals(
            "result is F32[2, 8] in host memory, which this device cannot use",
            assertThrows(
                    IllegalArgumentException.class,
                    () -> nativeDevice.gatherRows(List.of(out), List.of(in), rows))
                .getMessage());
        return;
      }
      nativeDevice.gatherRows(List.of(out), List.of(in), rows);
      assertEquals(24f, result.getAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, 0));
      assertEquals(8f, result.getAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, 8));

      Tensor heap =
          arena.view("heap", DType.F32, Block.of(MemorySegment.ofArray(new float[32])), 4, 8);
      assertEquals(
          "heap is F32[4, 8] on the Java heap, which this device cannot use",
          assertThrows(
                  IllegalArgumentException.class,
                  () -> nativeDevice.gatherRows(List.of(out), List.of(heap), rows))
              .getMessage());
      try (CpuDevice cpu = CpuDevice.open(2);
          TensorArena other = cpu.arena("other")) {
        Tensor foreign = other.alloc("foreign", DType.F32, 4, 8);
        assertEquals(
            "foreign is F32[4, 8] of another device",
            assertThrows(
                    IllegalArgumentException.class,
                    () -> nativeDevice.gatherRows(List.of(out), List.of(foreign), rows))
                .getMessage());
      }
      Arena closed = Arena.ofConfined();
      Tensor gone = arena.view("gone", DType.F32, Block.of(closed.allocate(128, 16)), 4, 8);
      var wrongThread = new AtomicReference<Throwable>();
      var thread =
          new Thread(
              () -> {
                try {
                  nativeDevice.gatherRows(List.of(out), List.of(gone), rows);
                } catch (RuntimeException e) {
                  wrongThread.set(e);
                }
              });
      thread.start();
      thread.join();
      assertEquals(
          "in: the memory of tensor gone belongs to another thread",
          wrongThread.get().getMessage());
      nativeDevice.gatherRows(List.of(out), List.of(gone), rows);
      closed.close();
      assertEquals(
          "in: the memory of tensor gone is closed",
          assertThrows(
                  IllegalStateException.class,
                  () -> nativeDevice.gatherRows(List.of(out), List.of(gone), rows))
              .getMessage());
    }
  }

  /** JV-6: closing while a call runs waits, and every later call is refused. */
  @Test
  void closingWhileACallRunsWaits() throws Exception {
    for (int round = 0; round < 20; round++) {
      NativeDevice device = NativeDevice.open(Native.DEVICE);
      TensorArena arena = device.arena("rows");
      Tensor x = arena.alloc("x", DType.F32, 200, 256);
      Tensor w = arena.alloc("w", DType.F32, 256);
      var failure = new AtomicReference<Throwable>();
      var running = new CountDownLatch(1);
      var worker =
          new Thread(
              () -> {
                try {
                  while (true) {
                    device.rmsnorm(x, x, new Norm(w, null, 1e-5f));
                    running.countDown();
                  }
                } catch (RuntimeException e) {
                  failure.set(e);
                }
              });
      worker.start();
      running.await();
      boolean arenaFirst = round % 2 == 0;
      if (arenaFirst) {
        arena.close();
      } else {
        device.close();
      }
      worker.join(TimeUnit.SECONDS.toMillis(10));
      assertFalse(worker.isAlive());
      assertEquals(IllegalStateException.class, failure.get().getClass());
      String part = arenaFirst ? "after its arena 'rows' was closed" : "device is closed";
      assertTrue(failure.get().getMessage().contains(part), failure.get().getMessage());
      arena.close();
      arena.close();
      device.close();
      device.close();
    }
  }

  @Test
  void aForgottenArenaIsReportedWithThePlaceItWasOpened() throws Exception {
    var reports = new ArrayList<LogRecord>();
    var handler =
        new Handler() {
          @Override
          public synchronized void publish(LogRecord record) {
            reports.add(record);
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    Logger.getLogger("starling").addHandler(handler);
    Logger.getLogger("starling").setUseParentHandlers(false);
    forget();
    for (int i = 0; i < 100 && reports.isEmpty(); i++) {
      System.gc();
      Thread.sleep(20);
    }
    Logger.getLogger("starling").removeHandler(handler);
    assertEquals("arena 'forgotten' with 64 bytes was never closed", reports.get(0).getMessage());
    assertTrue(
        java.util.Arrays.stream(reports.get(0).getThrown().getStackTrace())
            .anyMatch(f -> f.getMethodName().equals("forget")));
  }

  private void forget() {
    nativeDevice.arena("forgotten").alloc("t", DType.F32, 16);
  }

  @Test
  void whatIsRefusedHereOrByTheLibraryBecomesAnExceptionWithASentence() {
    try (TensorArena arena = nativeDevice.arena("a")) {
      Tensor big = arena.alloc("big", DType.BF16, 4, 64);
      Tensor shifted = big.columns(3, 35);
      Tensor out = arena.alloc("out", DType.BF16, 4, 32);
      Tensor w = arena.alloc("w", DType.BF16, 32);
      assertEquals(
          "x: big is BF16[4, 32], of which every row must start at a multiple of 16 bytes",
          assertThrows(
                  IllegalArgumentException.class,
                  () -> nativeDevice.rmsnorm(out, shifted, new Norm(w, null, 1e-5f)))
              .getMessage());
      Tensor ids = arena.alloc("ids", DType.I32, 4);
      nativeDevice.upload(ids, MemorySegment.ofArray(new int[] {0, 1, 77, 2}));
      String message =
          assertThrows(
                  IllegalStateException.class,
                  () -> nativeDevice.embed(arena.alloc("rows", DType.BF16, 4, 64), ids, big))
              .getMessage();
      assertTrue(message.contains("an id is 77; it must be at least 0 and below 4"), message);
      assertTrue(
          assertThrows(
                  IllegalArgumentException.class,
                  () ->
                      nativeDevice.rmsnorm(
                          out, arena.alloc("f", DType.F32, 4, 32), new Norm(w, null, 1)))
              .getMessage()
              .contains("but f is F32[4, 32]"));
    }
  }

  /**
   * After the JIT compiler is done with it: the smallest of several windows, as it may still work.
   */
  @Test
  void aLaunchAllocatesNothing() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (TensorArena arena = nativeDevice.arena("a")) {
      Tensor x = arena.alloc("x", DType.BF16, 1, 32);
      Tensor y = arena.alloc("y", DType.BF16, 1, 32);
      Tensor rows = arena.alloc("rows", DType.I32, 1);
      Segments counter = SegmentTable.counter(nativeDevice, arena);
      Norm vector = new Norm(arena.alloc("w", DType.BF16, 32), null, 1e-5f);
      Linear w =
          nativeDevice.linear(
              arena,
              DType.BF16,
              Linear.Source.of(StoredTensor.of("w", List.of(8, 32), new float[256]), null));
      Tensor out = arena.alloc("out", DType.BF16, 1, 8);
      List<Tensor> from = List.of(x);
      List<Tensor> to = List.of(y);
      long least = Long.MAX_VALUE;
      for (int window = 0; window < 40 && least > 0; window++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 500; i++) {
          nativeDevice.rmsnorm(y, x, vector);
          nativeDevice.gemm(out, x, w, vector, Activation.NONE, null);
          nativeDevice.gatherRows(to, from, rows);
          nativeDevice.advance(counter);
        }
        least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
      }
      assertEquals(0, least, "bytes allocated by 2000 launches");
    }
  }

  @Test
  void marksMeasureTime() {
    assertThrows(
        IllegalArgumentException.class, () -> nativeDevice.elapsedMillis(0, 0), "none made yet");
    long from = nativeDevice.recordEvent();
    try (TensorArena arena = nativeDevice.arena("a")) {
      nativeDevice.advance(SegmentTable.counter(nativeDevice, arena));
    }
    long to = nativeDevice.recordEvent();
    double millis = nativeDevice.elapsedMillis(from, to);
    assertThrows(IllegalArgumentException.class, () -> nativeDevice.elapsedMillis(from, to + 1));
    assertThrows(IllegalArgumentException.class, () -> nativeDevice.elapsedMillis(-1, to));
    assertTrue(millis >= 0 && millis < 10_000);
    for (int i = 0; i < 5000; i++) {
      nativeDevice.recordEvent();
    }
    assertThrows(IllegalArgumentException.class, () -> nativeDevice.elapsedMillis(from, to));
  }
}
