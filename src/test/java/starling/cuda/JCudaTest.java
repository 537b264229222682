package starling.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.List;
import jcuda.Pointer;
import jcuda.runtime.cudaStream_t;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.device.DType;
import starling.device.DeviceType;
import starling.device.SegmentTable;
import starling.device.Segments;
import starling.device.Tensor;
import starling.device.TensorArena;
import starling.jcuda.Interop;

/** Pointers and streams to JCuda's objects and back, over made-up CUDA calls. */
class JCudaTest {
  private static Tensor counting(NativeDevice device, TensorArena arena, int rows, int width) {
    Tensor t = arena.alloc("t", DType.F32, rows, width);
    float[] values = new float[rows * width];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    device.upload(t, MemorySegment.ofArray(values));
    return t;
  }

  @Test
  void aPointerGoesThereAndBack() {
    try (var _ = new FakeCuda("");
        NativeDevice device = NativeDevice.open(DeviceType.CUDA);
        TensorArena arena = device.arena("a")) {
      Tensor t = counting(device, arena, 4, 8);
      Pointer theirs = Interop.pointer(device, t.rows(1, 4));
      // A program's arithmetic: two rows further on.
      Pointer further = theirs.withByteOffset(2L * t.rowStride() * 4);
      Tensor view = arena.view("theirs", DType.F32, Interop.block(further, 32), 1, 8);
      assertEquals(
          "theirs is F32[2, 8], which needs 64 bytes; its memory has 32",
          assertThrows(
                  IllegalArgumentException.class,
                  () -> arena.view("theirs", DType.F32, Interop.block(further, 32), 2, 8))
              .getMessage());
      assertEquals(device.addressOf(t.rows(3, 4)), device.addressOf(view));
      float[] row = new float[8];
      device.download(MemorySegment.ofArray(row), view);
      assertArrayEquals(new float[] {24, 25, 26, 27, 28, 29, 30, 31}, row);
    }
  }

  @Test
  void whatIsNoDevicePointerIsRefused() {
    for (Pointer p : List.of(new Pointer(), Pointer.to(new float[4]))) {
      String why =
          assertThrows(IllegalArgumentException.class, () -> Interop.block(p)).getMessage();
      assertTrue(why.startsWith("memory is no device pointer"), why);
    }
  }

  @Test
  void aStreamIsSharedAndStaysItsOwners() {
    try (var _ = new FakeCuda("");
        NativeDevice owner = NativeDevice.open(DeviceType.CUDA)) {
      cudaStream_t stream = Interop.stream(owner);
      assertTrue(owner.cudaStream() != 0);
      try (NativeDevice guest = Interop.open(stream);
          TensorArena arena = guest.arena("a")) {
        assertEquals(owner.cudaStream(), guest.cudaStream());
        Segments counter = SegmentTable.counter(guest, arena);
        SegmentTable.count(guest, counter, 3);
        assertEquals(3, SegmentTable.counted(guest, counter));
      }
      try (TensorArena arena = owner.arena("b")) {
        owner.advance(SegmentTable.counter(owner, arena));
      }
      assertEquals(
          Interop.driverStream(owner), Interop.driverStream(owner), "the same address is equal");
    }
  }

  /** The example of the page about embedding, as a program would compile it. */
  @Test
  void theExampleSelectsOnAStreamOfTheProgram(@TempDir Path dir) throws Exception {
    Method select = Examples.compiled("Select", dir);
    try (var _ = new FakeCuda("");
        NativeDevice program = NativeDevice.open(DeviceType.CUDA);
        TensorArena memory = program.arena("the program's")) {
      Tensor rows = memory.alloc("rows", DType.F32, 577, 1024);
      float[] values = new float[577 * 1024];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) Math.sin(0.37 * i * i);
      }
      program.upload(rows, MemorySegment.ofArray(values));
      Tensor room = memory.alloc("room", DType.F32, 58, 1024);
      int[] patches =
          (int[])
              select.invoke(
                  null,
                  Interop.stream(program),
                  Interop.pointer(program, rows),
                  Interop.pointer(program, room));
      // As the other example prints, on the same numbers.
      assertArrayEquals(
          new int[] {7, 16, 32, 36, 39, 48, 59, 62}, java.util.Arrays.copyOf(patches, 8));
      float[] first = new float[1024];
      program.download(MemorySegment.ofArray(first), room.rows(0, 1));
      assertArrayEquals(java.util.Arrays.copyOfRange(values, 8 * 1024, 9 * 1024), first);
    }
  }
}
